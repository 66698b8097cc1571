"""Files measured on a target, told to a person or a program: what `supple measure` does."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from supple.cost.energy import Energy, NoCounter
from supple.cost.latency import Effort, Latency
from supple.cost.measuring import measure, measure_energy
from supple.text_table import text_table


@dataclass(frozen=True)
class Measured:
    """The latencies of files, and their energies: None where they were not asked for, or why there are none."""

    latencies: Mapping[str, Latency]
    energies: Mapping[str, Energy] | NoCounter | None


def measure_files(files: Sequence[Path], target: str, seconds: float, energy: bool) -> Measured:
    """Measure files side by side on a target. Raises `SuppleError` as `supple.measure` does."""
    latencies = measure(files, target, Effort(max_seconds=seconds))
    return Measured(latencies, measure_energy(files, target) if energy else None)


def measured_text(measured: Measured) -> str:
    """Return what was measured as text for people."""
    parts = [_latency_table(measured.latencies)]
    if isinstance(measured.energies, NoCounter):
        parts.append(f"No energy: {measured.energies.reason}.")
    elif measured.energies is not None:
        parts.append(_energy_table(measured.energies))
    return "\n\n".join(parts)


def measured_json(measured: Measured) -> dict[str, object]:
    """Return what was measured as content of JSON: an object for each file, and why there is no energy."""
    energies = measured.energies if isinstance(measured.energies, Mapping) else {}
    told: dict[str, object] = {
        "files": {
            name: asdict(latency) | ({"energy": asdict(energies[name])} if name in energies else {})
            for name, latency in measured.latencies.items()
        }
    }
    if isinstance(measured.energies, NoCounter):
        told["no_energy"] = measured.energies.reason
    return told


def _latency_table(latencies: Mapping[str, Latency]) -> str:
    """Return a line for each model: its median, the 95 % interval, the rounds, and why measuring stopped.

    `left out` is the share of rounds in which something else ran on the machine.
    """
    rows = [
        (
            name,
            f"{latency.median_ms:.4g}",
            f"{latency.low_ms:.4g} to {latency.high_ms:.4g}",
            str(latency.rounds),
            f"{latency.disturbed + latency.outliers:.0%}",
            "narrow enough" if latency.is_narrow else "time was up",
        )
        for name, latency in latencies.items()
    ]
    header = ("model", "median ms", "95 % interval", "rounds", "left out", "stopped because")
    return "\n".join(text_table(header, rows, right_aligned={1, 2, 3, 4}))


def _energy_table(energies: Mapping[str, Energy]) -> str:
    """Return a line for each model: its median energy beyond the idle device's, and the 95 % interval."""
    rows = [
        (name, f"{energy.median_mj:.4g}", f"{energy.low_mj:.4g} to {energy.high_mj:.4g}", f"{energy.idle_watts:.3g}")
        for name, energy in energies.items()
    ]
    counter = next(iter(energies.values())).counter
    header = ("model", f"median mJ ({counter})", "95 % interval", "idle W")
    return "\n".join(text_table(header, rows, right_aligned={1, 2, 3}))
