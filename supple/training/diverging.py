"""Telling from the losses of a run that its learning rate is too high."""

import math
from collections.abc import Iterable, Mapping
from statistics import median
from typing import Any

from pydantic import JsonValue

from supple.errors import SuppleError

# The loss of an untrained network varies little: a few steps tell it, before the learning rate can do harm.
_FIRST_STEPS = 5
# Twice as long as a spike may last without an alarm.
_RECENT_STEPS = 32
_TIMES_THE_FIRST = 2.0
_TIMES_THE_BEST = 4.0
# A network that has collapsed to chance loses what it did at its start.
_OF_THE_FIRST = 0.9
_ADVISED_FACTOR = 0.25


class Diverging:
    """Follows the loss of the largest member, and says once when training diverges.

    It does where the median of the last 32 losses is twice the loss at the start, or, after a median of less than a
    quarter of that, is back at the start: a network that has collapsed. A spike of fewer than 16 steps, or noise such
    as mixup's, does not move the median. The start is that of the worst member: where the model was trained before, its
    smaller members were not, and the largest may lose something to them without diverging. Losses at or below zero have
    no such scale and are left out.
    """

    def __init__(self) -> None:
        self._first: list[float] = []
        self._recent: list[float] = []
        self._best = math.inf
        self._has_told = False

    def after_step(self, loss: float, losses: Iterable[float], learning_rate: float) -> str | None:
        """Take the largest member's loss and those of all members of the step; return a line where training diverges.

        `learning_rate` is the highest of the run, which the user has set; the line names one to try.
        """
        if self._has_told or not (math.isfinite(loss) and loss > 0):
            return None
        if len(self._first) < _FIRST_STEPS:
            self._first.append(max((other for other in losses if math.isfinite(other)), default=loss))
            return None
        self._recent = [*self._recent[1 - _RECENT_STEPS :], loss]
        if len(self._recent) < _RECENT_STEPS:
            return None
        start, now = median(self._first), median(self._recent)
        self._best = min(self._best, now)
        has_collapsed = now > _TIMES_THE_BEST * self._best and now > _OF_THE_FIRST * start
        if not has_collapsed and now <= _TIMES_THE_FIRST * start:
            return None
        self._has_told = True
        return (
            f"Training diverges: the loss of the largest member is {now:.3g} over the last {_RECENT_STEPS} steps, "
            f"after {min(self._best, start):.3g} at its best. {learning_rate_advice(learning_rate)}"
        )

    def state(self) -> dict[str, JsonValue]:
        """Return all that a resumed run needs, as JSON content."""
        return {
            "first": list(self._first),
            "recent": list(self._recent),
            "best": self._best if math.isfinite(self._best) else None,
            "has_told": self._has_told,
        }

    def load_state(self, state: Mapping[str, Any]) -> None:
        """Take up what `state` returned. Raises `SuppleError` where the content is anything else."""
        try:
            first, recent = ([float(loss) for loss in state[name]] for name in ("first", "recent"))
            best = math.inf if state["best"] is None else float(state["best"])
            has_told = bool(state["has_told"])
        except (KeyError, TypeError, ValueError) as error:
            raise SuppleError(f"This is no state of the watch over the losses: {error!r}.") from None
        self._first, self._recent, self._best, self._has_told = first, recent, best, has_told


def learning_rate_advice(learning_rate: float) -> str:
    """Return what to do where a learning rate is too high."""
    advised = float(f"{_ADVISED_FACTOR * learning_rate:.2g}")
    return f"The learning rate is {learning_rate:g}: try learning_rate {advised:g}, or a longer warm-up (warmup_share)."


def skipped_too_often(limit: int, where: str, reason: str, learning_rate: float) -> str:
    """Return the message of a run that ends because `limit` updates in a row were skipped, the last one `where`."""
    return (
        f"{limit} updates in a row were skipped, the last at {where}: {reason}. {learning_rate_advice(learning_rate)} "
        "If that does not help, look for values in the data that are not finite."
    )
