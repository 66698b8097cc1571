"""A predictor of latencies: what it gets right, what its intervals hold, and what it refuses."""

import numpy as np
import pytest

from supple.cost.predictors import Descriptions, FittedTarget, LatencyPredictor, with_sources
from supple.cost.predictors.columns import Scale
from supple.errors import SuppleError

HERE = FittedTarget("onnxruntime:cpu?threads=1", "a machine")
THERE = FittedTarget("openvino:cpu?threads=1", "another machine")
NOISE = 0.02
SEED = 7


def drawn_features(count: int, seed: int = SEED, layers: int = 8) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 4, (count, layers)).astype(float)


def latencies(features: np.ndarray, costs_of_layers: np.ndarray, seed: int = SEED) -> np.ndarray:
    """Return what layers take one after another, with the noise of measuring."""
    noise = np.random.default_rng(seed).normal(0, NOISE, len(features))
    return (1 + features @ costs_of_layers) * np.exp(noise)


LAYERS = np.linspace(0.2, 2, 8)


def test_a_sum_of_layers_is_found_in_fifty_measurements():
    features = drawn_features(450)
    latency_ms = latencies(features, LAYERS)
    predictor = LatencyPredictor.fit(HERE, Descriptions.of(features[:50]), latency_ms[:50])
    found = predictor.predict(Descriptions.of(features[50:]), HERE).latency_ms
    errors = np.abs(found / latency_ms[50:] - 1)
    assert predictor.process.columns.form.scale is Scale.MS
    assert np.median(errors) < 1.5 * NOISE
    assert predictor.held_out.median_error == pytest.approx(np.median(errors), abs=0.01)
    assert predictor.held_out.error_90 == pytest.approx(np.quantile(errors, 0.9), abs=0.03)
    assert predictor.held_out.count == 50
    assert predictor.held_out.spearman > predictor.held_out.kendall_tau > 0.85


def test_latencies_over_orders_of_magnitude_are_predicted_by_their_logarithms():
    features = drawn_features(300)
    latency_ms = np.exp(features @ LAYERS) * np.exp(np.random.default_rng(SEED).normal(0, NOISE, 300))
    assert latency_ms.max() > 1e4 * latency_ms.min()
    predictor = LatencyPredictor.fit(HERE, Descriptions.of(features[:60]), latency_ms[:60])
    found = predictor.predict(Descriptions.of(features[60:]), HERE).latency_ms
    assert predictor.process.columns.form.scale is Scale.LOG
    assert np.median(np.abs(found / latency_ms[60:] - 1)) < 3 * NOISE


def test_intervals_hold_nine_of_ten_measurements():
    held = []
    for seed in range(5):
        features = drawn_features(440, seed)
        # Pairs of layers interact: the predictor's form is not the truth's.
        latency_ms = latencies(features, LAYERS, seed) + 0.2 * features[:, 0] * features[:, 1]
        predictor = LatencyPredictor.fit(HERE, Descriptions.of(features[:40]), latency_ms[:40])
        found = predictor.predict(Descriptions.of(features[40:]), HERE)
        assert (found.low_ms < found.latency_ms).all()
        assert (found.latency_ms < found.high_ms).all()
        held.append(np.mean((found.low_ms <= latency_ms[40:]) & (latency_ms[40:] <= found.high_ms)))
    assert 0.85 <= np.mean(held) <= 0.97


def test_a_cost_that_tells_all_is_better_than_features_alone():
    features = drawn_features(330)
    truth = latencies(features, LAYERS) + 0.5 * features.prod(axis=1) ** 0.5
    costs = truth[:, None] * np.random.default_rng(1).uniform(0.98, 1.02, (330, 1)) * 1e6
    alone = LatencyPredictor.fit(HERE, Descriptions.of(features[:12]), truth[:12])
    both = LatencyPredictor.fit(HERE, Descriptions.of(features[:12], costs[:12]), truth[:12])
    assert both.held_out.median_error < alone.held_out.median_error / 3
    found = both.predict(Descriptions.of(features[12:], costs[12:]), HERE).latency_ms
    assert np.median(np.abs(found / truth[12:] - 1)) < 0.05


