"""How well a member's accuracy is predicted from few evaluations, on published networks.

Each split draws members to train on; all others are predicted. Free statistics are MACs and parameters. The reference
is a ridge regression on the values alone, zeros and ones, as the issue of this benchmark had it.
"""

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
from sklearn.linear_model import Ridge as PlainRidge

from supple.bench.form import Bound, Cell, Options, Outcome, Wanted
from supple.bench.latency_tables import TablesMissingError
from supple.bench.published_spaces import PublishedTable, macro_table, ofa_free_costs, ofa_table
from supple.bench.timing import Spread
from supple.cost.config_arrays import random_values
from supple.progress import Progress
from supple.searching.predictors import (
    PREDICTORS,
    Encoder,
    Features,
    Networks,
    Predictions,
    Predictor,
    Quality,
    best_predictor,
    random_features,
)
from supple.searching.predictors.encoder import Array

SPLITS = 10
QUICK_COUNT = 10
POOL = 4000
CHOICE = "chosen by cross-validation"
TIMED_MEMBERS, TIMED_CANDIDATES = 300, 100_000


@dataclass(frozen=True)
class Case:
    """A table, the members that a space's networks are pretrained on, numbers of evaluations, and what is wanted."""

    read: Callable[[], PublishedTable]
    pool: Callable[[PublishedTable], Features]
    wanted: dict[int, float | None]


def _ofa_pool(table: PublishedTable) -> Features:
    return random_features(Encoder(table.space), POOL, 0, lambda values: np.log(ofa_free_costs(values)))


def _macro_pool(table: PublishedTable) -> Features:
    return Encoder(table.space).encode(table.values, table.free)


CASES = {
    "OFA-MobileNetV3": Case(ofa_table, _ofa_pool, {50: 0.808, 100: 0.852, 200: 0.890}),
    "NAS-Bench-Macro": Case(macro_table, _macro_pool, {20: None, 50: None, 100: None}),
}


def run(options: Options, progress: Progress) -> Outcome:
    """Compare all predictors, and the choice among them, on each table that is there; then time them."""
    rows: list[dict[str, Cell]] = []
    wanted: list[Wanted] = []
    for name, case in list(CASES.items())[: 1 if options.quick else None]:
        try:
            table = case.read()
        except TablesMissingError as error:
            rows.append({"networks": name, "predictor": f"left out: {error}"})
            continue
        predictors = (*PREDICTORS, Networks.pretrained(case.pool(table)))
        targets = {QUICK_COUNT: next(iter(case.wanted.values()))} if options.quick else case.wanted
        for count, target in targets.items():
            found = _compared(table, predictors, count, options, progress)
            for predictor, qualities in found.items():
                rows.append({"networks": name, "evaluated": count, "predictor": predictor, **_cells(qualities)})
            if target is not None:
                tau = float(np.mean([quality.kendall_tau for quality in found[CHOICE]]))
                wanted.append(Wanted(f"Kendall tau on {name} from {count}, mean", tau, Bound.AT_LEAST, target))
        if case.read is ofa_table:
            rows.extend(_timed(table, predictors, options))
    return Outcome(tuple(rows), tuple(wanted))


def _compared(
    table: PublishedTable, predictors: tuple[Predictor, ...], count: int, options: Options, progress: Progress
) -> dict[str, list[Quality]]:
    """Return the qualities of each predictor, one for each split."""
    features = Encoder(table.space).encode(table.values, table.free)
    found: dict[str, list[Quality]] = {}
    splits = 1 if options.quick else SPLITS
    progress.start(f"{len(table):,} members, {count} evaluated", splits, "splits")
    for split in range(splits):
        drawn = np.random.default_rng([options.seed, split]).permutation(len(table))
        seen, unseen = drawn[:count], drawn[count:]
        figures = table.top1_percent
        for name, predictions in _predicted(features, figures, seen, unseen, predictors):
            found.setdefault(name, []).append(Quality.of(predictions, figures[unseen]))
        progress.advance()
    progress.finish()
    return found


def _predicted(
    features: Features,
    figures: Array,
    seen: "np.ndarray[tuple[int], np.dtype[np.int64]]",
    unseen: "np.ndarray[tuple[int], np.dtype[np.int64]]",
    predictors: tuple[Predictor, ...],
) -> Iterator[tuple[str, Predictions]]:
    known, others = features.take(seen), features.take(unseen)
    plain = PlainRidge(1.0).fit(known.one_hot(), figures[seen])
    yield "reference: one-hot ridge", Predictions(plain.predict(others.one_hot()), np.full(len(unseen), np.nan))
    for predictor in predictors:
        yield predictor.name, predictor.fit(known, figures[seen]).predict(others)
    yield CHOICE, best_predictor(known, figures[seen], predictors).predict(others)


def _cells(qualities: list[Quality]) -> dict[str, Cell]:
    cells: dict[str, Cell] = {
        "mean_kendall_tau": float(np.mean([quality.kendall_tau for quality in qualities])),
        "kendall_tau": Spread.of(quality.kendall_tau for quality in qualities),
        "error_percentage_points": Spread.of(quality.error for quality in qualities),
    }
    if any(quality.in_interval for quality in qualities):
        cells["in_90_%_interval_%"] = Spread.of(100 * quality.in_interval for quality in qualities)
    return cells


def _timed(table: PublishedTable, predictors: tuple[Predictor, ...], options: Options) -> Iterator[dict[str, Cell]]:
    """Yield how long each predictor takes to fit, and to predict members of OFA-MobileNetV3 that were not evaluated."""
    count, candidates = (20, 1000) if options.quick else (TIMED_MEMBERS, TIMED_CANDIDATES)
    encoder = Encoder(table.space)
    known = encoder.encode(table.values[:count], table.free[:count])
    values = random_values(table.space, candidates, np.random.default_rng(options.seed))
    free = np.log(ofa_free_costs(values))
    for predictor in predictors:
        start = time.perf_counter()
        fitted = predictor.fit(known, table.top1_percent[:count])
        fit_s = time.perf_counter() - start
        start = time.perf_counter()
        fitted.predict(encoder.encode(values, free))
        yield {
            "networks": f"time of {candidates:,} candidates, encoding included",
            "evaluated": count,
            "predictor": predictor.name,
            "fit_s": fit_s,
            "predict_s": time.perf_counter() - start,
        }
