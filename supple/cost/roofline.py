"""The roofline model of a device: an operator takes as long as its arithmetic or its memory traffic, whichever is more.

Source: Williams et al., Roofline: An Insightful Visual Performance Model for Multicore Architectures, 2009.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from supple.errors import SuppleError


@dataclass(frozen=True)
class Roofline:
    """Two constants of a device: the most multiply-accumulates and the most bytes that it gets through in a second."""

    macs_per_second: float
    bytes_per_second: float

    def __post_init__(self) -> None:
        if not (self.macs_per_second > 0 and self.bytes_per_second > 0):
            raise SuppleError(
                f"The constants of a roofline are positive, not {self.macs_per_second} multiply-accumulates and "
                f"{self.bytes_per_second} bytes per second."
            )

    def milliseconds(self, macs: float, traffic_bytes: float) -> float:
        """Return what one operator takes at best, in milliseconds."""
        return 1000 * max(macs / self.macs_per_second, traffic_bytes / self.bytes_per_second)


class Timed(NamedTuple):
    """What an operator, or a network of one kind of operator, was measured to take."""

    macs: float
    traffic_bytes: float
    milliseconds: float


def fit_roofline(measured: Iterable[Timed]) -> Roofline:
    """Return the roofline that the measured times are nearest to: the least mean absolute error of their logarithms.

    Each constant is one of the rates that were measured. At least one of the times should be bound by arithmetic, one
    by memory. Raises `SuppleError` for fewer than two times, or figures that are not positive.
    """
    rows = np.asarray([tuple(entry) for entry in measured], np.float64).reshape(-1, 3)
    if len(rows) < 2 or not (np.isfinite(rows).all() and (rows[:, 1:] > 0).all() and (rows[:, 0] >= 0).all()):
        raise SuppleError(
            "A roofline is fitted to two or more measured operators, each with its multiply-accumulates, and with "
            f"bytes and milliseconds above 0, not to {rows.tolist()!r:.200}."
        )
    macs, traffic, seconds = rows[:, 0], rows[:, 1], rows[:, 2] / 1000
    macs_rates = np.unique(macs[macs > 0] / seconds[macs > 0])
    if not len(macs_rates):
        raise SuppleError("A roofline is fitted to measured operators of which at least one multiplies.")
    bytes_rates = np.unique(traffic / seconds)
    # (rates of arithmetic, rates of memory, measured times)
    expected = np.maximum(macs / macs_rates[:, None, None], traffic / bytes_rates[None, :, None])
    error = np.abs(np.log(expected / seconds)).mean(axis=-1)
    arithmetic, memory = np.unravel_index(int(error.argmin()), error.shape)
    return Roofline(float(macs_rates[arithmetic]), float(bytes_rates[memory]))
