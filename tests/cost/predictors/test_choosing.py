"""Which configs are chosen to be measured, with and without other devices, before and after measuring."""

import numpy as np
import pytest

from supple.cost.predictors import Descriptions, FittedTarget, LatencyPredictor, choose
from supple.cost.predictors.columns import Form, Scale
from supple.cost.predictors.process import Process
from supple.errors import SuppleError

HERE = FittedTarget("torch:cpu", "a machine")
KINDS = np.random.default_rng(2).uniform(0.1, 2, (3, 12))


def pool(count: int, sources: bool) -> Descriptions:
    rng = np.random.default_rng(3)
    features = rng.integers(0, 3, (count, 12)).astype(float)
    # A dozen layers, and devices that mix three kinds of device.
    devices = KINDS.T @ rng.uniform(0, 1, (3, 8))
    return Descriptions.of(features, None, 1 + features @ devices if sources else None)


@pytest.mark.parametrize("sources", [False, True])
def test_chosen_configs_tell_more_than_random_ones(sources):
    described = pool(300, sources)
    rng = np.random.default_rng(4)
    chosen, random = [], []
    form = Form(Scale.MS, features=not sources)
    for trial in range(30):
        truth = (1 + described.features @ (KINDS.T @ rng.uniform(0, 1, 3))) * np.exp(rng.normal(0, 0.03, 300))
        for rows, errors in ((choose(described, 8, seed=trial), chosen), (rng.permutation(300)[:8], random)):
            process = Process.fit(form, described.take(rows), truth[list(rows)])
            errors.append(np.median(np.abs(process.predict(described)[0] / truth - 1)))
    assert np.mean(chosen) < 0.95 * np.mean(random)


def test_what_was_measured_is_not_chosen_again_soon():
    described = pool(60, sources=False)
    first = choose(described, 20)
    assert len(set(first)) == 20
    latency_ms = (1 + described.features @ KINDS[0]) * np.exp(np.random.default_rng(5).normal(0, 0.03, 60))
    predictor = LatencyPredictor.fit(HERE, described.take(first), latency_ms[list(first)])
    assert not set(choose(described, 5, predictor)) & set(first)


def test_the_seed_draws_the_candidates_of_a_large_pool():
    described = pool(1500, sources=True)
    assert choose(described, 3, seed=1) == choose(described, 3, seed=1)
    assert choose(described, 3, seed=1) != choose(described, 3, seed=2)


def test_more_than_the_pool_holds_is_refused():
    with pytest.raises(SuppleError, match=r"^11 configs to measure cannot be chosen from a pool of 10 \(at most 1000"):
        choose(pool(10, sources=False), 11)
