"""Energy of one batch, from a counter of the machine's: RAPL for the processor, NVML for NVIDIA's graphics cards.

A counter counts what the whole package or card takes, other programs and idling too. So it is read over many runs, and
over pauses as long: the difference of the two powers is what running takes. Source of the method: the counters'
documentation (Linux, Documentation/power/powercap; NVIDIA, NVML API Reference), where 1 to 15 ms pass between two
updates: shorter spans tell nothing.
"""

import time
from abc import ABC, abstractmethod
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

from supple.cost.interval import median_interval
from supple.cost.latency import Run, Sign
from supple.runtime.target import Device

RAPL_ROOT = Path("/sys/class/powercap")
_SPAN_SECONDS = 0.2
_SPANS = 9


class EnergyCounter(ABC):
    """Counts the energy that a part of the machine has taken since some time in the past."""

    name: str

    @abstractmethod
    def joules(self) -> float:
        """Return the energy so far, which never falls."""


@dataclass(frozen=True)
class NoCounter:
    """Why the energy of a device cannot be measured here."""

    reason: str


@dataclass(frozen=True)
class Energy:
    """What running one batch takes, in millijoules, beyond what the idle device takes in the same time.

    `low_mj` and `high_mj` are the ends of a 95 % interval of the median over spans of runs. `idle_watts` is the power
    of the idle device, which a batch that keeps the device awake costs on top: multiply it by the latency.
    """

    median_mj: float
    low_mj: float
    high_mj: float
    idle_watts: float
    counter: str


class RaplCounter(EnergyCounter):
    """Running average power limit: the energy of all processor packages, as Linux tells it."""

    name = "RAPL"

    def __init__(self, zones: list[Path]) -> None:
        self._zones = [(zone / "energy_uj", _number(zone / "max_energy_range_uj")) for zone in zones]
        self._last = [_number(file) for file, _ in self._zones]
        self._total = 0

    def joules(self) -> float:
        """Return the energy since the counter was made; it must be read once per wrap, some minutes at full power."""
        for index, (file, wraps_at) in enumerate(self._zones):
            now = _number(file)
            self._total += now - self._last[index] + (wraps_at if now < self._last[index] else 0)
            self._last[index] = now
        return self._total / 1e6


class NvmlCounter(EnergyCounter):
    """NVIDIA's management library: the energy of the first graphics card, since its driver was loaded."""

    name = "NVML"

    def __init__(self, nvml: Any, handle: Any) -> None:
        self._nvml = nvml
        self._handle = handle

    def joules(self) -> float:
        """Return the energy since the driver was loaded."""
        return float(self._nvml.nvmlDeviceGetTotalEnergyConsumption(self._handle)) / 1e3


def find_counter(device: Device, root: Path = RAPL_ROOT) -> EnergyCounter | NoCounter:
    """Return the counter of a device of this machine, or why there is none."""
    return _find_nvml() if device in (Device.CUDA, Device.TENSORRT) else _find_rapl(root)


def energy_of(run: Run, counter: EnergyCounter, sign: Sign) -> Energy:
    """Return what one run takes: spans of runs alternate with pauses, so that a drifting machine wrongs neither.

    `sign` is called between spans.
    """
    _span(run, counter)  # wakes the device
    runs, idle = [], []
    for _ in range(_SPANS):
        sign()
        runs.append(_span(run, counter))
        idle.append(_span(lambda: time.sleep(_SPAN_SECONDS), counter))
    idle_watts = median(joules / seconds for joules, seconds, _ in idle)
    each = sorted(1e3 * (joules - idle_watts * seconds) / count for joules, seconds, count in runs)
    low, high = median_interval(each)
    return Energy(median(each), low, high, idle_watts, counter.name)


def _span(run: Run, counter: EnergyCounter) -> tuple[float, float, int]:
    """Run for a span; return the energy in joules, the seconds, and how many runs that were."""
    count, before, start = 0, counter.joules(), time.perf_counter()
    while (seconds := time.perf_counter() - start) < _SPAN_SECONDS:
        run()
        count += 1
    return counter.joules() - before, seconds, count


def _find_rapl(root: Path) -> EnergyCounter | NoCounter:
    zones = [zone for zone in sorted(root.glob("intel-rapl:*")) if zone.name.count(":") == 1]
    if not zones:
        return NoCounter(
            f'the system offers no RAPL counter: there is no "{root}/intel-rapl:0", as in virtual machines'
        )
    try:
        return RaplCounter(zones)
    except OSError as error:
        return NoCounter(f'RAPL cannot be read ({error.strerror}: "{error.filename}"): its files are the superuser\'s')


def _find_nvml() -> EnergyCounter | NoCounter:
    try:
        import pynvml
    except ImportError:
        return NoCounter('NVML needs the package "nvidia-ml-py": run  pip install nvidia-ml-py')
    try:
        pynvml.nvmlInit()
        handle = pynvml.nvmlDeviceGetHandleByIndex(0)
        pynvml.nvmlDeviceGetTotalEnergyConsumption(handle)
    except pynvml.NVMLError as error:
        return NoCounter(f"NVML tells no energy: {error}")
    return NvmlCounter(pynvml, handle)


def _number(file: Path) -> int:
    return int(file.read_text())