def test_other_devices_tell_what_few_measurements_cannot():
    rng = np.random.default_rng(SEED)
    # Each device is a mixture of three kinds of device; the sources are measured on configs of their own.
    kinds = rng.uniform(0.1, 2, (3, 16))
    sources = []
    for number in range(6):
        others = drawn_features(60, 100 + number, layers=16)
        latency_ms = latencies(others, rng.uniform(0, 1, 3) @ kinds, number)
        sources.append(LatencyPredictor.fit(FittedTarget(f"device {number}", ""), Descriptions.of(others), latency_ms))
    features = drawn_features(400, layers=16)
    truth = latencies(features, rng.uniform(0, 1, 3) @ kinds)
    plain = Descriptions.of(features)
    informed = with_sources(plain, sources)
    assert informed.widths == (16, 0, 6)
    errors = []
    for described in (plain, informed):
        predictor = LatencyPredictor.fit(HERE, described.take(range(10)), truth[:10])
        found = predictor.predict(described.take(range(10, 400)), HERE).latency_ms
        errors.append(np.median(np.abs(found / truth[10:] - 1)))
    assert errors[1] < 0.6 * errors[0]


def test_another_target_is_refused_with_both_named():
    features = drawn_features(10)
    predictor = LatencyPredictor.fit(HERE, Descriptions.of(features), latencies(features, LAYERS))
    with pytest.raises(SuppleError) as refusal:
        predictor.predict(Descriptions.of(features), THERE)
    assert str(refusal.value) == (
        'This predictor was fitted on "onnxruntime:cpu?threads=1" on a machine: '
        'it says nothing about "openvino:cpu?threads=1" on another machine.'
    )


def test_configs_described_otherwise_are_refused():
    features = drawn_features(10)
    predictor = LatencyPredictor.fit(HERE, Descriptions.of(features), latencies(features, LAYERS))
    with pytest.raises(SuppleError, match=r"^The configs have 8 features, 1 costs and 0 sources; the predictor was"):
        predictor.predict(Descriptions.of(features, np.ones((10, 1))), HERE)


def test_too_few_measurements_are_refused():
    features = drawn_features(4)
    with pytest.raises(SuppleError, match=r"^A latency predictor needs at least 5 measurements; it got 4\.$"):
        LatencyPredictor.fit(HERE, Descriptions.of(features), latencies(features, LAYERS))


@pytest.mark.parametrize("wrong", [0.0, -1.0, np.nan, np.inf])
def test_latencies_that_cannot_be_are_refused(wrong):
    features = drawn_features(6)
    with pytest.raises(SuppleError, match=r"^Latencies must be positive numbers of ms; one of those given is not\.$"):
        LatencyPredictor.fit(HERE, Descriptions.of(features), [1, 2, wrong, 4, 5, 6])


def test_as_many_latencies_as_configs_are_wanted():
    with pytest.raises(SuppleError, match=r"^There are 6 configs, but the latencies have the shape \[5\]\.$"):
        LatencyPredictor.fit(HERE, Descriptions.of(drawn_features(6)), [1, 2, 3, 4, 5])


def test_all_latencies_equal_give_no_ranking_and_no_error():
    features = drawn_features(12)
    predictor = LatencyPredictor.fit(HERE, Descriptions.of(features), np.full(12, 3.0))
    assert predictor.held_out.spearman == predictor.held_out.kendall_tau == 0
    assert predictor.predict(Descriptions.of(features), HERE).latency_ms == pytest.approx(np.full(12, 3.0))


def test_an_extrapolated_latency_is_never_zero_or_less():
    features = np.linspace(10, 20, 12)[:, None]
    predictor = LatencyPredictor.fit(HERE, Descriptions.of(features), features[:, 0] - 9)
    assert predictor.predict(Descriptions.of([[-100.0]]), HERE).low_ms[0] > 0
