"""Measure members of a family on a target during a search, each next to the full network as the reference."""

from collections.abc import Sequence

from supple.cost.device import MeasuringDevice
from supple.cost.latency import Effort, Latency
from supple.cost.store import Conditions, MeasurementStore
from supple.runtime.backend import Emitter
from supple.runtime.program import Program
from supple.space import Config


class LatencyMeter:
    """Measures members of one family on one device; what the store knows is not measured again.

    A search takes minutes, in which a machine grows slower and faster. So the full network runs in the rounds of every
    measurement, and all latencies are given as if it always took the same time: as in the first measurement of it that
    the store has from the same target and machine.
    """

    def __init__(
        self,
        emitter: Emitter,
        reference: Config,
        device: MeasuringDevice,
        store: MeasurementStore,
        seconds_per_member: float = 1.0,
    ) -> None:
        """Write the reference, the config of the full network, as a program. Raises `MeasurementFailed` with a device
        that cannot be reached.
        """
        self._emitter = emitter
        self._reference = emitter.emit(reference)
        self._device = device
        self._store = store
        self._seconds = seconds_per_member
        self._conditions = Conditions(device.target, device.runtime_version, device.machine, self._reference.digest)
        self._reference_ms = store.reference_ms(self._conditions)
        self._measured: dict[Config, Latency] = {}

    def measure(self, config: Config) -> Latency:
        """Return how long a member takes for one batch. Raises `MeasurementFailed` where the device cannot tell."""
        return self.measure_together([config])[0]

    def measure_together(self, configs: Sequence[Config]) -> list[Latency]:
        """Return how long each member takes; those not known yet are measured in the same interleaved rounds.

        Raises `MeasurementFailed` where the device cannot tell.
        """
        programs = {
            config: self._emitter.emit(config) for config in dict.fromkeys(configs) if config not in self._measured
        }
        for config, program in programs.items():
            kept = self._store.get(program.digest, self._conditions)
            if kept is not None:
                self._measured[config] = kept
        new = {config: program for config, program in programs.items() if config not in self._measured}
        if new:
            for (config, program), latency in zip(new.items(), self._measure(list(new.values())), strict=True):
                self._store.put(program.digest, self._conditions, latency)
                self._measured[config] = latency
        return [self._measured[config] for config in configs]

    def _measure(self, programs: Sequence[Program]) -> list[Latency]:
        effort = Effort(max_seconds=self._seconds * len(programs))
        found = self._device.measure(self._reference, programs, effort, self._reference_ms)
        self._reference_ms = found[0].reference_ms
        return found
