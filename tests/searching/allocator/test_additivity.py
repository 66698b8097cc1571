"""The test of additivity: what sums say well is left alone, what they do not gets pairs, noise gets none."""

import random

import pytest
from allocation_problems import small

from supple.errors import SuppleError
from supple.searching.allocator import check_additivity, measure_jointly, measure_sensitivity
from supple.space import Dimension, Kind, Space

SPACE = Space(Dimension(f"layer{number}", Kind.BITS, (2, 3, 4, 8)) for number in range(8))


def noise(config, name):
    return 4.0 ** -config[name] * (1 + int(name[-1]) % 3)


def additive(config):
    return sum(noise(config, name) for name in config)


def entangled(config):
    # Two pairs of layers undo each other's errors, one pair makes them worse.
    products = [(-14, "layer0", "layer3"), (40, "layer1", "layer2"), (-10, "layer5", "layer6")]
    return additive(config) + sum(weight * noise(config, one) * noise(config, other) for weight, one, other in products)


def check(loss, threshold):
    table = measure_sensitivity(SPACE, loss)
    return check_additivity(table, measure_jointly(SPACE, loss, 120, seed=2), threshold)


def test_sums_that_are_good_enough_are_left_alone():
    found = check(additive, 0.95)
    assert found.sums.spearman == pytest.approx(1)
    assert found.sums.pearson == pytest.approx(1)
    assert found.with_pairs is None
    assert found.sensitivity.pairs == {}
    assert found.measured == 120
    assert str(found) == "Sums of single losses rank 120 measured configs with Spearman 1.000."


def test_pairs_are_found_where_sums_fail():
    found = check(entangled, threshold=0.999)
    assert found.sums.spearman < 0.999 < found.with_pairs.spearman
    assert {("layer1", "layer2"), ("layer0", "layer3")} <= set(found.sensitivity.pairs)
    assert "; taken with pairs: " in str(found)
    fresh = measure_jointly(SPACE, entangled, 60, seed=3)
    sums = measure_sensitivity(SPACE, entangled)
    assert error(found.sensitivity, fresh) < error(sums, fresh) / 3


def error(table, measured):
    return sum(abs(table.of(entry.config) - entry.figure) for entry in measured)


def test_noise_gets_no_pairs():
    rng = random.Random(5)
    table = measure_sensitivity(SPACE, additive)
    measured = measure_jointly(SPACE, lambda config: additive(config) + rng.gauss(0, 2.0), 40, seed=4)
    found = check_additivity(table, measured)
    assert found.with_pairs.spearman <= found.sums.spearman
    assert found.sensitivity is table
    assert "; no better with pairs: " in str(found)


def test_losses_that_are_all_the_same_agree_with_nothing():
    found = check_additivity(measure_sensitivity(SPACE, additive), measure_jointly(SPACE, lambda config: 1.0, 20))
    assert found.sums.spearman == 0


def test_too_few_measurements_are_refused():
    sensitivity, _ = small()
    with pytest.raises(SuppleError, match="tested on 10 measured configs or more, not 9"):
        check_additivity(sensitivity, measure_jointly(sensitivity.space, sensitivity.of, 9))


def test_a_table_with_pairs_is_refused():
    table = check(entangled, threshold=0.999).sensitivity
    with pytest.raises(SuppleError, match="has pairs already"):
        check_additivity(table, measure_jointly(SPACE, entangled, 20))
