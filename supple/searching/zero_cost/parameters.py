"""The number of parameters: what every other score must beat."""

from typing import Any

from supple.family import Family
from supple.space import Config
from supple.training.task import Task


def parameters(family: Family, config: Config, batch: Any, task: Task) -> float:
    """Return the number of parameters of a member."""
    return float(family.count_parameters(config))
