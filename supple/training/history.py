"""What a training run has seen: one row per finished epoch."""

import json
from dataclasses import asdict, dataclass, field

from supple.errors import SuppleError


@dataclass(frozen=True)
class EpochRow:
    """The training after an epoch, `step` steps after its start.

    Losses are means over the epoch's steps, None where every step was skipped. Accuracies (0 to 1) are top-1 on the
    validation data, batch norm calibrated. `seconds` counts all processes that the run took, from its start; it does
    not count in a comparison.
    """

    epoch: int
    step: int
    seconds: float = field(compare=False)
    loss_largest: float | None
    loss_smallest: float | None
    accuracy_largest: float
    accuracy_smallest: float


@dataclass(frozen=True)
class History:
    """All finished epochs of a training run, in order."""

    rows: tuple[EpochRow, ...] = ()

    def to_json(self) -> str:
        """Return the history as JSON."""
        return json.dumps([asdict(row) for row in self.rows], indent=1)

    @classmethod
    def from_json(cls, text: str) -> "History":
        """Read what `to_json` wrote. Raises `SuppleError` where the text is anything else."""
        try:
            return cls(tuple(EpochRow(**row) for row in json.loads(text)))
        except (ValueError, TypeError, RecursionError) as error:
            raise SuppleError(f"This is no history of a training: {error}.") from None
