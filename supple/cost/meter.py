"""Measure members of a family on a target during a search, each next to the full network as the reference."""

from collections.abc import Sequence

from supple.cost.device import MeasuringDevice
from supple.cost.latency import DEFAULT_EFFORT, Latency
from supple.cost.program_meter import ProgramMeter
from supple.cost.store import MeasurementStore
from supple.runtime.backend import Emitter
from supple.space import Config


class LatencyMeter:
    """Measures members of one family on one device; each is written as a program, and measured, once."""

    def __init__(
        self,
        emitter: Emitter,
        reference: Config,
        device: MeasuringDevice,
        store: MeasurementStore,
        seconds_per_member: float = 1.0,
    ) -> None:
        """Write the reference, the config of the full network, as a program.

        Raises `MeasurementFailed` with a device that cannot be reached.
        """
        self._emitter = emitter
        self._meter = ProgramMeter(emitter.emit(reference), device, store)
        self._seconds = seconds_per_member
        self._measured: dict[Config, Latency] = {}
        self._file_bytes: dict[Config, int] = {}

    def measure(self, config: Config) -> Latency:
        """Return how long a member takes for one batch. Raises `MeasurementFailed` where the device cannot tell."""
        return self.measure_together([config])[0]

    def measure_together(self, configs: Sequence[Config]) -> list[Latency]:
        """Return how long each member takes; those not known yet are measured in the same interleaved rounds.

        Raises `MeasurementFailed` where the device cannot tell.
        """
        new = [config for config in dict.fromkeys(configs) if config not in self._measured]
        if new:
            programs = [self._emitter.emit(config) for config in new]
            self._file_bytes.update((config, len(entry.content)) for config, entry in zip(new, programs, strict=True))
            self._measured.update(zip(new, self._meter.measure(programs, DEFAULT_EFFORT, self._seconds), strict=True))
        return [self._measured[config] for config in configs]

    def file_bytes(self, config: Config) -> int:
        """Return the size of a member's program, as a file of it has."""
        if config not in self._file_bytes:
            self._file_bytes[config] = len(self._emitter.emit(config).content)
        return self._file_bytes[config]
