"""NAS-Bench-201 in 21 settings, each left out in turn: what ten measurements of a new device tell of all 15,625 cells.

HELP's six test devices (Titan RTX at batch 256, Gold 6226, Pixel 2, Raspberry Pi 4, Eyeriss, an FPGA) are not in the
table, so its published figures are of the same space and the same number of measurements, but not of the same devices.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from scipy.stats import spearmanr

from supple.bench.form import Bound, Cell, Options, Outcome, Wanted
from supple.bench.latency_tables import Table, nb201_tables
from supple.bench.latency_trials import Trials, predicted_from, source_of
from supple.bench.timing import Spread
from supple.cost.predictors import HeldOut, choose, with_sources
from supple.progress import Progress

PUBLISHED = 0.932
SEEDS = 3
COUNTS = (10, 50, 100)
SOURCE_ROWS = 300
QUICK_ROWS = 60
QUICK_SOURCE_ROWS = 6
# Its nine sources for this space, as its repository names them.
HELP_SOURCES = (
    "1080ti_1", "1080ti_32", "1080ti_256", "silver_4114", "silver_4210r", "samsung_a50", "pixel3", "essential_ph_1",
    "samsung_s7",
)  # fmt: skip

Known = Callable[[Table, Table], bool]
"""Whether a new setting's predictor may know another."""


def _no_other(new: Table, known: Table) -> bool:
    return False


def _other_setting(new: Table, known: Table) -> bool:
    return known.setting != new.setting


def _other_device(new: Table, known: Table) -> bool:
    return known.device != new.device


def _source_of_help(new: Table, known: Table) -> bool:
    return known.setting in HELP_SOURCES and known.device != new.device


@dataclass(frozen=True)
class Method:
    """What a predictor may know of other settings, how many networks it has measured, and whether it chose them."""

    name: str
    known: Known
    measurements: int
    is_chosen: bool = True

    def new(self, tables: Sequence[Table]) -> list[Table]:
        """Return the settings that count: those of HELP's sources are not new to it."""
        return [table for table in tables if self.known is not _source_of_help or table.setting not in HELP_SOURCES]


TEN = Method("transfer from other settings, chosen", _other_setting, 10)
METHODS = (
    *(Method("regression alone, chosen", _no_other, count) for count in COUNTS),
    Method("regression alone, random", _no_other, 10, is_chosen=False),
    TEN,
    Method("transfer from other settings, random", _other_setting, 10, is_chosen=False),
    *(Method("transfer from other devices, chosen", _other_device, count) for count in COUNTS),
    Method("transfer from HELP's nine sources, chosen", _source_of_help, 10),
)


def run_nb201(options: Options, progress: Progress) -> Outcome:
    """Compare MACs, a regression on the measurements alone, and transfer from the other settings."""
    tables = nb201_tables()
    if options.quick:
        # One of HELP's sources, and one that is new to it.
        tables = [table.first(QUICK_ROWS) for table in (tables[0], tables[3])]
    comparison = _Comparison(tables, options, progress)
    methods = [method for method in METHODS if method.measurements == COUNTS[0] or not options.quick]
    trials = comparison.trials(methods)
    rows = [comparison.macs()] + [
        {
            "part": "nb201",
            "method": method.name,
            "measurements": method.measurements,
            "settings": len(method.new(tables)),
            **found.cells(),
        }
        for method, found in trials.items()
    ]
    what = "nb201: mean Spearman correlation with 10 measurements, each setting left out in turn"
    return Outcome(tuple(rows), (Wanted(what, trials[TEN].mean_spearman(), Bound.AT_LEAST, PUBLISHED),))


class _Comparison:
    """All trials on one set of tables. What the sources say of all cells is worked out once."""

    def __init__(self, tables: Sequence[Table], options: Options, progress: Progress) -> None:
        self._tables = tables
        self._seeds = range(options.seed, options.seed + (1 if options.quick else SEEDS))
        self._progress = progress
        progress.start("NAS-Bench-201: known settings", len(tables), "settings")
        sources = []
        for table in tables:
            sources.append(source_of(table, QUICK_SOURCE_ROWS if options.quick else SOURCE_ROWS, options.seed))
            progress.advance()
        progress.finish()
        self._predicted_ms = with_sources(tables[0].described, sources).sources
        self._most = COUNTS[0] if options.quick else COUNTS[-1]
        self._chosen: dict[tuple[tuple[int, ...], int], tuple[int, ...]] = {}

    def macs(self) -> dict[str, Cell]:
        """Return the row of MACs alone, which need no measurement."""
        found = [float(spearmanr(table.macs, table.latency_ms).statistic) for table in self._tables]
        return {
            "part": "nb201",
            "method": "MACs",
            "measurements": 0,
            "settings": len(found),
            "mean_spearman": float(np.mean(found)),
            "spearman": Spread.of(found),
            "lowest": min(found),
        }

    def trials(self, methods: Sequence[Method]) -> dict[Method, Trials]:
        """Return the trials of each method, on the settings that are new to it."""
        self._progress.start("NAS-Bench-201: new settings", len(methods), "methods")
        found = {}
        for method in methods:
            new = method.new(self._tables)
            found[method] = Trials([[self._trial(table, method, seed) for seed in self._seeds] for table in new])
            self._progress.advance()
        self._progress.finish()
        return found

    def _trial(self, table: Table, method: Method, seed: int) -> HeldOut:
        known = tuple(column for column, other in enumerate(self._tables) if method.known(table, other))
        described = table.described.with_sources(self._predicted_ms[:, known])
        if not method.is_chosen:
            drawn = np.random.default_rng(seed).permutation(len(described))
            return predicted_from(table, described, drawn[: method.measurements].tolist())
        # The first of the most are those that would be chosen if fewer were asked for.
        if (known, seed) not in self._chosen:
            self._chosen[known, seed] = choose(described, self._most, seed=seed)
        return predicted_from(table, described, self._chosen[known, seed][: method.measurements])
