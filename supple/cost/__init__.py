"""Costs: what a member takes, counted from its shapes or measured on a target.

Each name is imported when it is first used: measuring programs needs no PyTorch.
"""

from typing import TYPE_CHECKING

from supple.lazy import lazy_names

if TYPE_CHECKING:
    from supple.cost.device import MeasurementFailed, MeasuringDevice, ProgramRefused, open_device
    from supple.cost.energy import Energy, NoCounter
    from supple.cost.latency import LATENCY_SPREAD, Effort, Latency, time_against_reference, time_interleaved
    from supple.cost.measuring import measure, measure_energy
    from supple.cost.meter import LatencyMeter
    from supple.cost.patience import Limits
    from supple.cost.store import Conditions, MeasurementStore
    from supple.family.counting import count_macs, count_parameters

__all__ = [
    "LATENCY_SPREAD",
    "Conditions",
    "Effort",
    "Energy",
    "Latency",
    "LatencyMeter",
    "Limits",
    "MeasurementFailed",
    "MeasurementStore",
    "MeasuringDevice",
    "NoCounter",
    "ProgramRefused",
    "count_macs",
    "count_parameters",
    "measure",
    "measure_energy",
    "open_device",
    "time_against_reference",
    "time_interleaved",
]

_HOMES = {
    "Conditions": "supple.cost.store",
    "Effort": "supple.cost.latency",
    "Energy": "supple.cost.energy",
    "NoCounter": "supple.cost.energy",
    "measure_energy": "supple.cost.measuring",
    "LATENCY_SPREAD": "supple.cost.latency",
    "Latency": "supple.cost.latency",
    "LatencyMeter": "supple.cost.meter",
    "Limits": "supple.cost.patience",
    "MeasurementFailed": "supple.cost.device",
    "MeasurementStore": "supple.cost.store",
    "MeasuringDevice": "supple.cost.device",
    "ProgramRefused": "supple.cost.device",
    "count_macs": "supple.family.counting",
    "count_parameters": "supple.family.counting",
    "measure": "supple.cost.measuring",
    "open_device": "supple.cost.device",
    "time_against_reference": "supple.cost.latency",
    "time_interleaved": "supple.cost.latency",
}

if not TYPE_CHECKING:
    __getattr__ = lazy_names(__name__, _HOMES, globals())
