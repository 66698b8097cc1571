"""Rows of logits, each with its label: samples, tokens or pixels. Those without a label are left out."""

from torch import Tensor
from torch.nn import functional

from supple.errors import SuppleError
from supple.training.divergences import Divergence
from supple.training.task import Score, check_teacher, wide


def cross_entropy(logits: Tensor, labels: Tensor, ignored: int, label_smoothing: float = 0.0) -> Tensor:
    """Return the mean over all rows with a label, 0 where there is none; logits (..., classes), labels (...)."""
    total = cross_entropy_sum(logits, labels, ignored, label_smoothing)
    return total / (labels != ignored).sum().clamp(min=1)


def cross_entropy_sum(logits: Tensor, labels: Tensor, ignored: int, label_smoothing: float = 0.0) -> Tensor:
    """Return the sum over all rows with a label; logits (..., classes), labels (...)."""
    return functional.cross_entropy(
        wide(logits).flatten(0, -2),
        labels.flatten(),
        ignore_index=ignored,
        reduction="sum",
        label_smoothing=label_smoothing,
    )


def right_answers(logits: Tensor, labels: Tensor, ignored: int) -> Score:
    """Count the rows with a label whose largest logit is at it; one with a logit that is not finite is wrong."""
    has_label = labels != ignored
    right = (logits.argmax(-1) == labels) & logits.isfinite().all(-1) & has_label
    return Score(right.sum(), has_label.sum())


def mean_divergence(
    logits: Tensor, teacher_logits: Tensor, labels: Tensor, ignored: int, divergence: Divergence
) -> Tensor:
    """Return the mean divergence of the rows with a label, 0 where there is none."""
    check_teacher(logits, teacher_logits)
    has_label = labels != ignored
    values = divergence(wide(logits), wide(teacher_logits))
    return values.where(has_label, 0.0).sum() / has_label.sum().clamp(min=1)


def label_tensor(labels: object) -> Tensor:
    """Return labels, if they are a tensor. Raises `SuppleError` where they are not."""
    if not isinstance(labels, Tensor):
        raise SuppleError(f"The labels are an object of type {type(labels).__name__}, not a tensor of class numbers.")
    return labels


def count_labels(labels: Tensor, ignored: int) -> int:
    """Return how many rows have a label."""
    return int((labels != ignored).sum())


def check_labels(labels: object, shape: tuple[int, ...], classes: int, ignored: int | None, what: str) -> None:
    """Raise `SuppleError` where labels are not class numbers of this shape: `what` of them there are for, "token"."""
    labels = label_tensor(labels)
    if labels.shape != shape or labels.is_floating_point() or labels.element_size() != 8:
        raise SuppleError(
            f"The labels are {labels.dtype} of shape {tuple(labels.shape)}: "
            f"expected torch.int64 of shape {shape}, one for each {what}."
        )
    known = labels if ignored is None else labels[labels != ignored]
    if known.numel() == 0:
        return
    lowest, highest = (int(value) for value in known.aminmax())
    if lowest < 0 or highest >= classes:
        left_out = "" if ignored is None else f" ({ignored} where there is none)"
        advice = []
        if lowest != 0:
            advice.append("number the classes from 0")
        if lowest >= 0:
            advice.append("give the model as many outputs as there are classes")
        raise SuppleError(
            f"A label is {lowest if lowest < 0 else highest}, but the model tells {classes} classes apart, "
            f"0 to {classes - 1}{left_out}: {', or '.join(advice)}."
        )
