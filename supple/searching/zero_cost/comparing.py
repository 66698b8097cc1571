"""Whether zero-cost scores say more about members than counting their parameters does."""

import time
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from supple.errors import SuppleError
from supple.searching.evaluation import Evaluation
from supple.searching.networks import Networks
from supple.searching.result import SearchResult
from supple.searching.zero_cost import ScoreName, score_of
from supple.searching.zero_cost.members import first_samples
from supple.text_table import text_table
from supple.training.batches import batches_of_epoch

_FEWEST = 3


@dataclass(frozen=True)
class ScoreComparison:
    """How one score orders members, next to their measured quality: rank correlations from -1 to 1."""

    score: ScoreName
    kendall_tau: float
    spearman: float
    seconds_per_member: float


@dataclass(frozen=True)
class ScoreTable:
    """The scores, compared on the same members. Printed, it is a table."""

    metric: str
    members: int
    rows: tuple[ScoreComparison, ...]

    def beats_counting(self, score: ScoreName) -> bool:
        """Say whether a score orders the members better than both their parameters and their multiply-accumulates."""
        found = {row.score: row.kendall_tau for row in self.rows}
        counts = [found[name] for name in (ScoreName.PARAMETERS, ScoreName.MACS) if name != score and name in found]
        return found[score] > max(counts, default=0.0)

    def __str__(self) -> str:
        header = ("score", f"Kendall tau with {self.metric}", "Spearman", "seconds per member")
        rows = [
            (row.score.value, f"{row.kendall_tau:.3f}", f"{row.spearman:.3f}", f"{row.seconds_per_member:.3g}")
            for row in self.rows
        ]
        return "\n".join(text_table(header, rows, (1, 2, 3)))


def compare_scores(
    evaluated: SearchResult | Sequence[Evaluation],
    networks: Networks,
    scores: Sequence[ScoreName] = tuple(ScoreName),
    samples: int = 32,
) -> ScoreTable:
    """Compare scores with the measured quality of members, the baseline's included.

    Scores see the first `samples` of the training data. Raises `SuppleError` where fewer than three members were
    evaluated: they have no order to speak of.
    """
    found = (*evaluated.searched, *evaluated.baseline) if isinstance(evaluated, SearchResult) else tuple(evaluated)
    members = {entry.config: entry for entry in found}
    if len(members) < _FEWEST:
        raise SuppleError(
            f"Scores are compared on the order of members: evaluate {_FEWEST} at least, not {len(members)}."
        )
    task = networks.task
    sign = 1 if task.higher_is_better else -1
    quality = np.array([sign * entry[networks.metric] for entry in members.values()])
    batch = first_samples(next(batches_of_epoch(networks.train_data, seed=0, epoch=0)), samples, task)
    rows = []
    for name in scores:
        function = score_of(name)
        began = time.perf_counter()
        values = np.array([function(networks.family, config, batch, task) for config in members])
        seconds = (time.perf_counter() - began) / len(members)
        rows.append(ScoreComparison(name, *_correlations(values, quality), seconds))
    return ScoreTable(networks.metric, len(members), tuple(rows))


def _correlations(scores: np.ndarray, quality: np.ndarray) -> tuple[float, float]:
    from scipy.stats import kendalltau, spearmanr

    if np.all(scores == scores[0]) or np.all(quality == quality[0]):
        # What is the same for all says nothing about their order.
        return 0.0, 0.0
    return float(kendalltau(scores, quality).statistic), float(spearmanr(scores, quality).statistic)
