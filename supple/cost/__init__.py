"""Costs: what a member takes, counted from its shapes or measured on a target.

Each name is imported when it is first used: measuring programs needs no PyTorch.
"""

from typing import TYPE_CHECKING

from supple.lazy import lazy_names

if TYPE_CHECKING:
    from supple.cost.analytic import AnalyticCosts
    from supple.cost.device import MeasurementFailed, MeasuringDevice, ProgramRefused, open_device
    from supple.cost.energy import Energy, NoCounter
    from supple.cost.latency import LATENCY_SPREAD, Effort, Latency, time_against_reference, time_interleaved
    from supple.cost.latency_profile import Profile, fitted_target
    from supple.cost.measuring import measure, measure_energy
    from supple.cost.meter import LatencyMeter
    from supple.cost.patience import Limits
    from supple.cost.profile_saving import load_profile, save_profile
    from supple.cost.profiling import profile
    from supple.cost.roofline import Roofline, Timed, fit_roofline
    from supple.cost.store import Conditions, MeasurementStore
    from supple.cost.training_cost import TrainingCost, TrainingSetting, measure_training
    from supple.family.counting import count_macs, count_parameters


__all__ = [
    "LATENCY_SPREAD",
    "AnalyticCosts",
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
    "Profile",
    "ProgramRefused",
    "Roofline",
    "Timed",
    "TrainingCost",
    "TrainingSetting",
    "count_macs",
    "count_parameters",
    "fit_roofline",
    "fitted_target",
    "load_profile",
    "measure",
    "measure_energy",
    "measure_training",
    "open_device",
    "profile",
    "save_profile",
    "time_against_reference",
    "time_interleaved",
]

_HOMES = {
    "AnalyticCosts": "supple.cost.analytic",
    "Conditions": "supple.cost.store",
    "Effort": "supple.cost.latency",
    "Energy": "supple.cost.energy",
    "LATENCY_SPREAD": "supple.cost.latency",
    "Latency": "supple.cost.latency",
    "LatencyMeter": "supple.cost.meter",
    "Limits": "supple.cost.patience",
    "MeasurementFailed": "supple.cost.device",
    "MeasurementStore": "supple.cost.store",
    "MeasuringDevice": "supple.cost.device",
    "NoCounter": "supple.cost.energy",
    "Profile": "supple.cost.latency_profile",
    "ProgramRefused": "supple.cost.device",
    "Roofline": "supple.cost.roofline",
    "Timed": "supple.cost.roofline",
    "TrainingCost": "supple.cost.training_cost",
    "TrainingSetting": "supple.cost.training_cost",
    "count_macs": "supple.family.counting",
    "count_parameters": "supple.family.counting",
    "fit_roofline": "supple.cost.roofline",
    "fitted_target": "supple.cost.latency_profile",
    "load_profile": "supple.cost.profile_saving",
    "measure": "supple.cost.measuring",
    "measure_energy": "supple.cost.measuring",
    "measure_training": "supple.cost.training_cost",
    "open_device": "supple.cost.device",
    "profile": "supple.cost.profiling",
    "save_profile": "supple.cost.profile_saving",
    "time_against_reference": "supple.cost.latency",
    "time_interleaved": "supple.cost.latency",
}

if not TYPE_CHECKING:
    __getattr__ = lazy_names(__name__, _HOMES, globals())
