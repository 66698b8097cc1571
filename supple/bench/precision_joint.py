"""Shape and precision searched together, next to one after the other and to one alone, at the same evaluations.

Hypervolumes are those of accuracy and one cost, above the accuracy of the smallest member and below the cost of the
full one, both in full precision; 100 % would be the full member's accuracy for nothing. The accuracy is that on the
validation images, which searches see, and beside it that on the test images, of the members that were on the front.
"""

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
from supple.searching.dominance import hypervolume, nondominated
from supple.searching.evaluation import Evaluation
from supple.space import Kind

BUDGET = 48
SEEDS = 3
_COSTS = {FILE_BYTES: "size", **dict(zip(LATENCIES, (f"latency, {target}" for target in TARGETS), strict=True))}
# Hypervolumes of three seeds differ by about as much from one measurement to the next.
_AS_GOOD = 0.99

Found = dict[str, dict[str, float]]


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
    with opened_judge(family, splits, options) as judge:
        evaluated = {
            name: strategy(judge, 5 if options.quick else BUDGET, seed) for name, strategy in _chosen(options).items()
        }
        tested = _Tested(judge, evaluated.values())
        found = {name: tested.hypervolumes(members) for name, members in evaluated.items()}
        for name, members in evaluated.items():
            found[name] |= tested.savings(members)
            found[name]["evaluations"] = len(dict.fromkeys(entry.config for entry in members))
        return found


def _chosen(options: Options) -> Mapping[str, Strategy]:
    return {name: STRATEGIES[name] for name in (JOINT, BITS_ONLY)} if options.quick else STRATEGIES


class _Tested:
    """Test accuracies of the members that matter."""

    def __init__(self, judge: Judge, evaluated: Iterable[Sequence[Evaluation]]) -> None:
        space = judge.family.space
        bits = [entry for entry in space.dimensions if entry.kind is Kind.BITS]
        full, int8 = space.max(), space.config({entry.name: entry.smallest for entry in bits})
        small = space.config({**space.min(), **{entry.name: entry.largest for entry in bits}})
        self._full, self._int8, self._small = judge([full, int8, small])
        wanted = dict.fromkeys([full, int8, small])
        for members in evaluated:
            for cost in _COSTS:
                wanted |= dict.fromkeys(entry.config for entry in [*_front(members, cost), self._best(members, cost)])
        # Once, at the end.
        self._accuracy = dict(zip(wanted, judge.tested(list(wanted)), strict=True))

    def hypervolumes(self, members: Sequence[Evaluation]) -> dict[str, float]:
        """Return the hypervolumes of accuracy, validated and tested, and each cost in percent."""
        found: dict[str, float] = {}
        for cost, name in _COSTS.items():
            found[name] = self._hypervolume(members, cost, lambda entry: entry.figures[ACCURACY])
            tested = self._hypervolume(_front(members, cost), cost, lambda entry: self._accuracy[entry.config])
            found[f"{name}, tested"] = tested
        return found

    def _hypervolume(self, members: Sequence[Evaluation], cost: str, accuracy: Callable[[Evaluation], float]) -> float:
        low = accuracy(self._small)
        reach = (accuracy(self._full) - low) or 1.0
        losses = [
            [(low - accuracy(entry)) / reach, entry.figures[cost] / self._full.figures[cost]] for entry in members
        ]
        return 100 * hypervolume(np.array(losses), np.array([0.0, 1.0]))

    def savings(self, members: Sequence[Evaluation]) -> dict[str, float]:
        """Return how many times faster and smaller than the int8 full member the best is that validates as well."""
        found: dict[str, float] = {}
        for cost, name in _COSTS.items():
            best = self._best(members, cost)
            found[f"{name}, times less than int8"] = self._int8.figures[cost] / best.figures[cost]
            found[f"{name}, test points gained"] = 100 * (
                self._accuracy[best.config] - self._accuracy[self._int8.config]
            )
        return found

    def _best(self, members: Sequence[Evaluation], cost: str) -> Evaluation:
        """Return the cheapest member that is as good as the full one in int8 on the validation images."""
        good = [entry for entry in members if entry.figures[ACCURACY] >= self._int8.figures[ACCURACY]]
        return min(good, key=lambda entry: entry.figures[cost], default=self._int8)


def _front(members: Sequence[Evaluation], cost: str) -> list[Evaluation]:
    losses = np.array([[-entry.figures[ACCURACY], entry.figures[cost]] for entry in members])
    return [entry for entry, is_kept in zip(members, nondominated(losses), strict=True) if is_kept]


def _rows(network: str, found: Sequence[Found]) -> Iterator[dict[str, Cell]]:
    for name in found[0]:
        row: dict[str, Cell] = {"network": network, "strategy": name, "seeds": len(found)}
        row["evaluations"] = Spread.of(entry[name]["evaluations"] for entry in found)
        for figure in _COSTS.values():
            row[f"hypervolume_{figure}_%"] = Spread.of(entry[name][figure] for entry in found)
            row[f"tested_{figure}_%"] = Spread.of(entry[name][f"{figure}, tested"] for entry in found)
        for figure in _COSTS.values():
            for what in ("times less than int8", "test points gained"):
                row[f"{figure}, {what}"] = Spread.of(entry[name][f"{figure}, {what}"] for entry in found)
        yield row


def _wanted(network: str, found: Sequence[Found]) -> Iterator[Wanted]:
    for figure in _COSTS.values():
        middle = {name: float(np.median([entry[name][figure] for entry in found])) for name in found[0]}
        best = max(value for name, value in middle.items() if name != JOINT)
        yield Wanted(
            f"{network}, {figure}: joint over the best other, hypervolume",
            middle[JOINT] / best,
            Bound.AT_LEAST,
            _AS_GOOD,
        )
