"""What a training run has seen: one row per finished epoch."""

import json
from dataclasses import asdict, dataclass, field

from supple.errors import SuppleError


@dataclass(frozen=True)
class EpochRow:
    """The training after an epoch, `step` steps after its start.

    Losses are means over the steps of the epoch in which the member trained, None where there were none. The metric,
    such as the accuracy (0 to 1), is measured on the validation data, batch norm calibrated. `macs` are the
    multiply-accumulates of all forward passes of members since the start. `seconds` counts all processes that the run
    took, from its start; it does not count in a comparison.
    """

    epoch: int
    step: int
    seconds: float = field(compare=False)
    loss_largest: float | None
    loss_smallest: float | None
    metric_largest: float
    metric_smallest: float
    macs: float


@dataclass(frozen=True)
class History:
    """All finished epochs of a training run, in order; `metric` names what was measured on the validation data."""

    rows: tuple[EpochRow, ...] = ()
    metric: str = "accuracy"

    def with_row(self, row: EpochRow) -> "History":
        """Return the history with one more epoch."""
        return History((*self.rows, row), self.metric)

    def to_json(self) -> str:
        """Return the history as JSON."""
        return json.dumps({"metric": self.metric, "rows": [asdict(row) for row in self.rows]}, indent=1)

    @classmethod
    def from_json(cls, text: str) -> "History":
        """Read what `to_json` wrote. Raises `SuppleError` where the text is anything else."""
        try:
            content = json.loads(text)
            return cls(tuple(EpochRow(**row) for row in content["rows"]), str(content["metric"]))
        except (ValueError, TypeError, KeyError, RecursionError) as error:
            raise SuppleError(f"This is no history of a training: {error}.") from None
