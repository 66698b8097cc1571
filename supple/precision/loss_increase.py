"""By how much the task's loss grows on labelled data where some layers are rounded."""

import math
from collections.abc import Sequence
from typing import Any, ClassVar

import torch

from supple.family import Family
from supple.precision.finite import non_finite
from supple.space import Config
from supple.trace import Inputs
from supple.training.divergences import Divergence
from supple.training.evaluating_together import evaluate_together
from supple.training.task import Score, Task


def losses(
    family: Family, shape: Config, configs: Sequence[Config], batches: Sequence[Any], task: Task
) -> tuple[list[float], float]:
    """Return the mean loss of each config, and that of the shape, in eval mode.

    What several of them compute alike is computed once. Raises `SuppleError` as `evaluate` does, and where the shape's
    loss is not finite.
    """
    base, *found = evaluate_together(family, [shape, *configs], batches, LossMetric(task))
    if not math.isfinite(base):
        raise non_finite(family, shape, [task.inputs(batch) for batch in batches])
    return found, base


class LossMetric(Task):
    """A task whose metric is another task's mean loss over all terms."""

    metric: ClassVar[str] = "loss"
    higher_is_better: ClassVar[bool] = False

    def __init__(self, task: Task) -> None:
        self._task = task

    def inputs(self, batch: Any) -> Inputs:
        """Return what of a batch goes into the model."""
        return self._task.inputs(batch)

    def samples(self, batch: Any) -> int:
        """Return the number of samples of a batch."""
        return self._task.samples(batch)

    def terms(self, batch: Any) -> int:
        """Return how many terms the loss of a batch is the mean of."""
        return self._task.terms(batch)

    def check(self, outputs: Any, batch: Any) -> None:
        """Raise `SuppleError` where outputs and labels do not fit each other."""
        self._task.check(outputs, batch)

    def loss(self, outputs: Any, batch: Any) -> torch.Tensor:
        """Return the mean loss over the terms of a batch."""
        return self._task.loss(outputs, batch)

    def score(self, outputs: Any, batch: Any) -> Score:
        """Return the sum of the loss over the terms of a batch, and their number."""
        terms = self._task.terms(batch)
        loss = self._task.loss(outputs, batch).double()
        return Score(loss * terms, torch.tensor(terms, device=loss.device))

    def divergence(self, outputs: Any, teacher_outputs: Any, batch: Any, divergence: Divergence) -> torch.Tensor:
        """Return how far the outputs are from a teacher's."""
        return self._task.divergence(outputs, teacher_outputs, batch, divergence)
