"""Members of several precisions: together as one by one, and each shape calibrated once."""

import copy
import random

import pytest
import torch
from torch import nn

from supple.family import Family, convert
from supple.family.quantized.config import QuantizationConfig
from supple.family.quantized.quantizing import quantize
from supple.models import ResNet
from supple.space import Kind
from supple.training import Classification, evaluate, evaluate_together
from supple.training.evaluator import Evaluator


@pytest.fixture(scope="module")
def untouched() -> Family:
    torch.manual_seed(0)
    model = ResNet(1, 4, 8, (16, 16), (2, 2))
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):
            nn.init.normal_(module.weight)
    # A layer that finds its ranges as it runs is there too: what it reads cannot be shared.
    config = QuantizationConfig({"*": ["int8"], "head": ["int8-dynamic"]})
    return quantize(convert(model, torch.randn(2, 1, 8, 8)), config).eval()


@pytest.fixture
def family(untouched):
    return copy.deepcopy(untouched)


@pytest.fixture(scope="module")
def data():
    generator = torch.Generator().manual_seed(1)
    return [
        (torch.randn(size, 1, 8, 8, generator=generator), torch.randint(0, 4, (size,), generator=generator))
        for size in (64, 64, 5)
    ]


def in_several_precisions(family, shapes=2, each=3):
    rng = random.Random(0)
    bits = [entry for entry in family.space.dimensions if entry.kind is Kind.BITS]
    drawn = [family.space.max(), *(family.space.sample(rng) for _ in range(shapes))]
    return [
        family.space.config({**shape, **{entry.name: rng.choice(entry.values) for entry in bits}})
        for shape in drawn
        for _ in range(each)
    ]


def calibrations_of(family):
    statistics = {
        config: {key: tensor.tolist() for key, tensor in found.items()} for config, found in family.statistics.items()
    }
    return statistics, family.ranges


def test_members_of_several_precisions_have_the_numbers_that_they_have_one_by_one(family, data):
    other, inputs = copy.deepcopy(family), [images for images, _ in data]
    configs = in_several_precisions(family)
    found = evaluate_together(family, configs, data, Classification(), inputs)
    assert found == [evaluate(other, config, data, Classification(), inputs) for config in configs]
    assert len(set(found)) > 3
    assert calibrations_of(family) == calibrations_of(other)


def test_members_of_one_shape_share_a_calibration(family, data, monkeypatch):
    inputs = [images for images, _ in data]
    configs = in_several_precisions(family)
    expected = evaluate_together(copy.deepcopy(family), configs, data, Classification(), inputs)
    calibrated = []
    together = Family.calibrate_together

    def noting(self, configs, inputs):
        calibrated.extend(configs)
        together(self, configs, inputs)

    monkeypatch.setattr(Family, "calibrate_together", noting)
    evaluator = Evaluator(family, data, Classification(), inputs)
    assert [evaluator([config])[0] for config in configs] == expected
    assert len(calibrated) == len(set(map(family.full_precision, configs))) == 3


def test_a_member_in_32_bits_leaves_the_ranges_to_the_next_of_its_shape(family, data):
    inputs = [images for images, _ in data]
    evaluator = Evaluator(family, data, Classification(), inputs)
    evaluator([family.space.max()])
    assert not family.ranges
    smallest = family.space.min()
    assert evaluator([family.full_precision(smallest), smallest]) == [
        evaluate(copy.deepcopy(family), config, data, Classification(), inputs)
        for config in (family.full_precision(smallest), smallest)
    ]


def test_what_others_have_calibrated_is_calibrated_again(family, data):
    inputs = [images for images, _ in data]
    evaluator = Evaluator(family, data, Classification(), inputs)
    smallest = family.space.min()
    first = evaluator([smallest])
    family.calibrate(smallest, [torch.zeros(2, 1, 8, 8)])
    assert evaluator([smallest]) == first
    family.forget_calibrations()
    assert evaluator([smallest]) == first
