"""Which tokens of a batch count: those with a label that are no padding."""

from collections.abc import Mapping
from typing import Any

from torch import Tensor

from supple.errors import SuppleError
from supple.training.rows import label_tensor
from supple.training.task import inputs_and_labels

IGNORED = -100
"""The label of a token that has none, as PyTorch and transformers write it."""


def labels_of(batch: Any) -> Tensor:
    """Return the labels (batch, tokens) of a batch, with those of padding ignored too.

    Raises `SuppleError` where they are no tensor.
    """
    labels = label_tensor(inputs_and_labels(batch)[1])
    mask = batch.get("attention_mask") if isinstance(batch, Mapping) else None
    # A mask of another shape is a matter between the user and the model: (batch, queries, keys).
    if mask is None or mask.shape != labels.shape:
        return labels
    return labels.masked_fill(mask == 0, IGNORED)


def check_token_logits(logits: Tensor, samples: int, classes: str) -> None:
    """Raise `SuppleError` where a tensor is no logits of the tokens of so many samples."""
    if logits.dim() != 3 or len(logits) != samples:
        raise SuppleError(
            f"The model returns a tensor of shape {tuple(logits.shape)} for {samples} samples: "
            f"expected logits of shape ({samples}, tokens, {classes})."
        )
