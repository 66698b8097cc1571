"""The verb: a quantized member that was taken out, rounded better."""

import copy
from collections.abc import Iterable, Sequence

import torch
from torch import nn

from supple.errors import SuppleError
from supple.family.quantized.quantizers import precisions_of
from supple.precision.rounding.adaround import learn_roundings
from supple.precision.rounding.bias import correct_biases
from supple.precision.rounding.config import RoundingConfig, RoundingMethod
from supple.trace import Inputs, ModelInputs
from supple.trace.modes import evaluating


def improve_rounding(
    member: nn.Module, reference: nn.Module, batches: Iterable[Inputs], config: RoundingConfig = RoundingConfig()
) -> nn.Module:
    """Return a copy of a quantized member whose roundings harm what it computes less.

    `member` is what `family.extract(config)` gives for a quantized config, and `reference` the same member in full
    precision, `family.extract(family.full_precision(config))`. `batches`: some inputs as the member takes them, without
    labels, of one shape but for the first axis, which counts samples: they run as one batch. A hundred samples do.
    Formats and grids stay, so the copy is exported as the member is. It may be improved again by another method:
    AdaRound first, then bias correction. Raises `SuppleError` where the member quantizes nothing that the method
    changes, where the two are not the same network, or where there are no data.
    """
    precisions = precisions_of(member)
    if not precisions:
        raise SuppleError(
            "This member quantizes no layer: give what family.extract returns for a config with fewer bits."
        )
    if precisions_of(reference):
        raise SuppleError(
            "The reference is quantized itself: give family.extract(family.full_precision(config)), the same member in "
            "full precision."
        )
    _check_same_network(member, reference)
    inputs = _together([ModelInputs.of(batch) for batch in batches])
    improved = copy.deepcopy(member)
    with evaluating(improved), evaluating(reference):
        if config.method is RoundingMethod.BIAS_CORRECTION:
            correct_biases(improved, reference, precisions_of(improved), inputs)
        else:
            learn_roundings(improved, reference, precisions_of(improved), inputs, config)
    return improved


def _together(batches: Sequence[ModelInputs]) -> ModelInputs:
    """Return batches as one."""
    if not batches:
        raise SuppleError("There are no data to improve the rounding on: give at least one batch of inputs.")
    if len({tuple(tensor.shape[1:] for tensor in batch.tensors) for batch in batches}) > 1:
        raise SuppleError(
            "The batches to improve the rounding on differ in more than the number of samples "
            f"({' and '.join(sorted({batch.shapes for batch in batches})[:2])}): give inputs of one size."
        )
    parts = [iter(batch.tensors) for batch in batches]
    return batches[0].map(lambda _: torch.cat([next(part) for part in parts]))


def _check_same_network(member: nn.Module, reference: nn.Module) -> None:
    own = {key: tensor.shape for key, tensor in member.state_dict().items()}
    other = {key: tensor.shape for key, tensor in reference.state_dict().items()}
    if own != other:
        different = sorted(key for key in own.keys() | other.keys() if own.get(key) != other.get(key))
        raise SuppleError(
            f'The member and the reference are not the same network: "{different[0]}" differs. Give '
            "family.extract(family.full_precision(config)) of the member's config."
        )
