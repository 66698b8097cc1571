"""The multiply-accumulates: what every other score must beat."""

from typing import Any

from supple.family import Family
from supple.space import Config
from supple.training.task import Task


def macs(family: Family, config: Config, batch: Any, task: Task) -> float:
    """Return the multiply-accumulates of a member for one sample."""
    return float(family.count_macs(config))
