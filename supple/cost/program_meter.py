"""Measure programs on a device next to a reference, each once: what the store knows is not measured again."""

import math
from collections.abc import Sequence
from dataclasses import replace

from supple.cost.device import MeasuringDevice
from supple.cost.latency import Effort, Latency
from supple.cost.store import Conditions, MeasurementStore
from supple.runtime.program import Program

_MOST_DRIFT = 1.5


class ProgramMeter:
    """Measures programs of one target in rounds with a reference, the full network.

    A search or a profile takes minutes, in which a machine grows slower and faster. So all latencies are given as if
    the reference always took the same time: as in the first measurement with it that the store has from the same target
    and machine.
    """

    def __init__(self, reference: Program, device: MeasuringDevice, store: MeasurementStore) -> None:
        """Raises `MeasurementFailed` with a device that cannot be reached."""
        self._reference = reference
        self._device = device
        self._store = store
        self._conditions = Conditions(device.target, device.runtime_version, device.machine, reference.digest)
        self.reference_ms = store.reference_ms(self._conditions)
        """What the reference takes by convention; None before anything is measured."""

    def measure(self, programs: Sequence[Program], effort: Effort, seconds_per_program: float) -> list[Latency]:
        """Return how long each program takes; those not known yet are measured in the same interleaved rounds.

        Of `effort`, the time is set by `seconds_per_program`, for the reference too. Raises `MeasurementFailed` where
        the device cannot tell.
        """
        found = {program.digest: self._store.get(program.digest, self._conditions) for program in programs}
        new = {program.digest: program for program in programs if found[program.digest] is None}
        if new:
            limited = replace(effort, max_seconds=seconds_per_program * (len(new) + 1))
            for digest, measured in zip(new, self._measured(list(new.values()), limited), strict=True):
                self._store.put(digest, self._conditions, measured)
                found[digest] = measured
        return [latency for program in programs if (latency := found[program.digest]) is not None]

    def _measured(self, programs: Sequence[Program], effort: Effort) -> list[Latency]:
        """Measure programs; once more where the reference took far longer or shorter than it used to.

        Then something happened meanwhile that may have hit the reference alone.
        """
        found = self._once(programs, effort)
        if _drift(found) > math.log(_MOST_DRIFT):
            found = min(found, self._once(programs, effort), key=_drift)
        return found

    def _once(self, programs: Sequence[Program], effort: Effort) -> list[Latency]:
        found = self._device.measure(self._reference, programs, effort, self.reference_ms)
        self.reference_ms = found[0].reference_ms
        return found


def _drift(latencies: Sequence[Latency]) -> float:
    return abs(math.log(latencies[0].drift))
