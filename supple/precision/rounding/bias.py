"""Bias correction: what quantization adds to the mean of each channel is taken off again, layer by layer.

Source: Nagel et al., Data-Free Quantization through Weight Equalization and Bias Correction, 2019, appendix D: the
empirical form, on data, with all layers before already quantized and corrected.
"""

from collections import Counter
from collections.abc import Mapping
from functools import partial
from typing import NamedTuple

import torch
from torch import nn

from supple.errors import SuppleError
from supple.family.quantized.layers import Layer, LayerKind
from supple.family.quantized.quantizers import RoundInput
from supple.precision.rounding.watching import run_watched
from supple.trace import ModelInputs


class _Place(NamedTuple):
    """Where a layer's mean is corrected: the bias that is added last, and its module; `axis` holds its channels."""

    path: str
    bias: torch.Tensor
    axis: int

    def mean(self, output: torch.Tensor) -> torch.Tensor:
        """Return the mean of each channel: (channels), in float64."""
        return output.movedim(self.axis, -1).flatten(0, -2).mean(0, dtype=torch.float64)


def correct_biases(
    member: nn.Module, reference: nn.Module, precisions: Mapping[str, RoundInput], inputs: ModelInputs
) -> None:
    """Correct the biases of a member's quantized layers, in place.

    A layer's own bias; that of the batch norm behind a convolution that has none. A layer with neither stays. Raises
    `SuppleError` where no layer has a bias.
    """
    uses = Counter(id(parameter) for _, parameter in member.named_parameters(remove_duplicate=False))
    found = (_place(member, precision.layer) for precision in precisions.values())
    places = {place.path: place for place in found if place is not None and uses[id(place.bias)] == 1}
    if not places:
        raise SuppleError("No quantized layer of this member has a bias, or a batch norm behind it, to correct.")
    wanted: dict[str, torch.Tensor] = {}

    def note(path: str, output: torch.Tensor) -> None:
        wanted[path] = places[path].mean(output)

    def correct(path: str, output: torch.Tensor) -> torch.Tensor:
        place = places[path]
        error = (place.mean(output) - wanted[path]).to(output.dtype)
        place.bias.sub_(error)
        # What comes after sees the layer corrected.
        return output - error.view(-1, *[1] * (-1 - place.axis))

    run_watched(reference, inputs, given={path: partial(note, path) for path in places})
    run_watched(member, inputs, given={path: partial(correct, path) for path in wanted})


def _place(member: nn.Module, layer: Layer) -> _Place | None:
    module = member.get_submodule(layer.path)
    norm = member.get_submodule(layer.output)
    axis = -1 if layer.kind is LayerKind.LINEAR else -1 - len(module.kernel_size)  # type: ignore[arg-type]
    if isinstance(bias := module.bias, torch.Tensor):
        return _Place(layer.path, bias, axis)
    if norm is not module and layer.kind is not LayerKind.LINEAR and isinstance(bias := norm.bias, torch.Tensor):
        return _Place(layer.output, bias, axis)
    return None
