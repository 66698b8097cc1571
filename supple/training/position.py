"""Where a training run stands between two steps."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields, replace
from typing import Any

from supple.errors import SuppleError


@dataclass(frozen=True)
class Position:
    """The next step is `step`, on batch `batch` of epoch `epoch`, all counted from 0.

    The sums of losses are over the `summed` steps of this epoch that were not skipped; `seconds` counts all processes
    that the run took so far.
    """

    step: int = 0
    epoch: int = 0
    batch: int = 0
    skipped_in_row: int = 0
    summed: int = 0
    sum_largest: float = 0.0
    sum_smallest: float = 0.0
    seconds: float = 0.0

    def after_step(self, loss_largest: float, loss_smallest: float) -> "Position":
        """Return the position after a step with these losses."""
        return replace(
            self._after_batch(),
            skipped_in_row=0,
            summed=self.summed + 1,
            sum_largest=self.sum_largest + loss_largest,
            sum_smallest=self.sum_smallest + loss_smallest,
        )

    def after_skipped_step(self) -> "Position":
        """Return the position after a step that was skipped."""
        return replace(self._after_batch(), skipped_in_row=self.skipped_in_row + 1)

    def after_epoch(self) -> "Position":
        """Return the position at the beginning of the next epoch."""
        return replace(self, epoch=self.epoch + 1, batch=0, summed=0, sum_largest=0.0, sum_smallest=0.0)

    def mean(self, loss_sum: float) -> float | None:
        """Return the mean of one of the sums of losses; None where every step of the epoch was skipped."""
        return loss_sum / self.summed if self.summed else None

    def to_json(self) -> dict[str, Any]:
        """Return the position as plain JSON content."""
        return asdict(self)

    @classmethod
    def from_json(cls, content: Mapping[str, Any]) -> "Position":
        """Read what `to_json` returned. Raises `SuppleError` where the content is anything else."""
        types = {entry.name: entry.type for entry in fields(cls)}
        if content.keys() != types.keys() or any(type(content[name]) is not kind for name, kind in types.items()):
            raise SuppleError(f"This is no position of a training: expected the keys {', '.join(types)}.")
        return cls(**content)

    def _after_batch(self) -> "Position":
        return replace(self, step=self.step + 1, batch=self.batch + 1)
