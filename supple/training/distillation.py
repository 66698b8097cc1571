"""In-place distillation: the largest member learns from the labels, the others from what it says.

Source: Yu & Huang, Universally Slimmable Networks and Improved Training Techniques, 2019; the softened targets are from
Hinton et al., Distilling the Knowledge in a Neural Network, 2015.
"""

from dataclasses import dataclass

from torch import Tensor
from torch.nn import functional


@dataclass(frozen=True)
class InPlaceDistillation:
    """The loss of every member of a step.

    `weight` is the teacher's share in the loss of those that have one, `temperature` softens both sides.
    """

    weight: float
    temperature: float
    label_smoothing: float

    def loss(self, logits: Tensor, labels: Tensor, teacher_logits: Tensor | None = None) -> Tensor:
        """Return the mean loss of a batch, a scalar.

        `logits` and `teacher_logits` (batch, classes), the latter detached; labels int64 (batch,).
        """
        if teacher_logits is None:
            return self._from_labels(logits, labels)
        # T^2 KL(softmax(t / T) || softmax(s / T)): the square keeps the size of the gradients when T changes.
        softened = functional.kl_div(
            functional.log_softmax(logits / self.temperature, dim=1),
            functional.log_softmax(teacher_logits / self.temperature, dim=1),
            reduction="batchmean",
            log_target=True,
        )
        loss = self.weight * self.temperature**2 * softened
        return loss if self.weight == 1 else loss + (1 - self.weight) * self._from_labels(logits, labels)

    def _from_labels(self, logits: Tensor, labels: Tensor) -> Tensor:
        return functional.cross_entropy(logits, labels, label_smoothing=self.label_smoothing)
