"""How many configs per second have their costs counted by formulas, and that the formulas give what members have."""

import random
import time
from collections.abc import Callable

import numpy as np
import torch

from supple.bench.form import Bound, Cell, Options, Outcome, Wanted
from supple.bench.overhead_networks import NETWORKS
from supple.bench.timing import Spread, one_thread
from supple.cost.analytic import AnalyticCosts
from supple.cost.config_arrays import random_values, values_of
from supple.family import Family, convert
from supple.progress import Progress

CONFIGS = 1_000_000
COMPARED = 200
ROUNDS = 3
QUICK = ("resnet_demo",)


def run(options: Options, progress: Progress) -> Outcome:
    """Count the costs of a million random configs of four networks, and compare some with counted members."""
    rows: list[dict[str, Cell]] = []
    wanted: list[Wanted] = []
    with one_thread():
        for name in QUICK if options.quick else tuple(NETWORKS):
            torch.manual_seed(options.seed)
            family = convert(NETWORKS[name].build(), NETWORKS[name].draw(2), prove=False)
            start = time.perf_counter()
            costs = AnalyticCosts(family)
            seconds = time.perf_counter() - start
            progress.say(f"{name}: formulas found")
            rates = _rates(costs, 10_000 if options.quick else CONFIGS, options.seed)
            equal = _equal(family, costs, 10 if options.quick else COMPARED, options.seed)
            rows.append(
                {"network": name, "dimensions": len(family.space), "seconds to find": seconds, **rates, **equal}
            )
            wanted.append(
                Wanted(f"{name}: million configs per second, MACs", rates["MACs"].median, Bound.AT_LEAST, 1.0)
            )
            wanted.append(
                Wanted(f"{name}: members with the counted costs", float(equal["equal"]), Bound.AT_LEAST, equal["of"])
            )
    return Outcome(tuple(rows), tuple(wanted))


def _rates(costs: AnalyticCosts, count: int, seed: int) -> dict[str, Spread]:
    """Return how many million configs per second each cost is counted for."""
    values = random_values(costs.family.space, count, np.random.default_rng(seed))
    kinds: dict[str, Callable[..., object]] = {
        "parameters": costs.parameters,
        "MACs": costs.macs,
        "weights": costs.weights_bytes,
        "traffic": costs.traffic_bytes,
        "peak memory": costs.peak_activation_bytes,
    }
    found = {}
    for kind, cost in kinds.items():
        cost(values[:100])
        seconds = []
        for _ in range(ROUNDS):
            start = time.perf_counter()
            cost(values)
            seconds.append(time.perf_counter() - start)
        found[kind] = Spread.of(count / 1e6 / entry for entry in seconds)
    return found


def _equal(family: Family, costs: AnalyticCosts, count: int, seed: int) -> dict[str, int]:
    """Return how many random members have the parameters and the MACs of the formulas, and of how many."""
    rng = random.Random(seed)
    configs = [family.space.sample(rng) for _ in range(count)]
    values = values_of(family.space, configs)
    pairs = zip(configs, costs.parameters(values).tolist(), costs.macs(values).tolist(), strict=True)
    equal = sum(
        (family.count_parameters(config), family.count_macs(config)) == (parameters, macs)
        for config, parameters, macs in pairs
    )
    return {"equal": equal, "of": count}
