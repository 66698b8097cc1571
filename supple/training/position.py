"""Where a training run stands between two steps."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields, replace
from typing import Any

from supple.errors import SuppleError


@dataclass(frozen=True)
class Position:
    """The next step is `step`, on batch `batch` of epoch `epoch`, all counted from 0.

    `updates` are the steps of this epoch that were not skipped; the sums of losses are over those of them in which the
    largest and the smallest member trained: `largest` and `smallest` count these. `macs` are the multiply-accumulates
    of all members' forward passes since the run's start; `seconds` counts all processes that the run took so far, one
    after another.
    """

    step: int = 0
    epoch: int = 0
    batch: int = 0
    skipped_in_row: int = 0
    updates: int = 0
    largest: int = 0
    smallest: int = 0
    sum_largest: float = 0.0
    sum_smallest: float = 0.0
    macs: float = 0.0
    seconds: float = 0.0

    def after_step(
        self, batches: int, loss_largest: float | None, loss_smallest: float | None, macs: float
    ) -> "Position":
        """Return the position after a step on so many batches; a loss is None where the member did not train."""
        return replace(
            self._after_batches(batches),
            skipped_in_row=0,
            updates=self.updates + 1,
            largest=self.largest + (loss_largest is not None),
            smallest=self.smallest + (loss_smallest is not None),
            sum_largest=self.sum_largest + (loss_largest or 0.0),
            sum_smallest=self.sum_smallest + (loss_smallest or 0.0),
            macs=self.macs + macs,
        )

    def after_skipped_step(self, batches: int) -> "Position":
        """Return the position after a step that was skipped."""
        return replace(self._after_batches(batches), skipped_in_row=self.skipped_in_row + 1)

    def after_epoch(self) -> "Position":
        """Return the position at the beginning of the next epoch."""
        return replace(
            self, epoch=self.epoch + 1, batch=0, updates=0, largest=0, smallest=0, sum_largest=0.0, sum_smallest=0.0
        )

    @property
    def mean_largest(self) -> float | None:
        """The mean loss of the largest member in this epoch; None where it did not train."""
        return self.sum_largest / self.largest if self.largest else None

    @property
    def mean_smallest(self) -> float | None:
        """The mean loss of the smallest member in this epoch; None where it did not train."""
        return self.sum_smallest / self.smallest if self.smallest else None

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

    def _after_batches(self, batches: int) -> "Position":
        return replace(self, step=self.step + 1, batch=self.batch + batches)
