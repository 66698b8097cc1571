"""Regression: one or more numbers for each sample."""

import math
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor
from torch.nn import functional

from supple.errors import SuppleError
from supple.training.divergences import Divergence
from supple.training.task import Score, Task, check_teacher, inputs_and_labels, tensor_of, wide

_EXPECTED = "numbers (batch, targets)"


@dataclass(frozen=True)
class Regression(Task):
    """Batches of inputs and targets (batch, ...); outputs are of the targets' shape, or have one last axis of 1 more.

    The loss is the mean squared error, the metric its square root, in the targets' own units; lower is better. From a
    teacher members learn by the squared difference: up to a factor, that is the KL divergence of normal distributions
    of one variance; other divergences and the temperature have no meaning here.
    """

    metric: ClassVar[str] = "root mean squared error"
    higher_is_better: ClassVar[bool] = False

    def check(self, outputs: Any, batch: Any) -> None:
        """Raise `SuppleError` where outputs and targets do not fit each other."""
        predictions, targets = tensor_of(outputs, _EXPECTED), inputs_and_labels(batch)[1]
        if not isinstance(targets, Tensor):
            raise SuppleError(f"The targets are an object of type {type(targets).__name__}, not a tensor of numbers.")
        if targets.shape not in (predictions.shape, _without_last_one(predictions).shape):
            raise SuppleError(
                f"The model returns a tensor of shape {tuple(predictions.shape)} for targets of shape "
                f"{tuple(targets.shape)}: expected the same shape."
            )
        if targets.is_floating_point() and not targets.isfinite().all():
            raise SuppleError("A target is not finite: leave such samples out of the data.")

    def loss(self, outputs: Any, batch: Any) -> Tensor:
        """Return the mean squared error."""
        predictions, targets = _pair(outputs, batch)
        return functional.mse_loss(predictions, targets)

    def score(self, outputs: Any, batch: Any) -> Score:
        """Add up squared errors, in double precision, and count them."""
        predictions, targets = _pair(outputs, batch)
        squares = (predictions.double() - targets.double()).square()
        return Score(squares.sum(), torch.tensor(squares.numel(), device=squares.device))

    def result(self, score: Score) -> float:
        """Return the root of the mean squared error; infinity where an output is not finite."""
        mean = super().result(score)
        return math.sqrt(mean) if math.isfinite(mean) else math.inf

    def divergence(self, outputs: Any, teacher_outputs: Any, batch: Any, divergence: Divergence) -> Tensor:
        """Return the mean squared difference from the teacher's numbers, whichever divergence is asked for."""
        predictions = _without_last_one(wide(tensor_of(outputs, _EXPECTED)))
        teacher_predictions = _without_last_one(wide(tensor_of(teacher_outputs, _EXPECTED, "teacher")))
        check_teacher(predictions, teacher_predictions)
        return functional.mse_loss(predictions, teacher_predictions.detach())


def _pair(outputs: Any, batch: Any) -> tuple[Tensor, Tensor]:
    predictions, targets = wide(tensor_of(outputs, _EXPECTED)), inputs_and_labels(batch)[1]
    if predictions.dim() == targets.dim() + 1:
        predictions = predictions.squeeze(-1)
    return predictions, targets.to(predictions.dtype)


def _without_last_one(tensor: Tensor) -> Tensor:
    """Return (batch, 1) as (batch,)."""
    return tensor.squeeze(-1) if tensor.dim() > 1 else tensor
