"""Classification: one class for each sample."""

from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor
from torch.nn import functional

from supple.errors import SuppleError
from supple.training.divergences import Divergence
from supple.training.rows import check_labels
from supple.training.task import Score, Task, check_teacher, inputs_and_labels, tensor_of, wide

_EXPECTED = "logits (batch, classes)"


@dataclass(frozen=True)
class MixedLabels:
    """The labels of inputs that are mixed of two each, as mixup and cutmix make them.

    `first` and `second` int64 (batch,); `share` of the first: float, of no axis or (batch,).
    """

    first: Tensor
    second: Tensor
    share: Tensor

    def to(self, device: torch.device | str, non_blocking: bool = False) -> "MixedLabels":
        """Return the labels on a device."""
        moved = (part.to(device, non_blocking=non_blocking) for part in (self.first, self.second, self.share))
        return MixedLabels(*moved)


@dataclass(frozen=True)
class Classification(Task):
    """Batches of inputs and labels int64 (batch,), or `MixedLabels`; outputs are logits (batch, classes).

    `label_smoothing` is the share of each label that is spread over all classes.
    """

    label_smoothing: float = 0.0
    metric: ClassVar[str] = "accuracy"

    def __post_init__(self) -> None:
        if not 0 <= self.label_smoothing < 1:
            raise SuppleError(f"label_smoothing is {self.label_smoothing}: expected a share from 0 to less than 1.")

    def check(self, outputs: Any, batch: Any) -> None:
        """Raise `SuppleError` where outputs and labels do not fit each other."""
        logits = tensor_of(outputs, _EXPECTED)
        samples = self.samples(batch)
        if logits.dim() != 2 or len(logits) != samples:
            raise SuppleError(
                f"The model returns a tensor of shape {tuple(logits.shape)} for {samples} samples: "
                f"expected logits of shape ({samples}, classes)."
            )
        labels = inputs_and_labels(batch)[1]
        for part in (labels.first, labels.second) if isinstance(labels, MixedLabels) else (labels,):
            check_labels(part, (samples,), logits.shape[1], None, "sample")

    def loss(self, outputs: Any, batch: Any) -> Tensor:
        """Return the mean cross entropy; of mixed labels, share x CE(first) + (1 - share) x CE(second)."""
        logits, labels = wide(tensor_of(outputs, _EXPECTED)), inputs_and_labels(batch)[1]
        if not isinstance(labels, MixedLabels):
            return functional.cross_entropy(logits, labels, label_smoothing=self.label_smoothing)
        first, second = (
            functional.cross_entropy(logits, part, reduction="none", label_smoothing=self.label_smoothing)
            for part in (labels.first, labels.second)
        )
        return (labels.share * first + (1 - labels.share) * second).mean()

    def score(self, outputs: Any, batch: Any) -> Score:
        """Count right answers; a sample whose logits are not finite counts as wrong."""
        logits, labels = tensor_of(outputs, _EXPECTED), inputs_and_labels(batch)[1]
        if isinstance(labels, MixedLabels):
            raise SuppleError("Accuracy has no meaning on mixed labels: leave mixup and cutmix out of validation data.")
        right = (logits.argmax(dim=1) == labels) & logits.isfinite().all(dim=1)
        return Score(right.sum(), torch.tensor(len(labels), device=right.device))

    def divergence(self, outputs: Any, teacher_outputs: Any, batch: Any, divergence: Divergence) -> Tensor:
        """Return the mean divergence over the samples; labels, mixed or not, are not looked at."""
        logits, teacher_logits = tensor_of(outputs, _EXPECTED), tensor_of(teacher_outputs, _EXPECTED, "teacher")
        check_teacher(logits, teacher_logits)
        return divergence(wide(logits), wide(teacher_logits)).mean()
