"""MobileNets and Transformers on published tables: error and ranking against the number of measurements."""

from collections.abc import Sequence

import numpy as np

from supple.bench.form import Cell, Options, Outcome
from supple.bench.latency_tables import Table, hat_tables, ofa_tables
from supple.bench.latency_trials import Trials, predicted_from, source_of
from supple.bench.timing import Spread
from supple.cost.predictors import Descriptions, FittedTarget, LatencyPredictor, choose, with_sources
from supple.progress import Progress

COUNTS = (10, 20, 50, 100, 200, 500)
COVERAGE_COUNT = 50
SOURCE_ROWS = 300


def run_ofa(options: Options, progress: Progress) -> Outcome:
    """Predict members of OFA-MobileNetV3 on 3 GPUs at 3 batch sizes; transfer is from the other two GPUs."""
    return _run("ofa", ofa_tables(), options, progress)


def run_hat(options: Options, progress: Progress) -> Outcome:
    """Predict translation Transformers in 8 tables; transfer is from the tables of the other two devices."""
    return _run("hat", hat_tables(), options, progress)


def _run(part: str, tables: Sequence[Table], options: Options, progress: Progress) -> Outcome:
    if options.quick:
        # Two devices are the fewest of which one can learn from the other.
        tables = [table.first(60) for table in {table.device: table for table in tables}.values()][:2]
    counts = COUNTS[:1] if options.quick else COUNTS
    progress.start(f"Tables of {part}", 2 * len(tables), "tables")
    sources = {}
    for table in tables:
        sources[table.setting] = source_of(table, 6 if options.quick else SOURCE_ROWS, options.seed)
        progress.advance()
    found: dict[tuple[str, int], list[Trials]] = {}
    held: dict[str, list[float]] = {}
    for table in tables:
        others = [sources[other.setting] for other in tables if other.device != table.device]
        for method, described in (
            ("regression alone", table.described),
            ("transfer from other devices", with_sources(table.described, others)),
        ):
            chosen = choose(described, counts[-1], seed=options.seed)
            for count in counts:
                outcome = predicted_from(table, described, chosen[:count])
                found.setdefault((method, count), []).append(Trials([[outcome]]))
            held.setdefault(method, []).append(_share_held(table, described, options))
        progress.advance()
    progress.finish()
    rows: list[dict[str, Cell]] = []
    for (method, count), trials in sorted(found.items(), key=lambda entry: entry[0]):
        cells = Trials([trial.found[0] for trial in trials]).cells()
        del cells["seeds"]
        row: dict[str, Cell] = {"part": part, "method": method, "measurements": count, "settings": len(tables), **cells}
        if count == (counts[-1] if options.quick else COVERAGE_COUNT):
            row["in_interval_%"] = Spread.of(100 * share for share in held[method])
        rows.append(row)
    return Outcome(tuple(rows), ())


def _share_held(table: Table, described: Descriptions, options: Options) -> float:
    """Return the share of latencies in their 90 % intervals, of a predictor fitted to random measurements."""
    drawn = np.random.default_rng(options.seed).permutation(len(described))
    measured, others = np.split(drawn, [6 if options.quick else COVERAGE_COUNT])
    target = FittedTarget(table.setting, table.device)
    predictor = LatencyPredictor.fit(target, described.take(measured), table.latency_ms[measured])
    found = predictor.predict(described.take(others), target)
    latency_ms = table.latency_ms[others]
    return float(np.mean((found.low_ms <= latency_ms) & (latency_ms <= found.high_ms)))
