"""How far an exported file's outputs are from the PyTorch member's, on the same inputs."""

from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn
from torch.utils._pytree import tree_leaves

from supple.errors import SuppleError
from supple.runtime.session import Session
from supple.trace import Inputs, ModelInputs
from supple.trace.modes import evaluating

RELATIVE_TOLERANCE = 1e-4
SMALLEST_TOLERANCE = 1e-6
_CHUNK = 64


@dataclass(frozen=True)
class Parity:
    """The differences between a member's outputs and its exported file's, over all numbers of all images.

    `max_relative_difference` is the largest difference over the largest output; `tolerance` is what
    `max_absolute_difference` may be. `top1_agreement` is the share (0 to 1) of predictions that are the same class.
    """

    images: int
    max_absolute_difference: float
    max_relative_difference: float
    tolerance: float
    top1_agreement: float

    @property
    def agrees(self) -> bool:
        """Whether the outputs agree within the tolerance; what is not a number agrees with nothing."""
        return self.max_absolute_difference <= self.tolerance


def compare(member: nn.Module, session: Session, inputs: Inputs) -> Parity:
    """Run the member in eval mode and the session on the same inputs and return how far the outputs are apart.

    The tolerance is 1e-4 of the member's largest output: float32 sums taken in another order differ by less than a
    tenth of that, a wrong weight or batch-norm statistic by far more. Raises `SuppleError` where the outputs have
    different shapes.
    """
    given = ModelInputs.of(inputs)
    images = len(given.tensors[0])
    if images == 0:
        raise SuppleError("There is nothing to compare an export on: give at least one input.")
    chunks = [given.map(partial(_rows, start)) for start in range(0, images, _CHUNK)]
    with evaluating(member):
        expected = np.concatenate([_first_output(chunk.run(member)) for chunk in chunks])
    actual = session.run_batches(tuple(tensor.cpu().numpy() for tensor in chunk.tensors) for chunk in chunks)
    if actual.shape != expected.shape:
        raise SuppleError(
            f"The exported model gives outputs of shape {list(actual.shape)}, "
            f"the PyTorch member of {list(expected.shape)}."
        )
    scale = float(np.abs(expected).max())
    difference = float(np.abs(actual.astype(np.float64) - expected).max())
    return Parity(
        images=images,
        max_absolute_difference=difference,
        max_relative_difference=difference / scale if scale else difference,
        tolerance=max(RELATIVE_TOLERANCE * scale, SMALLEST_TOLERANCE),
        top1_agreement=float(np.mean(_classes(actual) == _classes(expected))),
    )


def check_export(member: nn.Module, session: Session, inputs: Inputs) -> Parity:
    """Return how well an export agrees with its member. Raises `SuppleError` where it does not."""
    parity = compare(member, session, inputs)
    if not parity.agrees:
        raise SuppleError(
            f"The export of {type(member).__name__} is wrong: on {parity.images} inputs its outputs differ from the "
            f"PyTorch member's by up to {parity.max_absolute_difference:.3g}, where {parity.tolerance:.3g} is allowed."
        )
    return parity


def _rows(start: int, tensor: torch.Tensor) -> torch.Tensor:
    return tensor[start : start + _CHUNK]


def _first_output(outputs: Any) -> NDArray[np.float64]:
    first = next(leaf for leaf in tree_leaves(outputs) if isinstance(leaf, torch.Tensor))
    return first.double().cpu().numpy()


def _classes(outputs: NDArray[np.float64]) -> NDArray[np.int64]:
    classes: NDArray[np.int64] = (outputs if outputs.ndim > 1 else outputs[:, None]).argmax(axis=1)
    return classes
