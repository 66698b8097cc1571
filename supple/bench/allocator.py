"""The allocator: how long exact answers take, and its bit policies against those of evolutionary search."""

import itertools
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace

import numpy
from numpy.typing import NDArray

from supple.bench.bit_policies import BitProblem, load_problem, policy_of, space_of, tables_of
from supple.bench.bit_search import evolution_losses, nsga2_losses
from supple.bench.form import Bound, Cell, Options, Outcome, Wanted
from supple.bench.latency_tables import TablesMissingError
from supple.bench.timing import Spread
from supple.progress import Progress
from supple.searching.allocator import CostTable, SensitivityTable, allocate, allocation_front
from supple.space import Dimension, Kind, Space

LAYERS, CHOICES = 100, 10
BUDGETS = tuple(tenths / 10 for tenths in range(1, 10))
LATENCY_SHARES = (0.5, 0.7)
SEEDS = 20
CORRELATIONS = (0.0, 0.25)
# Evaluations, in multiples of those that measure the table.
NSGA2_MULTIPLES = (1,)
EVOLUTION_MULTIPLES = (1, 10)

Floats = NDArray[numpy.float64]
Search = Callable[[BitProblem, Sequence[float], Sequence[int], int], list[list[float]]]


def run(options: Options, progress: Progress) -> Outcome:
    """Time the allocator on tables of four kinds, then compare bit policies."""
    layers = 10 if options.quick else LAYERS
    rows, wanted = [], []
    rng = numpy.random.default_rng(options.seed)
    progress.start("exact answers", len(TABLES), "tables")
    slowest_budget = slowest_front = 0.0
    for kind, draw in TABLES.items():
        sensitivity, cost = _tables(*draw(rng, layers))
        row, budget_seconds, front_seconds = _timed(kind, sensitivity, cost)
        rows.append(row)
        slowest_budget, slowest_front = max(slowest_budget, budget_seconds), max(slowest_front, front_seconds)
        progress.advance(1)
    progress.finish()
    rows.append(_timed_with_two_budgets(rng, layers))
    rows.append(_timed_with_pairs(rng, layers))
    wanted.append(Wanted("slowest single budget, s", slowest_budget, Bound.AT_MOST, 1.0))
    wanted.append(Wanted("slowest front, s", slowest_front, Bound.AT_MOST, 60.0))
    try:
        bits = run_bits(options, progress)
    except TablesMissingError as error:
        return Outcome((*rows, {"case": "bits", "searcher": f"left out: {error}"}), tuple(wanted))
    return Outcome((*rows, *bits.rows), (*wanted, *bits.wanted))


def run_bits(options: Options, progress: Progress) -> Outcome:
    """Compare bit policies of the allocator with those of evolution. Raises `TablesMissingError` without the table."""
    rows, wanted = [], []
    for correlation in CORRELATIONS:
        problem = load_problem(correlation)
        compared, lead = _compared(problem, options, progress)
        rows.extend(compared)
        if correlation == 0:
            wanted.append(Wanted("evolution's loss over the allocator's, least median", lead, Bound.AT_LEAST, 1.0))
    return Outcome(tuple(rows), tuple(wanted))


def _random(rng: numpy.random.Generator, layers: int) -> tuple[Floats, Floats]:
    return rng.uniform(size=(layers, CHOICES)), rng.uniform(size=(layers, CHOICES))


def _ordered(rng: numpy.random.Generator, layers: int) -> tuple[Floats, Floats]:
    losses, costs = _random(rng, layers)
    return -numpy.sort(-losses, axis=1), numpy.sort(costs, axis=1)


def _bits(rng: numpy.random.Generator, layers: int) -> tuple[Floats, Floats]:
    bits = numpy.arange(1, CHOICES + 1)
    return rng.lognormal(0, 1.5, (layers, 1)) * 4.0**-bits, rng.lognormal(0, 1.5, (layers, 1)) * bits


def _widths(rng: numpy.random.Generator, layers: int) -> tuple[Floats, Floats]:
    shares = numpy.arange(1, CHOICES + 1) / CHOICES
    return rng.lognormal(0, 1, (layers, 1)) * (1 - shares) ** 2, rng.lognormal(0, 1, (layers, 1)) * shares


TABLES: Mapping[str, Callable[[numpy.random.Generator, int], tuple[Floats, Floats]]] = {
    "random": _random,
    "ordered": _ordered,
    "bits": _bits,
    "widths": _widths,
}
"""Draws losses and costs (layers, choices): anything; what costs more loses less; noise of bits; squared widths."""


def _tables(losses: Floats, costs: Floats) -> tuple[SensitivityTable, CostTable]:
    names = [f"layer{number}" for number in range(len(losses))]
    values = tuple(range(CHOICES))
    space = Space(Dimension(name, Kind.BITS, values) for name in names)

    def entries(figures: Floats) -> dict[str, dict[int, float]]:
        return {name: dict(zip(values, row, strict=True)) for name, row in zip(names, figures.tolist(), strict=True)}

    return SensitivityTable(space, entries(losses)), CostTable(space, entries(costs))


