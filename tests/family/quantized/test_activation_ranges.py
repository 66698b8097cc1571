"""Ranges of activations: what was seen, and which part of it each method covers."""

import numpy as np
import pytest
import torch
from mixed_networks import IMAGES, mixed

from supple.errors import SuppleError
from supple.family.quantized.config import QuantizationConfig, RangeMethod
from supple.family.quantized.finding import find_layers
from supple.family.quantized.histogram import Histogram, covered
from supple.family.quantized.ranges import measured_ranges, ranges_from_tensors, ranges_to_tensors
from supple.trace import ModelInputs


def ranges(**settings):
    model = mixed()
    layers, _ = find_layers(model, ModelInputs.of(IMAGES[:2]))
    batches = [ModelInputs.of(IMAGES[:9]), ModelInputs.of(IMAGES[9:])]
    return measured_ranges(model, layers, batches, QuantizationConfig(**settings))


def test_minmax_is_what_was_seen():
    found = ranges()
    assert found["stem.0"].taken.low == pytest.approx(float(IMAGES.min()))
    assert found["stem.0"].taken.high == pytest.approx(float(IMAGES.max()))
    assert found["stem.0"].given.low == 0
    # A ReLU6 lies behind it.
    assert found["last"].given.high <= 6
    assert len(found) == 10


def test_only_the_first_samples_are_looked_at():
    found = ranges(range_samples=10)
    assert found["stem.0"].taken.high == pytest.approx(float(IMAGES[:10].max()))


@pytest.mark.parametrize("method", ["percentile", "mse", "entropy"])
def test_other_methods_stay_within_what_was_seen(method):
    seen, found = ranges(), ranges(ranges=method)
    assert found.keys() == seen.keys()
    for path, entry in found.items():
        assert seen[path].taken.low - 1e-6 <= entry.taken.low <= entry.taken.high <= seen[path].taken.high + 1e-6


def with_outlier() -> Histogram:
    numbers = torch.cat([torch.randn(100_000, generator=torch.Generator().manual_seed(0)), torch.tensor([40.0, -40.0])])
    histogram = Histogram(-40.0, 40.0)
    histogram.add(numbers)
    return histogram


@pytest.mark.parametrize("method", [RangeMethod.PERCENTILE, RangeMethod.ENTROPY])
def test_a_lone_outlier_does_not_stretch_the_range(method):
    low, high = covered(with_outlier(), method, percentile=99.99)
    assert -8 < low < -2
    assert 2 < high < 8


def test_minmax_keeps_the_outlier():
    assert covered(with_outlier(), RangeMethod.MINMAX, 99.99) == (-40, 40)


def test_mse_covers_what_makes_the_error_least():
    numbers = torch.randn(200_000, generator=torch.Generator().manual_seed(1))
    histogram = Histogram(float(numbers.min()), float(numbers.max()))
    histogram.add(numbers)
    low, high = covered(histogram, RangeMethod.MSE, 99.99)

    def error(share: float) -> float:
        scale = share * (histogram.high - histogram.low) / 255
        zero = round(-share * histogram.low / scale)
        return float((torch.fake_quantize_per_tensor_affine(numbers, scale, zero, 0, 255) - numbers).square().mean())

    best = min(np.linspace(1, 0.05, 100), key=error)
    assert high / histogram.high == pytest.approx(best, abs=0.05)
    assert low / histogram.low == pytest.approx(best, abs=0.05)


def test_numbers_of_one_sign_lose_one_end_only():
    histogram = Histogram(0.0, 10.0)
    histogram.add(torch.linspace(0, 10, 100_001))
    low, high = covered(histogram, RangeMethod.PERCENTILE, 90)
    assert low == 0
    assert high == pytest.approx(9, abs=0.02)


def test_a_constant_has_its_range():
    histogram = Histogram(3.0, 3.0)
    histogram.add(torch.full((10,), 3.0))
    assert covered(histogram, RangeMethod.MSE, 99.99) == (3.0, 3.0)


def test_ranges_become_tensors_and_back():
    found = ranges()
    assert ranges_from_tensors(ranges_to_tensors(found)) == found
    for wrong in (torch.zeros(3), torch.tensor([0.0, 1.0, torch.inf, 0.0])):
        with pytest.raises(SuppleError, match='The activation ranges of layer "a" are no four finite numbers'):
            ranges_from_tensors({"a": wrong})
