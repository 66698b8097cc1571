"""Costs: what a member takes, counted from its shapes or measured on a target."""

from supple.cost.latency import LATENCY_SPREAD, Effort, Latency, time_against_reference, time_interleaved
from supple.cost.measuring import measure
from supple.cost.meter import LatencyMeter
from supple.family.counting import count_macs, count_parameters

__all__ = [
    "LATENCY_SPREAD",
    "Effort",
    "Latency",
    "LatencyMeter",
    "count_macs",
    "count_parameters",
    "measure",
    "time_against_reference",
    "time_interleaved",
]
