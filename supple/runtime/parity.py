"""How far an exported file's outputs are from the PyTorch member's, on the same inputs.

Members in float32 are told from wrong files by the largest difference. A member that rounds its activations cannot be:
sums that are taken in another order end on the other side of a rounding step here and there, and each later layer
multiplies these steps. There the noise is judged, against that of the rounding itself.
"""

import math
from collections.abc import Iterable
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn
from torch.utils._pytree import tree_leaves

from supple.errors import SuppleError
from supple.family.quantized.quantizers import precisions_of, without_precision
from supple.runtime.session import Session
from supple.trace import Inputs, ModelInputs
from supple.trace.modes import evaluating

RELATIVE_TOLERANCE = 1e-4
SMALLEST_TOLERANCE = 1e-6
LEAST_TOP1_AGREEMENT = 0.99
# Two roundings of the same numbers that know nothing of each other have errors of equal power, and their difference has
# twice that of each: 3 dB.
ROUNDED_INDEPENDENTLY_DB = 10 * math.log10(2)
# What is closer to noise than this tells no right file from a wrong one.
SMALLEST_SIGNAL_TO_NOISE_DB = 6.0
_CHUNK = 64


@dataclass(frozen=True)
class Parity:
    """The differences between a member's outputs and its exported file's, over all numbers of all images.

    `max_relative_difference` is the largest difference over the largest output; `tolerance` is what
    `max_absolute_difference` may be. `top1_agreement` is the share (0 to 1) of predictions that are the same class.
    `signal_to_noise_db` is the power of the member's outputs over that of the differences, as 10 log10 of it; infinite
    where there are none.

    Where a member rounds its activations, `least_signal_to_noise_db` is what that may be, in place of the tolerance,
    and `least_top1_agreement` what the agreement may be where outputs are classes; both are None for others.
    """

    images: int
    max_absolute_difference: float
    max_relative_difference: float
    tolerance: float
    top1_agreement: float
    signal_to_noise_db: float
    least_signal_to_noise_db: float | None = None
    least_top1_agreement: float | None = None

    @property
    def agrees(self) -> bool:
        """Whether the outputs agree as far as they must; what is not a number agrees with nothing."""
        if self.least_signal_to_noise_db is None:
            return self.max_absolute_difference <= self.tolerance
        enough_alike = self.least_top1_agreement is None or self.top1_agreement >= self.least_top1_agreement
        return enough_alike and self.signal_to_noise_db >= self.least_signal_to_noise_db


def compare(member: nn.Module, session: Session, inputs: Inputs, are_classes: bool = True) -> Parity:
    """Run the member in eval mode and the session on the same inputs and return how far the outputs are apart.

    The tolerance is 1e-4 of the member's largest output: float32 sums taken in another order differ by less than a
    tenth of that, a wrong weight or batch-norm statistic by far more. A member whose activations are rounded agrees
    with its file where the differences are no stronger than those of two independent roundings, which is 3 dB more
    than its own from the member without the rounding (and at least 6 dB below the outputs), and where 99 % of the
    classes are the same; `are_classes` says whether the outputs (batch, classes) are such, and not embeddings. Raises
    `SuppleError` where the outputs have different shapes.
    """
    given = ModelInputs.of(inputs)
    images = len(given.tensors[0])
    if images == 0:
        raise SuppleError("There is nothing to compare an export on: give at least one input.")
    chunks = [given.map(partial(_rows, start)) for start in range(0, images, _CHUNK)]
    expected = _outputs(member, chunks)
    actual = session.run_batches(tuple(tensor.cpu().numpy() for tensor in chunk.tensors) for chunk in chunks)
    if actual.shape != expected.shape:
        raise SuppleError(
            f"The exported model gives outputs of shape {list(actual.shape)}, "
            f"the PyTorch member of {list(expected.shape)}."
        )
    scale = float(np.abs(expected).max())
    difference = float(np.abs(actual.astype(np.float64) - expected).max())
    least = _least_signal_to_noise_db(member, chunks, expected)
    return Parity(
        images=images,
        max_absolute_difference=difference,
        max_relative_difference=difference / scale if scale else difference,
        tolerance=max(RELATIVE_TOLERANCE * scale, SMALLEST_TOLERANCE),
        top1_agreement=float(np.mean(_classes(actual) == _classes(expected))),
        signal_to_noise_db=_signal_to_noise_db(expected, actual),
        least_signal_to_noise_db=least,
        least_top1_agreement=None if least is None or not are_classes or actual.ndim != 2 else LEAST_TOP1_AGREEMENT,
    )


def check_export(member: nn.Module, session: Session, inputs: Inputs, are_classes: bool = True) -> Parity:
    """Return how well an export agrees with its member. Raises `SuppleError` where it does not."""
    parity = compare(member, session, inputs, are_classes)
    if parity.agrees:
        return parity
    wrong = f"The export of {type(member).__name__} is wrong: on {parity.images} inputs"
    if parity.least_signal_to_noise_db is None:
        raise SuppleError(
            f"{wrong} its outputs differ from the PyTorch member's by up to {parity.max_absolute_difference:.3g}, "
            f"where {parity.tolerance:.3g} is allowed."
        )
    share = "" if parity.least_top1_agreement is None else f" and at least {parity.least_top1_agreement:.0%}"
    raise SuppleError(
        f"{wrong} the rounded member's outputs are {parity.signal_to_noise_db:.1f} dB above the differences, with "
        f"{parity.top1_agreement:.1%} of classes the same, where at least {parity.least_signal_to_noise_db:.1f} dB"
        f"{share} are asked for."
    )


def _least_signal_to_noise_db(
    member: nn.Module, chunks: Iterable[ModelInputs], rounded: NDArray[np.float64]
) -> float | None:
    """Return what the outputs must be above the differences from a file's; None where activations are not rounded."""
    if not any(entry.grid is not None or entry.output is not None for entry in precisions_of(member).values()):
        return None
    plain = _outputs(without_precision(member), chunks)
    own = _signal_to_noise_db(rounded, plain)
    # Rounding that changes nothing leaves the float32 sums, which differ by less than the tolerance.
    own = min(own, -20 * math.log10(RELATIVE_TOLERANCE))
    return max(own - ROUNDED_INDEPENDENTLY_DB, SMALLEST_SIGNAL_TO_NOISE_DB)


def _signal_to_noise_db(expected: NDArray[np.float64], actual: NDArray[Any]) -> float:
    return decibels(float(np.mean(expected**2)), float(np.mean((actual.astype(np.float64) - expected) ** 2)))


def decibels(signal: float, noise: float) -> float:
    """Return the ratio of two powers in dB; infinite without noise, and minus that for a noise that is no number."""
    if noise <= 0:
        return math.inf
    ratio = signal / noise
    return 10 * math.log10(ratio) if ratio > 0 else -math.inf


def _outputs(member: nn.Module, chunks: Iterable[ModelInputs]) -> NDArray[np.float64]:
    with evaluating(member):
        return np.concatenate([_first_output(chunk.run(member)) for chunk in chunks])


def _rows(start: int, tensor: torch.Tensor) -> torch.Tensor:
    return tensor[start : start + _CHUNK]


def _first_output(outputs: Any) -> NDArray[np.float64]:
    first = next(leaf for leaf in tree_leaves(outputs) if isinstance(leaf, torch.Tensor))
    return first.double().cpu().numpy()


def _classes(outputs: NDArray[np.float64]) -> NDArray[np.int64]:
    classes: NDArray[np.int64] = (outputs if outputs.ndim > 1 else outputs[:, None]).argmax(axis=1)
    return classes
