"""Language modelling: the next token from those before it."""

import math
from dataclasses import dataclass
from typing import Any, ClassVar

from torch import Tensor
from torch.nn import functional

from supple.training.divergences import Divergence
from supple.training.rows import check_labels, count_labels, cross_entropy, cross_entropy_sum, mean_divergence
from supple.training.task import Score, Task, inputs_and_labels, tensor_of
from supple.training.tokens import IGNORED, check_token_logits, labels_of

_EXPECTED = "logits (batch, tokens, vocabulary)"


@dataclass(frozen=True)
class LanguageModelling(Task):
    """Batches of token ids and labels int64 (batch, tokens); outputs are logits (batch, tokens, vocabulary).

    With `shift`, as in transformers, the labels are the token ids themselves, and the logits of a token are compared
    with the label of the next; without, the labels are shifted already. Labels of -100 and those of padding
    ("attention_mask" 0) are left out. The metric is the perplexity: e to the mean cross entropy of a token; lower is
    better.
    """

    shift: bool = True
    metric: ClassVar[str] = "perplexity"
    higher_is_better: ClassVar[bool] = False

    def terms(self, batch: Any) -> int:
        """Return the number of tokens that are to be predicted."""
        return count_labels(self._targets(batch), IGNORED)

    def check(self, outputs: Any, batch: Any) -> None:
        """Raise `SuppleError` where outputs and labels do not fit each other."""
        logits = tensor_of(outputs, _EXPECTED)
        check_token_logits(logits, self.samples(batch), "vocabulary")
        check_labels(inputs_and_labels(batch)[1], tuple(logits.shape[:2]), logits.shape[2], IGNORED, "token")

    def loss(self, outputs: Any, batch: Any) -> Tensor:
        """Return the mean cross entropy of all labelled tokens."""
        return cross_entropy(tensor_of(outputs, _EXPECTED), self._targets(batch), IGNORED)

    def score(self, outputs: Any, batch: Any) -> Score:
        """Add up the cross entropies of the labelled tokens, and count those."""
        targets = self._targets(batch)
        # In double precision: the sum over all data has more digits than a float.
        total = cross_entropy_sum(tensor_of(outputs, _EXPECTED), targets, IGNORED).double()
        return Score(total, (targets != IGNORED).sum())

    def result(self, score: Score) -> float:
        """Return the perplexity; infinity where the mean cross entropy is not finite, or too large for e to it."""
        mean = super().result(score)
        return math.exp(mean) if mean < _LARGEST_EXPONENT else math.inf

    def divergence(self, outputs: Any, teacher_outputs: Any, batch: Any, divergence: Divergence) -> Tensor:
        """Return the mean divergence over all labelled tokens."""
        logits, teacher_logits = tensor_of(outputs, _EXPECTED), tensor_of(teacher_outputs, _EXPECTED, "teacher")
        return mean_divergence(logits, teacher_logits, self._targets(batch), IGNORED, divergence)

    def _targets(self, batch: Any) -> Tensor:
        labels = labels_of(batch)
        # The last token has no next one. To leave its logits out instead would copy all the others.
        return functional.pad(labels[..., 1:], (0, 1), value=IGNORED) if self.shift else labels


# exp of more is larger than any float.
_LARGEST_EXPONENT = 709.0
