"""The one protocol of all tasks: what of a batch goes into the model, the loss, the metric."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from torch import Tensor

from supple.errors import SuppleError
from supple.trace import Inputs, ModelInputs
from supple.training.divergences import Divergence

LABELS = "labels"
"""The key of the labels in a batch that is a mapping."""


@dataclass(frozen=True)
class Score:
    """What a batch adds to the metric: two tensors of one shape, whose sums over all batches make the metric.

    They lie on the device of the outputs, so that nothing waits for them.
    """

    total: Tensor
    count: Tensor

    def __add__(self, other: "Score") -> "Score":
        """Return the score of both batches together."""
        return Score(self.total + other.total, self.count + other.count)


class Task(ABC):
    """What a family learns.

    A batch is `(inputs, labels)`, a tuple or a list, or a mapping with "labels" whose other entries are the model's
    named inputs, as those of transformers are; a task of your own may take any other by overriding `inputs` and
    `samples`. `outputs` are what the model returns, on one device with the batch.

    `check` is called once per batch, with the first outputs and the batch as the data gave it, before `loss` or `score`
    use the labels. Tasks hold settings and no state: one serves a whole run, in each of several processes.
    """

    metric: ClassVar[str]
    """What `result` returns, for people: "accuracy"."""
    higher_is_better: ClassVar[bool] = True

    def inputs(self, batch: Any) -> Inputs:
        """Return what of a batch goes into the model. Raises `SuppleError` where the batch is of another form."""
        return inputs_and_labels(batch)[0]

    def samples(self, batch: Any) -> int:
        """Return the number of samples of a batch."""
        return len(ModelInputs.of(self.inputs(batch)).tensors[0])

    def terms(self, batch: Any) -> int:
        """Return how many terms the loss is the mean of: the samples, or the tokens or pixels that have a label.

        Where a step has several batches, or several processes share one, each loss counts for as much as its terms.
        """
        return self.samples(batch)

    @abstractmethod
    def check(self, outputs: Any, batch: Any) -> None:
        """Raise `SuppleError` where outputs and labels do not fit each other; the labels should lie on the CPU."""

    @abstractmethod
    def loss(self, outputs: Any, batch: Any) -> Tensor:
        """Return the mean loss over the terms of a batch, a scalar; 0, not NaN, where it has no terms."""

    @abstractmethod
    def score(self, outputs: Any, batch: Any) -> Score:
        """Return what a batch adds to the metric."""

    def result(self, score: Score) -> float:
        """Return the metric from the sum of all scores: by default total / count."""
        return float(score.total.item() / score.count.item())

    @abstractmethod
    def divergence(self, outputs: Any, teacher_outputs: Any, batch: Any, divergence: Divergence) -> Tensor:
        """Return how far the outputs are from a teacher's, a scalar; gradients flow into `outputs` alone."""


def inputs_and_labels(batch: Any) -> tuple[Inputs, Any]:
    """Return the two parts of a batch. Raises `SuppleError` where it has no such parts."""
    if isinstance(batch, Mapping):
        if LABELS not in batch:
            raise SuppleError(f'A batch of the data has the entries {", ".join(map(str, batch))}, but no "{LABELS}".')
        return {key: value for key, value in batch.items() if key != LABELS}, batch[LABELS]
    if not isinstance(batch, tuple | list) or len(batch) != 2:
        what = f"a {type(batch).__name__} of {len(batch)}" if isinstance(batch, tuple | list) else type(batch).__name__
        raise SuppleError(
            f'A batch of the data is {what}: expected (inputs, labels), or a mapping of named inputs and "{LABELS}".'
        )
    inputs, labels = batch
    # PyTorch's loaders make lists of tuples.
    return tuple(inputs) if isinstance(inputs, list) else inputs, labels


def tensor_of(outputs: Any, expected: str, who: str = "model") -> Tensor:
    """Return the one tensor that a model returns, or its `.logits`, where the output has that attribute.

    Raises `SuppleError` for anything else; `expected` says what a task takes, "logits (batch, classes)", and `who`
    whose the outputs are.
    """
    tensor = outputs if isinstance(outputs, Tensor) else getattr(outputs, "logits", None)
    if not isinstance(tensor, Tensor):
        kind = type(outputs).__name__
        what = f"a {kind} of {len(outputs)}" if isinstance(outputs, tuple | list) else f"an object of type {kind}"
        raise SuppleError(
            f"The {who} returns {what}, not one tensor of {expected}: wrap it in a module that returns that alone."
        )
    return tensor


def check_teacher(predictions: Tensor, teacher_predictions: Tensor) -> None:
    """Raise `SuppleError` where a teacher's predictions are of another shape than a member's."""
    if predictions.shape != teacher_predictions.shape:
        raise SuppleError(
            f"The teacher returns predictions of shape {tuple(teacher_predictions.shape)}, the members of shape "
            f"{tuple(predictions.shape)}: a teacher must do the same task."
        )


def wide(tensor: Tensor) -> Tensor:
    """Return a tensor in float32 where it is of half precision: sums over classes and rows would lose digits."""
    return tensor.float() if tensor.is_floating_point() and tensor.element_size() < 4 else tensor
