"""Tests of comparing an export with its member, and of accuracy in the runtime."""

import numpy as np
import pytest
import torch
from onnx import TensorProto, helper, numpy_helper
from torch import nn

from supple.errors import SuppleError
from supple.runtime import OnnxSession, check_export, compare, evaluate_accuracy


def member():
    torch.manual_seed(0)
    return nn.Linear(3, 4, bias=False)


def session_of(linear, change=0.0, classes=4):
    """Return the session of a linear layer, with one weight changed."""
    weight = linear.weight.detach().numpy()[:classes].T.copy()
    weight[0, 0] += change
    graph = helper.make_graph(
        [helper.make_node("MatMul", ["x", "w"], ["y"])],
        "linear",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ("batch", 3))],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, ("batch", classes))],
        [numpy_helper.from_array(weight, "w")],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10)
    return OnnxSession(model.SerializeToString())


IMAGES = torch.randn(150, 3, generator=torch.Generator().manual_seed(5))


def test_a_true_export_agrees():
    linear = member()
    parity = compare(linear, session_of(linear), IMAGES)
    assert parity.agrees
    assert parity.images == 150
    assert parity.top1_agreement == 1.0


def test_a_wrong_weight_does_not_agree():
    linear = member()
    parity = compare(linear, session_of(linear, change=0.5), IMAGES)
    assert not parity.agrees
    assert parity.max_absolute_difference == pytest.approx(0.5 * IMAGES[:, 0].abs().max().item(), rel=1e-4)
    assert parity.top1_agreement < 1.0
    largest = linear(IMAGES).abs().max().item()
    assert parity.max_relative_difference == pytest.approx(parity.max_absolute_difference / largest, rel=1e-4)
    assert parity.tolerance == pytest.approx(1e-4 * largest)


def test_a_difference_in_the_last_image_counts():
    linear = member()
    images = torch.zeros(100, 3)
    images[-1] = 1.0
    assert not compare(linear, session_of(linear, change=0.5), images).agrees


def test_what_is_not_a_number_does_not_agree():
    linear = member()
    assert not compare(linear, session_of(linear, change=float("nan")), IMAGES).agrees


def test_checking_a_wrong_export_fails():
    linear = member()
    with pytest.raises(SuppleError, match=r"The export of Linear is wrong: on 150 inputs .* by up to .* is allowed"):
        check_export(linear, session_of(linear, change=0.01), IMAGES)


def test_outputs_of_another_shape_are_named():
    linear = member()
    with pytest.raises(SuppleError, match=r"outputs of shape \[150, 2\], the PyTorch member of \[150, 4\]"):
        compare(linear, session_of(linear, classes=2), IMAGES)


def test_no_inputs_are_an_error():
    linear = member()
    with pytest.raises(SuppleError, match="There is nothing to compare an export on"):
        compare(linear, session_of(linear), IMAGES[:0])


def test_comparing_leaves_the_mode_of_the_member():
    linear = member().train()
    compare(linear, session_of(linear), IMAGES)
    assert linear.training


def test_accuracy_is_the_share_of_right_classes():
    linear = member()
    labels = linear(IMAGES).argmax(1)
    labels[:30] = (labels[:30] + 1) % 4
    batches = [(IMAGES[:100], labels[:100]), (IMAGES[100:], labels[100:])]
    assert evaluate_accuracy(session_of(linear), batches) == pytest.approx(120 / 150)


def test_accuracy_without_images_is_an_error():
    with pytest.raises(SuppleError, match="There are no images to evaluate"):
        evaluate_accuracy(session_of(member()), [])


def test_the_first_of_several_outputs_is_compared():
    class Two(nn.Module):
        def __init__(self):
            super().__init__()
            self.linear = member()

        def forward(self, x):
            return self.linear(x), x

    two = Two()
    assert compare(two, session_of(two.linear), IMAGES).agrees
    assert np.isfinite(compare(two, session_of(two.linear), IMAGES).tolerance)
