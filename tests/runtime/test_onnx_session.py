"""Tests of loading and running ONNX models, and of what a person is told when that fails."""

from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from supple.errors import SuppleError
from supple.runtime import OnnxSession

IMAGES = np.arange(12, dtype=np.float32).reshape(6, 2)


def doubling(shape=("batch", 2), element=TensorProto.FLOAT):
    """Return the content of a model whose one output is twice its one input."""
    graph = helper.make_graph(
        [helper.make_node("Add", ["x", "x"], ["y"])],
        "doubling",
        [helper.make_tensor_value_info("x", element, shape)],
        [helper.make_tensor_value_info("y", element, shape)],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10)
    return model.SerializeToString()


def test_a_model_runs_from_its_bytes_and_from_a_file(tmp_path):
    (tmp_path / "model.onnx").write_bytes(doubling())
    for model in (doubling(), tmp_path / "model.onnx"):
        np.testing.assert_array_equal(OnnxSession(model, threads=2).run(IMAGES), 2 * IMAGES)


def test_batches_are_run_one_after_another_and_joined():
    joined = OnnxSession(doubling()).run_batches([IMAGES[:4], (IMAGES[4:],)])
    np.testing.assert_array_equal(joined, 2 * IMAGES)


def test_no_batches_are_an_error():
    with pytest.raises(SuppleError, match="There is no batch to run the model on"):
        OnnxSession(doubling()).run_batches([])


def test_a_prepared_call_runs_the_model():
    np.testing.assert_array_equal(OnnxSession(doubling()).prepared(IMAGES)(), 2 * IMAGES)


def test_inputs_tell_their_shape_with_free_axes():
    (entry,) = OnnxSession(doubling()).inputs
    assert (entry.name, entry.shape, entry.dtype) == ("x", (None, 2), np.float32)


@pytest.mark.parametrize("element", [TensorProto.FLOAT, TensorProto.INT64])
def test_random_inputs_fit_the_model_and_are_always_the_same(element):
    session = OnnxSession(doubling(element=element))
    (array,) = session.random_inputs(batch=5)
    assert session.run(array).shape == (5, 2)
    np.testing.assert_array_equal(array, session.random_inputs(batch=5)[0])


@pytest.mark.parametrize(
    ("shape", "message"),
    [
        ((3, 2), r'Input "x" of the model is float32 \[3, 2\].*or equal the batch size 1'),
        (("batch", "width"), r'Input "x" of the model is float32 \[batch, batch\]: only the first axis can be free'),
    ],
)
def test_a_shape_that_is_not_known_is_refused(shape, message):
    with pytest.raises(SuppleError, match=message):
        OnnxSession(doubling(shape)).random_inputs(batch=1)


def test_a_missing_file_is_named():
    with pytest.raises(SuppleError, match=r'There is no ONNX file "no/such.onnx"'):
        OnnxSession(Path("no/such.onnx"))


def test_a_file_that_is_no_model_is_named(tmp_path, capfd):
    (tmp_path / "model.onnx").write_text("no model")
    with pytest.raises(SuppleError, match=r'model.onnx" cannot be loaded by ONNX Runtime: '):
        OnnxSession(tmp_path / "model.onnx")
    assert capfd.readouterr() == ("", "")


def test_an_operator_that_the_runtime_lacks_is_named():
    model = onnx.load_from_string(doubling())
    model.graph.node[0].op_type = "Ad"
    with pytest.raises(SuppleError, match=r"The model cannot be loaded by ONNX Runtime: .*Ad"):
        OnnxSession(model.SerializeToString())


def test_an_input_of_the_wrong_shape_or_type_is_named():
    session = OnnxSession(doubling())
    with pytest.raises(SuppleError, match=r"takes float32 \[batch, 2\], on float32 \[6, 3\]: "):
        session.run(np.zeros((6, 3), np.float32))
    with pytest.raises(SuppleError, match=r"takes float32 \[batch, 2\], on float64 \[6, 2\]: "):
        session.run(IMAGES.astype(np.float64))


def test_a_wrong_number_of_inputs_is_named():
    with pytest.raises(SuppleError, match=r"takes 1 inputs \(x\), not 2"):
        OnnxSession(doubling()).run(IMAGES, IMAGES)
