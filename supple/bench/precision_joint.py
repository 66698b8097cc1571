"""Shape and precision searched together, next to one after the other and to one alone, at the same evaluations.

Every cost has searches of its own, for the front of accuracy and that cost. Hypervolumes are those of both, above the
accuracy of the smallest member and below the cost of the full one, both in full precision; 100 % would be the full
member's accuracy for nothing. The accuracy is that on the validation images, which searches see, and beside it that on
the test images, of the members that were on the front.
"""

import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import partial

import numpy as np

from supple.bench.form import Bound, Cell, Options, Outcome, Wanted
from supple.bench.kept import Kept
from supple.bench.precision_families import data_of, quantized_family, trained_family
from supple.bench.precision_judge import ACCURACY, FILE_BYTES, LATENCIES, TARGETS, Judge, opened_judge
from supple.bench.precision_strategies import BITS_ONLY, JOINT, STRATEGIES, Strategy
from supple.bench.timing import Spread, one_thread
from supple.bench.train_parts import NETWORKS
from supple.data import Splits
from supple.progress import Progress, Silent
from supple.searching.corners import in_fewest_bits
from supple.searching.dominance import hypervolume, nondominated
from supple.searching.evaluation import Evaluation
from supple.space import Kind

BUDGET = 48
SEEDS = 3
_COSTS = {FILE_BYTES: "size", **dict(zip(LATENCIES, (f"latency, {target}" for target in TARGETS), strict=True))}
# Hypervolumes of three seeds differ by about as much from one measurement to the next.
_AS_GOOD = 0.99

_VALIDATED, _TESTED = "", ", tested"
_SAVED, _GAINED, _EVALUATIONS = ", times less than int8", ", test points gained", ", evaluations"

Found = dict[str, dict[str, float]]
"""Figures of each strategy, by the label of their cost and what they are."""


def run(options: Options, progress: Progress) -> Outcome:
    """Search both families by every strategy with every seed; with a folder, go on where it was left."""
    networks = list(NETWORKS)[:1] if options.quick else list(NETWORKS)
    seeds = range(options.seed, options.seed + (1 if options.quick else SEEDS))
    rows: list[dict[str, Cell]] = []
    wanted: list[Wanted] = []
    kept = Kept(options.folder)
    with one_thread():
        splits = data_of(options)
        progress.start("Families searched", len(networks) * len(seeds), "families")
        for network in networks:
            found: list[Found] = []
            for seed in seeds:
                found.append(kept.get(f"joint-{network}-{seed}", partial(_one, network, seed, splits, options)))
                progress.advance()
            rows.extend(_rows(network, found))
            wanted.extend(_wanted(network, found))
        progress.finish()
    return Outcome(tuple(rows), tuple(wanted))


def _one(network: str, seed: int, splits: Splits, options: Options) -> Found:
    """Return what every strategy finds in one family: hypervolumes in percent by cost, and savings against int8."""
    family = quantized_family(trained_family(network, seed, splits, options, Silent()))
    budget, strategies = 5 if options.quick else BUDGET, _chosen(options)
    found: Found = {name: {} for name in strategies}
    with opened_judge(family, splits, options) as judge:
        for cost, label in _COSTS.items():
            evaluated = {name: strategy(judge, cost, budget, seed) for name, strategy in strategies.items()}
            tested = _Tested(judge, cost, evaluated.values())
            for name, members in evaluated.items():
                figures = {**tested.hypervolumes(members), **tested.savings(members)}
                figures[_EVALUATIONS] = len(dict.fromkeys(entry.config for entry in members))
                found[name] |= {f"{label}{what}": value for what, value in figures.items()}
    return found


def _chosen(options: Options) -> Mapping[str, Strategy]:
    return {name: STRATEGIES[name] for name in (JOINT, BITS_ONLY)} if options.quick else STRATEGIES


