"""Tests of comparing a quantized member with its file: right files agree, wrong ones do not."""

import math

import numpy as np
import onnx
import pytest
import torch
from onnx import numpy_helper
from torch import nn

from supple.errors import SuppleError
from supple.family import QuantizationConfig, convert, quantize
from supple.runtime import OnnxSession, check_export, compare
from supple.runtime.onnx_emitter import onnx_program
from supple.space import Kind
from supple.trace import ModelInputs

IMAGES = torch.randn(200, 3, 8, 8, generator=torch.Generator().manual_seed(7))


def member_of(**settings):
    """Return the member of a small network whose layers all have the fewest bits, calibrated."""
    torch.set_num_threads(1)
    torch.manual_seed(0)
    net = nn.Sequential(
        nn.Conv2d(3, 16, 3), nn.ReLU(), nn.Conv2d(16, 16, 3), nn.ReLU(), nn.Flatten(), nn.Linear(256, 4)
    )
    # Classes that are far apart, as those of a trained network.
    net[-1].weight.data *= 20
    family = quantize(convert(net.eval(), IMAGES[:2]), QuantizationConfig(**settings))
    bits = {entry.name: entry.values[0] for entry in family.space.dimensions if entry.kind is Kind.BITS}
    config = family.space.config(bits)
    family.calibrate(config, [IMAGES])
    return family.extract(config).eval()


@pytest.fixture(scope="module")
def member():
    return member_of()


@pytest.fixture(scope="module")
def right(member):
    return onnx.load_from_string(onnx_program(member, ModelInputs.of(IMAGES[:2])).content)


def session_of(model):
    return OnnxSession(model.SerializeToString())


def changed(model, node, position, change):
    """Return the model in which one node reads another number in the place of a constant."""
    copy = onnx.ModelProto()
    copy.CopyFrom(model)
    reader = copy.graph.node[node]
    found = next(entry for entry in copy.graph.initializer if entry.name == reader.input[position])
    copy.graph.initializer.append(numpy_helper.from_array(change(numpy_helper.to_array(found)), "changed"))
    reader.input[position] = "changed"
    return copy


def dequantizing(model, of_weights):
    """Return the places of the nodes that give a layer its weights, or what it takes."""
    constants = {entry.name for entry in model.graph.initializer}
    return [
        place
        for place, node in enumerate(model.graph.node)
        if node.op_type == "DequantizeLinear"
        and (node.input[0] in constants) == of_weights
        and "bias" not in node.input[0]
    ]


def test_a_right_file_agrees_by_its_signal_to_noise_ratio(member, right):
    parity = check_export(member, session_of(right), IMAGES)
    assert parity.agrees
    assert parity.least_top1_agreement == 0.99
    assert parity.signal_to_noise_db > parity.least_signal_to_noise_db > 30


def test_the_largest_difference_of_a_rounded_member_is_not_held_against_it(member, right):
    parity = compare(member, session_of(right), IMAGES)
    assert parity.max_absolute_difference > parity.tolerance


@pytest.mark.parametrize("of_weights", [True, False])
def test_a_wrong_scale_of_any_layer_is_refused(member, right, of_weights):
    places = dequantizing(right, of_weights)
    assert len(places) >= 3
    for place in places:
        wrong = changed(right, place, 1, lambda scale: scale * np.float32(1.1))
        assert not compare(member, session_of(wrong), IMAGES).agrees


def test_a_wrong_zero_point_of_any_activation_is_refused(member, right):
    for place in dequantizing(right, of_weights=False):
        wrong = changed(
            right,
            place,
            2,
            lambda zero: np.array(int(zero) + 3 if zero < 128 else int(zero) - 3, zero.dtype),
        )
        assert not compare(member, session_of(wrong), IMAGES).agrees


def test_swapped_channels_of_any_layer_are_refused(member, right):
    for place in dequantizing(right, of_weights=True):
        wrong = changed(right, place, 0, lambda weight: weight[::-1].copy())
        assert not compare(member, session_of(wrong), IMAGES).agrees


def test_a_wrong_quantized_file_is_told_in_decibels(member, right):
    wrong = changed(right, dequantizing(right, of_weights=True)[0], 1, lambda scale: scale * np.float32(2))
    with pytest.raises(
        SuppleError,
        match=r"The export of Sequential is wrong: on 200 inputs the rounded member's outputs are -?\d+\.\d dB above "
        r"the differences, with \d+\.\d% of classes the same, where at least \d+\.\d dB and at least 99% are asked for",
    ):
        check_export(member, session_of(wrong), IMAGES)


def test_classes_that_differ_are_refused_whatever_the_noise(member, right):
    # One logit of many classes moves too little to show as noise.
    shifted = nn.Sequential(*member)
    parity = compare(shifted, session_of(right), IMAGES)
    assert parity.agrees
    assert not _with(parity, top1_agreement=0.98).agrees
    assert _with(parity, top1_agreement=0.98, least_top1_agreement=None).agrees
    assert not _with(parity, signal_to_noise_db=parity.least_signal_to_noise_db - 0.1).agrees
    assert not _with(parity, signal_to_noise_db=math.nan).agrees


def _with(parity, **changes):
    return type(parity)(**{**vars(parity), **changes})


def test_embeddings_are_judged_by_noise_alone(member, right):
    parity = check_export(member, session_of(right), IMAGES, are_classes=False)
    assert parity.least_top1_agreement is None
    assert parity.least_signal_to_noise_db is not None
    wrong = changed(right, dequantizing(right, of_weights=True)[0], 1, lambda scale: scale * np.float32(2))
    with pytest.raises(SuppleError, match=r"where at least \d+\.\d dB are asked for"):
        check_export(member, session_of(wrong), IMAGES, are_classes=False)


def test_a_member_in_float32_is_judged_by_the_largest_difference():
    torch.manual_seed(0)
    net = nn.Sequential(nn.Flatten(), nn.Linear(192, 4))
    parity = compare(net, OnnxSession(onnx_program(net, ModelInputs.of(IMAGES[:2])).content), IMAGES)
    assert parity.agrees
    assert (parity.least_signal_to_noise_db, parity.least_top1_agreement) == (None, None)
    assert parity.signal_to_noise_db > 100


@pytest.mark.parametrize("number_format", ["int8-weights", "int4-weights"])
def test_a_member_whose_weights_alone_are_quantized_must_agree_as_one_in_float32(number_format):
    weights_only = member_of(formats={"*": [number_format]}, block_size=16)
    content = onnx_program(weights_only, ModelInputs.of(IMAGES[:2])).content
    parity = check_export(weights_only, OnnxSession(content), IMAGES)
    assert parity.least_signal_to_noise_db is None
    assert parity.max_absolute_difference <= parity.tolerance


def test_ranges_of_each_batch_compute_what_the_imitation_does():
    dynamic = member_of(formats={"*": ["int8-dynamic"]})
    content = onnx_program(dynamic, ModelInputs.of(IMAGES[:2])).content
    assert check_export(dynamic, OnnxSession(content), IMAGES[:64]).signal_to_noise_db > 60
