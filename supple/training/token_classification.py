"""Token classification: one class for each token, as in tagging parts of speech or named entities."""

from dataclasses import dataclass
from typing import Any, ClassVar

from torch import Tensor

from supple.training.divergences import Divergence
from supple.training.rows import check_labels, count_labels, cross_entropy, mean_divergence, right_answers
from supple.training.task import Score, Task, inputs_and_labels, tensor_of
from supple.training.tokens import IGNORED, check_token_logits, labels_of

_EXPECTED = "logits (batch, tokens, classes)"


@dataclass(frozen=True)
class TokenClassification(Task):
    """Batches of token ids and labels int64 (batch, tokens); outputs are logits (batch, tokens, classes).

    Tokens whose label is -100 or whose "attention_mask" is 0 are left out of loss, metric and divergence: the mean is
    over all others of the batch.
    """

    metric: ClassVar[str] = "accuracy"

    def terms(self, batch: Any) -> int:
        """Return the number of labelled tokens."""
        return count_labels(labels_of(batch), IGNORED)

    def check(self, outputs: Any, batch: Any) -> None:
        """Raise `SuppleError` where outputs and labels do not fit each other."""
        logits = tensor_of(outputs, _EXPECTED)
        check_token_logits(logits, self.samples(batch), "classes")
        check_labels(inputs_and_labels(batch)[1], tuple(logits.shape[:2]), logits.shape[2], IGNORED, "token")

    def loss(self, outputs: Any, batch: Any) -> Tensor:
        """Return the mean cross entropy of all labelled tokens."""
        return cross_entropy(tensor_of(outputs, _EXPECTED), labels_of(batch), IGNORED)

    def score(self, outputs: Any, batch: Any) -> Score:
        """Count right answers among the labelled tokens."""
        return right_answers(tensor_of(outputs, _EXPECTED), labels_of(batch), IGNORED)

    def divergence(self, outputs: Any, teacher_outputs: Any, batch: Any, divergence: Divergence) -> Tensor:
        """Return the mean divergence over all labelled tokens."""
        logits, teacher_logits = tensor_of(outputs, _EXPECTED), tensor_of(teacher_outputs, _EXPECTED, "teacher")
        return mean_divergence(logits, teacher_logits, labels_of(batch), IGNORED, divergence)
