"""What every target promises of quantized members: its files compute what the imitation does, in integers."""

import random
from collections import Counter
from pathlib import Path

import onnx
import onnxruntime
import pytest
from quantized_cases import PICTURES, bits_everywhere, corners, data, taken_out, trained, with_precision
from torch import nn

from supple.errors import SuppleError
from supple.family import QuantizationConfig
from supple.family.quantized.quantizers import precisions_of
from supple.runtime import BACKENDS, Runtime, check_export, parse_target
from supple.runtime.onnx_emitter import onnx_program
from supple.runtime.onnx_quantizing import quantized_layers
from supple.runtime.onnx_template import OnnxTemplate
from supple.trace import ModelInputs

ONNX_PLACES = [
    place
    for place in ("onnxruntime:cpu", "openvino:cpu")
    if BACKENDS[parse_target(place).runtime].missing(parse_target(place).device) is None
]
SETTINGS = {
    "default": {},
    "reduced range": {"reduced_range": True},
    "signed": {"signed_activations": True},
    "symmetric": {"signed_activations": True, "symmetric_activations": True},
    "per tensor": {"per_channel": False},
    "rounded results": {"round_linear_results": True},
    "dynamic": {"formats": {"*": ["int8-dynamic"]}},
    "int8 weights": {"formats": {"*": ["int8-weights"]}},
    "int4 weights": {"formats": {"*": ["int4-weights"]}},
}


def checked(place, member, content, images):
    target = parse_target(f"{place}?batch=50")
    return check_export(member, BACKENDS[target.runtime].open(content, target), images)


def content_of(member):
    return onnx_program(member, ModelInputs.of(data().test[:2])).content


@pytest.mark.parametrize("network", ["cnn", "transformer"])
@pytest.mark.parametrize("settings", SETTINGS)
def test_a_file_computes_what_the_imitation_does(network, settings):
    family = with_precision(network, QuantizationConfig(**SETTINGS[settings]))
    member = taken_out(family, bits_everywhere(family))
    content = content_of(member)
    assert set(quantized_layers(onnx.load_from_string(content))) == set(precisions_of(member))
    for place in ONNX_PLACES:
        if settings == "dynamic" and place != "onnxruntime:cpu":
            continue
        parity = checked(place, member, content, data().test[:500])
        assert parity.top1_agreement >= 0.99
        assert parity.signal_to_noise_db > 30


def test_the_members_of_a_family_are_cut_with_the_layers_that_they_quantize():
    family = with_precision("cnn", QuantizationConfig())
    template = OnnxTemplate(family, data().test[:2])
    assert template.reason is None
    rng = random.Random(3)
    narrow = family.space.min()
    shallow = bits_everywhere(family, **{"blocks.depth": 1})
    for config in (narrow, shallow, family.space.sample(rng), family.space.sample(rng)):
        member = taken_out(family, config)
        content = template.cut(config)
        chosen = {
            layer.path
            for layer, _ in family.quantization.formats(config)
            if not any(layer.path.startswith(path) for path in family.structure.dropped_blocks(config))
        }
        assert set(quantized_layers(onnx.load_from_string(content))) == chosen == set(precisions_of(member))
        assert checked("onnxruntime:cpu", member, content, data().test[:500]).signal_to_noise_db > 30


def operators(content: bytes, folder: Path) -> Counter[str]:
    """Return the operators that ONNX Runtime runs for a file."""
    options = onnxruntime.SessionOptions()
    options.optimized_model_filepath = str(folder / "optimized.onnx")
    options.intra_op_num_threads = 1
    options.log_severity_level = 4
    onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])
    return Counter(node.op_type for node in onnx.load(options.optimized_model_filepath).graph.node)


def test_onnx_runtime_multiplies_integers(tmp_path):
    # Not the layer that is called twice: its one grid is not that of what is around each call, and the double rounding
    # keeps ONNX Runtime 1.31 from fusing one of the calls. The result is the same.
    layers = ("stem.*", "blocks.*", "depthwise.*", "hidden", "head")
    family = with_precision("cnn", QuantizationConfig(formats={pattern: ["int8"] for pattern in layers}))
    found = operators(content_of(taken_out(family, bits_everywhere(family))), tmp_path)
    convolutions = sum(isinstance(module, nn.Conv2d) for module in trained("cnn").model.modules()) - 1
    assert found["QLinearConv"] == convolutions == 7
    assert found["Conv"] + found["FusedConv"] == 2
    assert found["QGemm"] + found["MatMulIntegerToFloat"] == 2
    assert found["Gemm"] == found["MatMul"] == 0


def test_onnx_runtime_multiplies_integers_in_the_chosen_layers_alone(tmp_path):
    family = with_precision("cnn", QuantizationConfig(formats={"blocks.0.*": ["int8"]}))
    found = operators(content_of(taken_out(family, bits_everywhere(family))), tmp_path)
    assert found["QLinearConv"] == 3
    assert found["Conv"] + found["FusedConv"] > 0


@pytest.mark.skipif("openvino:cpu" not in ONNX_PLACES, reason="OpenVINO is not installed")
def test_openvino_multiplies_integers_in_the_chosen_layers_alone():
    family = with_precision("cnn", QuantizationConfig(formats={"blocks.0.*": ["int8"]}))
    member = taken_out(family, bits_everywhere(family))
    session = BACKENDS[Runtime.OPENVINO].open(content_of(member), parse_target("openvino:cpu?batch=2"))
    precisions = Counter(
        node.rt_info["runtimePrecision"].astype(str)
        for node in session._compiled.get_runtime_model().get_ops()
        if node.rt_info["layerType"].astype(str) == "Convolution"
    )
    integers = precisions["u8"] + precisions["i8"]
    assert integers == 3
    assert precisions["f32"] == sum(precisions.values()) - integers > 0


@pytest.mark.parametrize("place", ONNX_PLACES)
@pytest.mark.parametrize("settings", [{}, {"per_channel": False}, {"formats": {"*": ["int8-weights"]}}])
def test_negative_and_zero_factors_and_an_output_that_is_rounded(place, settings):
    member = corners(**settings)
    parity = check_export(
        member,
        BACKENDS[parse_target(place).runtime].open(
            onnx_program(member, ModelInputs.of(PICTURES[:2])).content, parse_target(f"{place}?batch=16")
        ),
        PICTURES,
    )
    assert parity.least_top1_agreement is None
    assert parity.signal_to_noise_db > 40


def test_weights_with_a_zero_point_before_a_batch_norm_are_no_file():
    with pytest.raises(SuppleError, match=r'Layer "conv": Weights with a zero point cannot be multiplied by a batch'):
        onnx_program(corners(per_channel=False, symmetric_weights=False), ModelInputs.of(PICTURES[:2]))


def test_a_reduced_range_leaves_the_outermost_weights_out():
    member = corners(reduced_range=True)
    model = onnx.load_from_string(onnx_program(member, ModelInputs.of(PICTURES[:2])).content)
    weights = [onnx.numpy_helper.to_array(entry) for entry in model.graph.initializer if ".weight.of." in entry.name]
    integers = [entry for entry in weights if entry.dtype == "int8" and entry.ndim == 4]
    assert len(integers) == 2
    assert {abs(entry.astype(int)).max() for entry in integers} == {63}
