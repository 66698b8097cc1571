"""A running mean that forgets: what losses and gradients are compared with, as both fall while members train."""

from collections.abc import Sequence


class Trend:
    """The mean of what has been added, the newest weighing most; None before anything has been."""

    def __init__(self, keep: float) -> None:
        """Take the weight, from 0 to 1, of each value relative to the one after it."""
        self._keep = keep
        self._sum = self._weight = 0.0

    @property
    def mean(self) -> float | None:
        """The running mean."""
        return self._sum / self._weight if self._weight > 0 else None

    def add(self, value: float) -> None:
        """Add a value."""
        self._sum = self._keep * self._sum + value
        self._weight = self._keep * self._weight + 1

    def state(self) -> list[float]:
        """Return what must be remembered."""
        return [self._sum, self._weight]

    def load_state(self, state: Sequence[float]) -> None:
        """Take up what `state` returned."""
        self._sum, self._weight = state
