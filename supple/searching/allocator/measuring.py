"""Tables by measuring: one dimension changed at a time from the full network, one call per value; or pairs."""

import itertools
import math
import random
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import TypeVar

from supple.errors import SuppleError
from supple.progress import Progress, Silent
from supple.searching.allocator.table import CostTable, SensitivityTable, Table
from supple.space import Config, Space

Figure = Callable[[Config], float]
"""Measures a member: a loss (less is better, such as 1 - accuracy), or a cost."""

AnyTable = TypeVar("AnyTable", bound=Table)


@dataclass(frozen=True)
class Measured:
    """A config and the figure that was measured for its member."""

    config: Config
    figure: float


def measure_sensitivity(space: Space, evaluate: Figure, progress: Progress = Silent()) -> SensitivityTable:
    """Return what each value of each dimension adds to the loss that `evaluate` measures (less is better).

    One call for the full network, and one for every other value. What does not reach the full network (a dimension in
    an option that it does not take) is compared where it is reached. Raises `SuppleError` where a figure is not finite.
    """
    return SensitivityTable(space, *_one_at_a_time(space, evaluate, "sensitivity", progress))


def measure_costs(space: Space, name: str, cost: Figure, progress: Progress = Silent()) -> CostTable:
    """Return what each value of each dimension changes of a cost, measured likewise; `name` tells its unit."""
    return CostTable(space, *_one_at_a_time(space, cost, name, progress), name=name)


def measure_pairs(
    table: AnyTable, measure: Figure, pairs: Iterable[tuple[str, str]], progress: Progress = Silent()
) -> AnyTable:
    """Return the table with what both values of a pair add together, beyond what each adds alone.

    So it is exact for what multiplies two dimensions, such as the work of a layer whose inputs and outputs shrink. One
    call per pair of values of which none is the full network's; `pairs` are those that both reach the full network.
    Raises `SuppleError` for a pair of which one does not.
    """
    space = table.space
    full = space.max()
    wanted = list(pairs)
    for name in itertools.chain.from_iterable(wanted):
        if not space.is_active(name, full):
            raise SuppleError(f'Dimension "{name}" does not reach the full network: its pairs cannot be measured.')
    known = replace(table, pairs={})
    terms: dict[tuple[str, str], dict[tuple[int, int], float]] = {}
    values = {name: space[name].values[:-1] for name in itertools.chain.from_iterable(wanted)}
    progress.start(
        f"pairs of {table.name}", sum(len(values[one]) * len(values[other]) for one, other in wanted), "members"
    )
    for first, second in wanted:
        row = terms.setdefault((first, second), {})
        for one, other in itertools.product(values[first], values[second]):
            config = space.config({first: one, second: other})
            # Where one value drops what the other changes, there is no pair.
            if space.is_active(first, config) and space.is_active(second, config):
                row[one, other] = _finite(measure, config) - known.of(config)
            progress.advance(1)
    progress.finish()
    return replace(table, pairs=terms)


def measure_jointly(
    space: Space, evaluate: Figure, count: int, seed: int = 0, progress: Progress = Silent()
) -> list[Measured]:
    """Measure `count` configs in which many dimensions are changed at once, some a little and some a lot.

    For `check_additivity`. In each config every dimension keeps its full value with one probability, drawn anew.
    """
    rng = random.Random(seed)
    configs: dict[Config, None] = {}
    count = min(count, space.count())
    while len(configs) < count:
        share = rng.random()
        drawn = space.sample(rng)
        configs[space.config({name: value for name, value in drawn.items() if rng.random() < share})] = None
    progress.start("joint changes", len(configs), "members")
    measured = []
    for config in configs:
        measured.append(Measured(config, _finite(evaluate, config)))
        progress.advance(1)
    progress.finish()
    return measured


def _one_at_a_time(
    space: Space, measure: Figure, stage: str, progress: Progress
) -> tuple[dict[str, dict[int, float]], float]:
    known: dict[Config, float] = {}

    def figure(values: Mapping[str, int]) -> float:
        config = space.config(values)
        if config not in known:
            known[config] = _finite(measure, config)
        return known[config]

    base = figure({})
    entries: dict[str, dict[int, float]] = {}
    progress.start(stage, sum(len(dimension.values) - 1 for dimension in space.dimensions), "members")
    for dimension in space.dimensions:
        around = _reaching(space, dimension.name)
        row = {dimension.largest: 0.0}
        for value in dimension.values[:-1]:
            reached = space.is_active(dimension.name, space.config(around))
            changed = figure({**around, dimension.name: value}) - figure(around) if reached else 0.0
            row[value] = changed
            progress.advance(1)
        entries[dimension.name] = row
    progress.finish()
    return entries, base


def _reaching(space: Space, name: str) -> dict[str, int]:
    """Return the values above a dimension, as close to the full network's as it takes, that let it reach the member."""
    values: dict[str, int] = {}
    waiting = [name]
    while waiting:
        for condition in space[waiting.pop()].conditions:
            parent = space[condition.parent]
            allowed = [value for value in parent.values if condition.allows(value)]
            if allowed:
                values[parent.name] = allowed[-1]
            waiting.append(parent.name)
    return values


def _finite(measure: Figure, config: Config) -> float:
    figure = float(measure(config))
    if not math.isfinite(figure):
        raise SuppleError(f"The measured figure of {config} is {figure}: a table needs finite ones.")
    return figure
