"""One trial: predict the latencies of a table from some of them, and compare with the rest."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from supple.bench.form import Cell
from supple.bench.latency_tables import Table
from supple.bench.timing import Spread
from supple.cost.predictors import Descriptions, FittedTarget, HeldOut, LatencyPredictor
from supple.cost.predictors.selection import best_process


def source_of(table: Table, rows: int, seed: int) -> LatencyPredictor:
    """Return what predicts a known device's latencies, from `rows` random ones of its table."""
    chosen = np.random.default_rng(seed).permutation(len(table.latency_ms))[:rows]
    return LatencyPredictor.fit(
        FittedTarget(table.setting, table.device), table.described.take(chosen), table.latency_ms[chosen]
    )


def predicted_from(table: Table, described: Descriptions, measured: Sequence[int]) -> HeldOut:
    """Predict a table's latencies from those of the rows that are measured; compare all others."""
    rows = np.asarray(measured)
    process = best_process(described.take(rows), table.latency_ms[rows])
    others = np.setdiff1d(np.arange(len(described)), rows)
    return HeldOut.of(process.predict(described.take(others))[0], table.latency_ms[others])


@dataclass(frozen=True)
class Trials:
    """Outcomes by setting and seed: (settings, seeds)."""

    found: Sequence[Sequence[HeldOut]]

    def mean_spearman(self) -> float:
        """Return the mean over settings and seeds."""
        return float(np.mean(self._all("spearman")))

    def cells(self) -> dict[str, Cell]:
        """Return what a row shows: means over the seeds; spreads, means and the worst are over the settings."""
        spearman, seeds = self._all("spearman"), self._all("spearman").mean(axis=0)
        return {
            "mean_spearman": self.mean_spearman(),
            "spearman": Spread.of(spearman.mean(axis=1)),
            "lowest": float(spearman.mean(axis=1).min()),
            "seeds": f"{seeds.min():.4f} to {seeds.max():.4f}",
            "kendall_tau": Spread.of(self._all("kendall_tau").mean(axis=1)),
            "error_%": Spread.of(100 * self._all("median_error").mean(axis=1)),
            "error_90_%": Spread.of(100 * self._all("error_90").mean(axis=1)),
        }

    def _all(self, name: str) -> "np.ndarray[tuple[int, ...], np.dtype[np.float64]]":
        return np.array([[getattr(outcome, name) for outcome in row] for row in self.found])
