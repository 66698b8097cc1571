"""The networks of a search: the family, and the data that its members are judged by."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from supple.family import Family
from supple.training import calibration_inputs
from supple.training.task import Task


def figure_of(task: Task) -> str:
    """Return the name of a task's metric as a figure, in one word: "root_mean_squared_error"."""
    return task.metric.replace(" ", "_")


@dataclass(frozen=True)
class Networks:
    """A family with its data and its task.

    `train_data` and `valid_data` are batches, gone through again each time; test data has no place here.
    `calibration` holds the inputs that recompute a member's batch-norm statistics.
    """

    family: Family
    train_data: Iterable[Any]
    valid_data: Iterable[Any]
    task: Task
    calibration: Sequence[Any]

    @property
    def metric(self) -> str:
        """The figure that members are judged by."""
        return figure_of(self.task)

    @classmethod
    def of(
        cls, family: Family, train_data: Iterable[Any], valid_data: Iterable[Any], task: Task, calibration_images: int
    ) -> "Networks":
        """Return the networks of a search, with the calibration inputs drawn from the training data."""
        inputs = calibration_inputs(train_data, calibration_images, task)
        return cls(family, train_data, valid_data, task, inputs)
