"""Semantic segmentation: one class for each pixel."""

from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor
from torch.nn import functional

from supple.errors import SuppleError
from supple.trace import ModelInputs
from supple.training.divergences import Divergence
from supple.training.rows import check_labels, count_labels, cross_entropy, label_tensor, mean_divergence
from supple.training.task import Score, Task, inputs_and_labels, tensor_of

_EXPECTED = "logits (batch, classes, height, width)"


@dataclass(frozen=True)
class Segmentation(Task):
    """Batches of images and labels int64 (batch, height, width); outputs are logits (batch, classes, ...).

    Logits of another height and width than the labels, as of networks that give an eighth of them or of members on
    smaller images, are interpolated to the labels' size. Pixels of the label `ignored` are left out. The metric is the
    mean over classes of intersection / union, over all data (Everingham et al., The Pascal Visual Object Classes
    Challenge, 2010).
    """

    ignored: int = 255
    metric: ClassVar[str] = "mean intersection over union"

    def terms(self, batch: Any) -> int:
        """Return the number of labelled pixels."""
        return count_labels(label_tensor(inputs_and_labels(batch)[1]), self.ignored)

    def check(self, outputs: Any, batch: Any) -> None:
        """Raise `SuppleError` where outputs and labels do not fit each other."""
        logits = tensor_of(outputs, _EXPECTED)
        images, labels = inputs_and_labels(batch)
        samples = self.samples(batch)
        if logits.dim() != 4 or len(logits) != samples:
            raise SuppleError(
                f"The model returns a tensor of shape {tuple(logits.shape)} for {samples} images: "
                f"expected logits of shape ({samples}, classes, height, width)."
            )
        size = ModelInputs.of(images).tensors[0].shape[2:]
        check_labels(labels, (samples, *size), logits.shape[1], self.ignored, "pixel")

    def loss(self, outputs: Any, batch: Any) -> Tensor:
        """Return the mean cross entropy of all labelled pixels."""
        labels = inputs_and_labels(batch)[1]
        return cross_entropy(_pixels(outputs, labels), labels, self.ignored)

    def score(self, outputs: Any, batch: Any) -> Score:
        """Count, class by class, the pixels in the intersection and in the union of answers and labels.

        A pixel with a logit that is not finite has no right answer.
        """
        labels = inputs_and_labels(batch)[1]
        logits = _pixels(outputs, labels)
        classes = logits.shape[-1]
        answers = logits.argmax(-1).where(logits.isfinite().all(-1), classes)
        known = labels != self.ignored
        answers, truth = answers[known], labels[known]
        right = torch.bincount(truth[answers == truth], minlength=classes)
        both = torch.bincount(torch.cat((answers, truth)), minlength=classes + 1)[:classes]
        return Score(right, both - right)

    def result(self, score: Score) -> float:
        """Return the mean over the classes that the labels or the answers name."""
        named = score.count > 0
        return float((score.total[named] / score.count[named]).mean().item())

    def divergence(self, outputs: Any, teacher_outputs: Any, batch: Any, divergence: Divergence) -> Tensor:
        """Return the mean divergence over all labelled pixels."""
        labels = inputs_and_labels(batch)[1]
        logits, teacher_logits = _pixels(outputs, labels), _pixels(teacher_outputs, labels, "teacher")
        return mean_divergence(logits, teacher_logits, labels, self.ignored, divergence)


def _pixels(outputs: Any, labels: Tensor, who: str = "model") -> Tensor:
    """Return logits (batch, height, width, classes) of the labels' height and width."""
    logits = tensor_of(outputs, _EXPECTED, who)
    if logits.shape[2:] != labels.shape[1:]:
        size = list(labels.shape[1:])
        logits = functional.interpolate(logits, size, mode="bilinear", align_corners=False)
    return logits.movedim(1, -1)
