"""Tests of which formats a target runs, and of what is told before anything is searched or exported there."""

import pytest
import torch
from torch import nn

from supple.errors import SuppleError
from supple.family import QuantizationConfig, convert, quantize
from supple.family.quantized.formats import Format
from supple.family.quantized.layers import LayerKind
from supple.runtime import BACKENDS, check_formats, export, parse_target
from supple.runtime.backend import OneByOne
from supple.runtime.target import PLACES
from supple.runtime.target_formats import check_member_formats
from supple.searching.target_check import check_target
from supple.space import Kind
from supple.trace import ModelInputs

IMAGES = torch.randn(4, 3, 8, 8, generator=torch.Generator().manual_seed(1))
FULL, STATIC, DYNAMIC = Format.FP32, Format.INT8, Format.INT8_DYNAMIC
EIGHT, FOUR = Format.INT8_WEIGHTS, Format.INT4_WEIGHTS
FLOATS = {FULL, Format.FP16, Format.BF16, Format.FP8}


def quantized(**settings):
    torch.set_num_threads(1)
    torch.manual_seed(0)
    net = nn.Sequential(nn.Conv2d(3, 16, 3), nn.BatchNorm2d(16), nn.ReLU(), nn.Flatten(), nn.Linear(576, 2))
    return quantize(convert(net.eval(), IMAGES[:2]), QuantizationConfig(**settings))


def fewest_bits(family):
    return family.space.config(
        {entry.name: entry.values[0] for entry in family.space.dimensions if entry.kind is Kind.BITS}
    )


@pytest.mark.parametrize(
    ("place", "convolutions", "linear_layers"),
    [
        ("onnxruntime:cpu", {FULL, STATIC, DYNAMIC, EIGHT}, {FULL, STATIC, DYNAMIC, EIGHT, FOUR}),
        ("onnxruntime:cuda", {FULL}, {FULL}),
        ("onnxruntime:tensorrt", {FULL}, {FULL}),
        ("openvino:cpu", {FULL, STATIC, EIGHT}, {FULL, STATIC, EIGHT, FOUR}),
        ("executorch:xnnpack", {FULL, STATIC}, {FULL, STATIC}),
        ("torch:cpu", {*FLOATS, EIGHT}, {*FLOATS, EIGHT, FOUR}),
        ("torch:cuda", {FULL}, {FULL}),
        ("torch-compile:cpu", {*FLOATS, STATIC, EIGHT}, {*FLOATS, STATIC, EIGHT, FOUR}),
        ("torch-compile:cuda", {FULL}, {FULL}),
    ],
)
def test_a_target_says_what_it_runs(place, convolutions, linear_layers):
    runtime, device = PLACES[place]
    backend = BACKENDS[runtime]
    assert backend.formats(device, LayerKind.CONVOLUTION) == convolutions
    assert backend.formats(device, LayerKind.DEPTHWISE) == convolutions
    assert backend.formats(device, LayerKind.LINEAR) == linear_layers


def test_every_target_runs_fp32():
    for runtime, device in PLACES.values():
        assert all(FULL in BACKENDS[runtime].formats(device, kind) for kind in LayerKind)


def test_a_format_that_a_target_cannot_run_is_told_with_those_that_it_can():
    family = quantized(formats={"*": ["int8-dynamic"]})
    check_formats(family, parse_target("onnxruntime:cpu"))
    with pytest.raises(
        SuppleError,
        match=r'"0.bits" offers int8-dynamic to layer "0", which target "openvino:cpu" cannot run: a convolution can '
        r"be int8, int8-weights, fp32 there",
    ):
        check_formats(family, parse_target("openvino:cpu"))


def test_a_family_without_precision_suits_every_target():
    family = convert(nn.Sequential(nn.Linear(4, 32), nn.ReLU(), nn.Linear(32, 2)), torch.randn(2, 4))
    for place in PLACES:
        check_formats(family, parse_target(place))


def test_a_target_is_asked_before_a_search():
    with pytest.raises(SuppleError, match=r'"0.bits" offers int8 to layer "0", which target "torch:cpu" cannot run'):
        check_target(quantized(), IMAGES[:2], parse_target("torch:cpu"))


def test_members_in_fp32_run_where_others_of_the_family_do_not():
    family, target = quantized(), parse_target("torch:cpu")
    check_member_formats(family, family.space.max(), target)
    with pytest.raises(SuppleError, match=r'Layer "0" is int8, which target "torch:cpu" cannot run'):
        OneByOne(BACKENDS[target.runtime], family, ModelInputs.of(IMAGES[:2]), target).emit(fewest_bits(family))


def test_a_member_is_refused_before_it_is_exported(tmp_path):
    family = quantized()
    family.calibrate(fewest_bits(family), [IMAGES])
    member = family.extract(fewest_bits(family))
    with pytest.raises(SuppleError, match=r'Layer "0" is int8, which target "torch:cpu" cannot run'):
        export(member, IMAGES[:2], tmp_path / "net.safetensors", target="torch:cpu")
    assert list(tmp_path.iterdir()) == []


def test_xnnpack_asks_for_rounded_results_of_linear_layers():
    target = parse_target("executorch:xnnpack")
    with pytest.raises(SuppleError, match=r"cannot round as the family does: .* set round_linear_results=True"):
        check_formats(quantized(), target)
    check_formats(quantized(round_linear_results=True), target)
    check_formats(quantized(formats={"*": [], "0": ["int8"]}), target)


def test_a_linear_layer_whose_results_are_not_rounded_is_no_executorch_program():
    family = quantized()
    family.calibrate(fewest_bits(family), [IMAGES])
    with pytest.raises(SuppleError, match=r'Layer "4" cannot be exported: .* set round_linear_results=True'):
        BACKENDS[parse_target("executorch:xnnpack").runtime].export(
            family.extract(fewest_bits(family)), ModelInputs.of(IMAGES[:1])
        )


def test_xnnpack_asks_for_weights_without_a_zero_point():
    family = quantized(per_channel=False, symmetric_weights=False, round_linear_results=True)
    with pytest.raises(SuppleError, match=r"XNNPACK has no weights with a zero point: set symmetric_weights=True"):
        check_formats(family, parse_target("executorch:xnnpack"))


def test_the_compiler_asks_for_integer_weights_without_a_zero_point():
    target = parse_target("torch-compile:cpu")
    with pytest.raises(SuppleError, match=r"have no weights with a zero point: set symmetric_weights=True"):
        check_formats(quantized(per_channel=False, symmetric_weights=False), target)
    check_formats(quantized(per_channel=False, symmetric_weights=False, formats={"*": ["bf16"]}), target)


@pytest.mark.parametrize("place", ["onnxruntime:cpu", "openvino:cpu"])
def test_weights_with_a_zero_point_before_a_batch_norm_are_told(place):
    family = quantized(per_channel=False, symmetric_weights=False)
    with pytest.raises(
        SuppleError, match=r'weights of "0" have a zero point, and the batch norm .* set symmetric_weights=True'
    ):
        check_formats(family, parse_target(place))
    alone = quantized(per_channel=False, symmetric_weights=False, formats={"4": ["int8"]})
    check_formats(alone, parse_target(place))