class _Tested:
    """Test accuracies of the members that matter to one cost."""

    def __init__(self, judge: Judge, cost: str, evaluated: Iterable[Sequence[Evaluation]]) -> None:
        space = judge.family.space
        bits = [entry for entry in space.dimensions if entry.kind is Kind.BITS]
        full = space.max()
        int8 = in_fewest_bits(space, full)
        small = space.config({**space.min(), **{entry.name: entry.largest for entry in bits}})
        self._cost = cost
        self._full, self._int8, self._small = judge([full, int8, small], cost)
        wanted = dict.fromkeys([full, int8, small])
        for members in evaluated:
            wanted |= dict.fromkeys(entry.config for entry in [*_front(members, cost), self._best(members)])
        # Once, at the end.
        self._accuracy = dict(zip(wanted, judge.tested(list(wanted)), strict=True))

    def hypervolumes(self, members: Sequence[Evaluation]) -> dict[str, float]:
        """Return the hypervolumes of accuracy, validated and tested, and the cost in percent."""
        tested = self._hypervolume(_front(members, self._cost), lambda entry: self._accuracy[entry.config])
        return {_VALIDATED: self._hypervolume(members, lambda entry: entry.figures[ACCURACY]), _TESTED: tested}

    def _hypervolume(self, members: Sequence[Evaluation], accuracy: Callable[[Evaluation], float]) -> float:
        low = accuracy(self._small)
        reach = (accuracy(self._full) - low) or 1.0
        losses = [
            [(low - accuracy(entry)) / reach, entry.figures[self._cost] / self._full.figures[self._cost]]
            for entry in members
        ]
        return 100 * hypervolume(np.array(losses), np.array([0.0, 1.0]))

    def savings(self, members: Sequence[Evaluation]) -> dict[str, float]:
        """Return by how much the best member is faster or smaller than the int8 full one that validates as well."""
        best = self._best(members)
        return {
            _SAVED: self._int8.figures[self._cost] / best.figures[self._cost],
            _GAINED: 100 * (self._accuracy[best.config] - self._accuracy[self._int8.config]),
        }

    def _best(self, members: Sequence[Evaluation]) -> Evaluation:
        """Return the cheapest member that is as good as the full one in int8 on the validation images."""
        good = [entry for entry in members if entry.figures[ACCURACY] >= self._int8.figures[ACCURACY]]
        return min(good, key=lambda entry: entry.figures[self._cost], default=self._int8)


def _front(members: Sequence[Evaluation], cost: str) -> list[Evaluation]:
    losses = np.array([[-entry.figures[ACCURACY], entry.figures[cost]] for entry in members])
    return [entry for entry, is_kept in zip(members, nondominated(losses), strict=True) if is_kept]


def _rows(network: str, found: Sequence[Found]) -> Iterator[dict[str, Cell]]:
    for name in found[0]:
        row: dict[str, Cell] = {"network": network, "strategy": name, "seeds": len(found)}
        for label in _COSTS.values():
            row[label + _EVALUATIONS] = Spread.of(entry[name][label + _EVALUATIONS] for entry in found)
            row[f"hypervolume_{label}_%"] = Spread.of(entry[name][label + _VALIDATED] for entry in found)
            row[f"tested_{label}_%"] = Spread.of(entry[name][label + _TESTED] for entry in found)
        for label in _COSTS.values():
            for what in (_SAVED, _GAINED):
                row[label + what] = Spread.of(entry[name][label + what] for entry in found)
        yield row


def _wanted(network: str, found: Sequence[Found]) -> Iterator[Wanted]:
    for figure in _COSTS.values():
        middle = {name: float(np.median([entry[name][figure + _VALIDATED] for entry in found])) for name in found[0]}
        best = max(value for name, value in middle.items() if name != JOINT)
        yield Wanted(
            f"{network}, {figure}: joint over the best other, hypervolume",
            _over(middle[JOINT], best),
            Bound.AT_LEAST,
            _AS_GOOD,
        )


def _over(one: float, other: float) -> float:
    """Return how many times one hypervolume is the other; 1 where nothing was found that costs less than all."""
    if other == 0:
        return math.inf if one else 1.0
    return one / other