def _timed(kind: str, sensitivity: SensitivityTable, cost: CostTable) -> tuple[dict[str, Cell], float, float]:
    seconds, gaps = [], []
    for budget in _budgets(cost):
        start = time.perf_counter()
        gaps.append(allocate(sensitivity, [cost.at_most(budget)]).gap)
        seconds.append(time.perf_counter() - start)
    start = time.perf_counter()
    front = allocation_front(sensitivity, cost)
    front_seconds = time.perf_counter() - start
    row: dict[str, Cell] = {
        "case": f"{len(sensitivity.space)} x {CHOICES} {kind}",
        "budget_s": Spread.of(seconds),
        "front_s": front_seconds,
        "front_points": len(front),
        "gap": max(*gaps, front.gap),
    }
    return row, max(seconds), front_seconds


def _timed_with_two_budgets(rng: numpy.random.Generator, layers: int) -> dict[str, Cell]:
    sensitivity, cost = _tables(*_ordered(rng, layers))
    memory = replace(_tables(*_ordered(rng, layers))[1], name="memory")
    start = time.perf_counter()
    found = allocate(sensitivity, [cost.at_most(_budgets(cost)[4]), memory.at_most(_budgets(memory)[4])])
    return {
        "case": f"{layers} x {CHOICES} two budgets (HiGHS)",
        "budget_s": time.perf_counter() - start,
        "gap": found.gap,
    }


def _timed_with_pairs(rng: numpy.random.Generator, layers: int) -> dict[str, Cell]:
    sensitivity, cost = _tables(*_ordered(rng, layers))
    names = list(sensitivity.entries)
    pairs = {
        (one, other): {
            (first, second): 0.1 * sensitivity.entries[one][first] * sensitivity.entries[other][second]
            for first in range(CHOICES)
            for second in range(CHOICES)
        }
        for one, other in itertools.pairwise(names)
    }
    start = time.perf_counter()
    found = allocate(replace(sensitivity, pairs=pairs), [cost.at_most(_budgets(cost)[4])])
    return {
        "case": f"{layers} x {CHOICES} pairs of neighbours (HiGHS)",
        "budget_s": time.perf_counter() - start,
        "gap": found.gap,
    }


def _budgets(cost: CostTable) -> list[float]:
    low = sum(min(row.values()) for row in cost.entries.values())
    high = sum(max(row.values()) for row in cost.entries.values())
    return [low + share * (high - low) for share in BUDGETS]


def _compared(problem: BitProblem, options: Options, progress: Progress) -> tuple[list[dict[str, Cell]], float]:
    """Return rows of losses over the allocator's, and the least median among them."""
    sensitivity, cost = tables_of(problem, space_of(problem))
    budgets = [share * problem.latency_of(problem.full) for share in LATENCY_SHARES]
    policies = [policy_of(allocate(sensitivity, [cost.at_most(budget)]).config) for budget in budgets]
    best = [problem.loss_of(policy) for policy in policies]
    unit = 60 if options.quick else problem.evaluations_of_table
    seeds = range(options.seed, options.seed + (2 if options.quick else SEEDS))
    searches: dict[str, tuple[list[int], Search]] = {
        "regularised evolution": ([multiple * unit for multiple in EVOLUTION_MULTIPLES], _evolution),
    }
    if problem.correlation == 0:
        # Optuna takes as long for a proposal as a small network for its evaluation: one of the problems shows enough.
        searches["NSGA-II"] = [multiple * unit for multiple in NSGA2_MULTIPLES], nsga2_losses
    rows = [
        _row(problem, share, "allocator", problem.evaluations_of_table, Spread.of([1.0])) for share in LATENCY_SHARES
    ]
    medians = []
    for name, (checkpoints, search) in searches.items():
        progress.start(f"{name}, correlation {problem.correlation:g}", len(seeds), "seeds")
        losses = []
        for seed in seeds:
            losses.append(search(problem, budgets, checkpoints, seed))
            progress.advance(1)
        progress.finish()
        for row, ratios in _ratios(numpy.array(losses), best, checkpoints):
            spread = Spread.of(ratios)
            rows.append(_row(problem, LATENCY_SHARES[row[0]], name, row[1], spread))
            medians.append(spread.median)
    return rows, min(medians)


def _evolution(
    problem: BitProblem, budgets: Sequence[float], checkpoints: Sequence[int], seed: int
) -> list[list[float]]:
    return [evolution_losses(problem, budget, checkpoints, seed) for budget in budgets]


def _ratios(
    losses: Floats, best: Sequence[float], checkpoints: Sequence[int]
) -> Iterator[tuple[tuple[int, int], list[float]]]:
    """Yield the number of the budget and the evaluations, and over all seeds the loss as a multiple of the best."""
    for budget, known in enumerate(best):
        for column, checkpoint in enumerate(checkpoints):
            yield (budget, checkpoint), (losses[:, budget, column] / known).tolist()


def _row(problem: BitProblem, share: float, searcher: str, evaluations: int, loss: Spread) -> dict[str, Cell]:
    return {
        "case": f"bits, noise correlated by {problem.correlation:g}, {share:.0%} of the latency",
        "searcher": searcher,
        "evaluations": evaluations,
        "loss over the allocator's": loss,
    }
