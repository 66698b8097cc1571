"""Costs of members in several precisions: what depends on the bits of layers, what does not, and what is refused."""

import random

import numpy as np
import onnx
import pytest
import torch
from onnx import numpy_helper

from supple import Family, convert
from supple.cost import AnalyticCosts, Effort, Roofline, TrainingSetting, measure_training
from supple.cost.config_arrays import values_of
from supple.errors import SuppleError
from supple.family.quantized.config import QuantizationConfig
from supple.family.quantized.quantizing import quantize
from supple.models import ResNet, mobilenet_small, resnet_demo
from supple.runtime.onnx_template import OnnxTemplate
from supple.space import Config, Kind

torch.set_num_threads(1)


@pytest.fixture(scope="module")
def plain() -> Family:
    torch.manual_seed(0)
    return convert(resnet_demo(), torch.zeros(2, 1, 28, 28)).eval()


@pytest.fixture(scope="module")
def family(plain) -> Family:
    return quantize(plain)


@pytest.fixture(scope="module")
def costs(family) -> AnalyticCosts:
    return AnalyticCosts(family)


def perceptron() -> Family:
    """Return a family whose last layer has 40 rows of 48 inputs; all else takes `OTHERS` bytes."""
    layers = torch.nn.Sequential(torch.nn.Linear(16, 48), torch.nn.ReLU(), torch.nn.Linear(48, 40))
    return convert(layers, torch.zeros(2, 16))


OTHERS = (16 * 48 + 48 + 40) * 4


def at_bits(family: Family, bits: int, config: Config | None = None) -> Config:
    chosen = {entry.name: bits for entry in family.space.dimensions if entry.kind is Kind.BITS}
    return family.space.config({**(config or family.space.max()), **chosen})


def shapes_of(family: Family, count: int) -> list[Config]:
    rng = random.Random(3)
    return [family.space.max(), family.space.min(), *(family.space.sample(rng) for _ in range(count))]


def initializer_bytes(content: bytes) -> int:
    """Return the bytes of the numbers in an ONNX file."""
    graph = onnx.load_from_string(content).graph
    return sum(numpy_helper.to_array(entry).nbytes for entry in graph.initializer)


def test_bits_change_the_bytes_of_weights_and_nothing_else(family, costs):
    quantized = [at_bits(family, 8, config) for config in shapes_of(family, 4)]
    full = list(map(family.full_precision, quantized))
    for figure in (costs.parameters, costs.macs, costs.traffic_bytes, costs.peak_activation_bytes):
        assert np.array_equal(figure(values_of(family.space, quantized)), figure(values_of(family.space, full)))
    small, large = (costs.weights_bytes(values_of(family.space, configs)) for configs in (quantized, full))
    assert (small < large).all()


def test_members_at_32_bits_cost_what_those_of_the_family_cost_that_was_quantized(plain, family, costs):
    configs = shapes_of(plain, 4)
    same = [family.space.config(config) for config in configs]
    expected = AnalyticCosts(plain)
    values, others = values_of(plain.space, configs), values_of(family.space, same)
    assert np.array_equal(costs.macs(others), expected.macs(values))
    assert np.array_equal(costs.weights_bytes(others), expected.weights_bytes(values))
    assert np.array_equal(costs.peak_activation_bytes(others), expected.peak_activation_bytes(values))


@pytest.mark.parametrize("name", ["resnet", pytest.param("mobilenet", marks=pytest.mark.slow)])
def test_the_bytes_of_weights_are_those_of_the_file(name):
    torch.manual_seed(0)
    model, channels = (ResNet(1, 4, 16, (32,), (2,)), 1) if name == "resnet" else (mobilenet_small(), 3)
    images = torch.randn(4, channels, 16, 16)
    family = quantize(convert(model, images)).eval()
    costs, template = AnalyticCosts(family), OnnxTemplate(family, images)
    for config in (at_bits(family, 8), family.space.sample(random.Random(1))):
        family.calibrate(config, [images])
        written = initializer_bytes(template.cut(config))
        assert costs.weights_bytes(config)[0] == pytest.approx(written, rel=0.04)


@pytest.mark.parametrize(
    ("formats", "bits", "expected"),
    [
        # 40 rows of two blocks of 32, of which the second is filled up: half a byte a weight, and a scale a block.
        (["int4-weights"], 4, 40 * 2 * (16 + 4)),
        (["int8-weights"], 8, 40 * 2 * (32 + 4)),
        (["int8"], 8, 40 * 48 + 40 * 4),
        (["int8-dynamic"], 8, 40 * 48 + 40 * 4),
        (["fp8"], 8, 40 * 48 + 40 * 4),
        (["fp16"], 16, 40 * 48 * 2),
        (["bf16"], 16, 40 * 48 * 2),
        (["int8"], 32, 40 * 48 * 4),
    ],
)
def test_weights_take_their_format_and_its_scales(formats, bits, expected):
    family = quantize(perceptron(), QuantizationConfig({"2": formats}))
    assert AnalyticCosts(family).weights_bytes(at_bits(family, bits)).tolist() == [expected + OTHERS]


def test_one_scale_for_a_tensor_is_one_number():
    family = quantize(perceptron(), QuantizationConfig({"2": ["int8"]}, per_channel=False))
    assert AnalyticCosts(family).weights_bytes(at_bits(family, 8)).tolist() == [40 * 48 + 4 + OTHERS]


def test_bits_that_are_given_stand_in_the_place_of_the_configs(family, costs):
    config = at_bits(family, 8)
    assert costs.weights_bytes(config, 32) == costs.weights_bytes(family.space.max())


def test_a_roofline_is_that_of_float32(family, costs):
    device = Roofline(1e9, 1e9)
    assert costs.roofline_ms(family.space.max(), device)[0] > 0
    with pytest.raises(SuppleError, match=r'in float32, and here "stem\S*\.bits" has other bits: measure such members'):
        costs.roofline_ms(at_bits(family, 8), device)


def test_a_member_in_another_precision_trains_with_its_rounding():
    family = quantize(perceptron()).eval()
    effort = Effort(min_rounds=2, max_seconds=0.1)
    (found,) = measure_training(family, [at_bits(family, 8)], TrainingSetting(batch_size=2), effort)
    assert found.step.median_ms > 0
    assert not family.training
    assert family.ranges == {}
