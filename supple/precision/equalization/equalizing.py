"""The verb: a family's channels, scaled so that grids fit them better while no member computes anything else."""

import copy
import random
import warnings
from collections.abc import Iterable, Mapping, Sequence
from functools import partial
from itertools import islice

import torch
from torch import nn
from torch.utils._pytree import tree_leaves

from supple.errors import SuppleError
from supple.family import Family
from supple.family.quantized.formats import FULL_BITS, Format
from supple.family.quantized.layers import Layer
from supple.family.quantized.rounding import AnyGrid
from supple.precision.choices import quantization_of
from supple.precision.equalization.activations import activation_factors
from supple.precision.equalization.config import EqualizationConfig, EqualizationMethod
from supple.precision.equalization.cross_layer import layer_factors
from supple.precision.equalization.links import Link, find_links
from supple.precision.equalization.scaling import scale
from supple.precision.equalization.weights import Flows, weight_factors
from supple.space import Config
from supple.trace import Inputs, ModelInputs
from supple.trace.modes import evaluating

TOLERANCE = 1e-5
"""How far outputs may move, as a share of the largest: factors that are no powers of two round each product anew."""

_RANDOM_MEMBERS = 2
_WEIGHTS_ALONE = (Format.INT4_WEIGHTS, Format.INT8_WEIGHTS)


def equalize(
    family: Family, batches: Iterable[Inputs], config: EqualizationConfig = EqualizationConfig()
) -> tuple[Link, ...]:
    """Scale the channels of a family's shared weights, in place, and return the links that were scaled.

    What a module gives is divided by a factor for each channel, and the weights that read it are multiplied by it: no
    member computes anything else (up to the rounding of floats), because factors are cut like their channels. What
    grids make of them changes, so calibrated ranges are forgotten: calibrate afterwards.

    `batches`: inputs as the model takes them, without labels. The first also proves that the outputs of the largest, of
    the smallest and of random members stay; what does not stand is undone, with a warning. Raises `SuppleError` where
    there are no data, where there is nothing to scale, and for the method `weights` where the family has no layers
    whose weights alone are quantized.
    """
    inputs = [ModelInputs.of(batch) for batch in islice(batches, config.batches)]
    if not inputs:
        raise SuppleError("There are no data to equalize on: give at least one batch of inputs.")
    with evaluating(family.model):
        links = _wanted(family, config.method)
        factors = _factors(family, links, inputs, config)
        refused = _scale_what_stands(family, factors, inputs[0])
    # What norms see is as it was: their statistics hold.
    family.ranges.clear()
    if refused:
        names = ", ".join(f'"{link.giver}"' for link in refused)
        warnings.warn(
            f"supple.precision.equalize leaves the channels of {names} as they were: scaled, some member would give "
            "other outputs.",
            stacklevel=2,
        )
    return tuple(link for link in factors if link not in refused)


def _wanted(family: Family, method: EqualizationMethod) -> list[Link]:
    """Return the links that a method scales."""
    links = find_links(family)
    if method is EqualizationMethod.CROSS_LAYER:
        links = [link for link in links if isinstance(family.model.get_submodule(link.layer), _LAYERS)]
    if method is EqualizationMethod.WEIGHTS:
        formats = _weight_formats(family)
        links = [link for link in links if all(path in formats for path in link.readers)]
    if not links:
        raise SuppleError(
            f"{type(family.model).__name__} has no channels that the method {method} can scale: only norms and layers "
            "whose result goes to convolutions or linear layers alone, through ReLU or pooling at most, have such."
        )
    return links


_LAYERS = (nn.Linear, nn.Conv1d, nn.Conv2d, nn.Conv3d)


def _weight_formats(family: Family) -> dict[str, tuple[Layer, Format]]:
    """Return the linear layers whose weights alone can be quantized, with the format of the fewest bits."""
    found: dict[str, tuple[Layer, Format]] = {}
    for choice in quantization_of(family).choices.values():
        bits = [number for number, entry in choice.formats.items() if entry in _WEIGHTS_ALONE and number != FULL_BITS]
        for layer in choice.layers:
            if bits and isinstance(family.model.get_submodule(layer.path), nn.Linear):
                found[layer.path] = layer, choice.formats[min(bits)]
    if not found:
        raise SuppleError(
            "The family has no linear layers whose weights alone are quantized: give it some by "
            'supple.quantize(family, QuantizationConfig(formats={"*": ["int4-weights"]})).'
        )
    return found


def _factors(
    family: Family, links: Sequence[Link], inputs: Sequence[ModelInputs], config: EqualizationConfig
) -> dict[Link, torch.Tensor]:
    model = family.model
    if config.method is EqualizationMethod.CROSS_LAYER:
        return layer_factors(model, links)
    with family.activate(family.full_precision(family.space.max())):
        seen = _watched(model, links, inputs)
    if config.method is EqualizationMethod.ACTIVATIONS:
        return activation_factors(model, {link: one.largest for link, one in seen.items()}, config.strength)
    formats, quantization = _weight_formats(family), quantization_of(family)

    def grid_of(path: str, weight: torch.Tensor) -> AnyGrid:
        return quantization.weight_grid(*formats[path], weight)

    return weight_factors(model, {link: one.flows() for link, one in seen.items()}, grid_of)


class _Seen:
    """What was seen of the channels of a link, as its first reader takes them."""

    def __init__(self, is_linear: bool) -> None:
        self._is_linear = is_linear
        self.largest = torch.zeros(())
        self._sizes = torch.zeros(())
        self._products = torch.zeros(())
        self._rows = 0

    def see(self, module: nn.Module, inputs: tuple[torch.Tensor, ...]) -> None:
        """Take what a reader takes."""
        rows = inputs[0].flatten(0, -2) if self._is_linear else inputs[0].movedim(1, -1).flatten(0, -2)
        self.largest = torch.maximum(self.largest, rows.abs().amax(0))
        if self._is_linear:
            self._sizes = self._sizes + rows.abs().sum(0)
            self._products = self._products + rows.T @ rows
            self._rows += len(rows)

    def flows(self) -> Flows:
        """Return the means over all rows."""
        return Flows(self._sizes / self._rows, self._products / self._rows)


def _watched(model: nn.Module, links: Sequence[Link], inputs: Sequence[ModelInputs]) -> dict[Link, _Seen]:
    found: dict[Link, _Seen] = {}
    handles = []
    for link in links:
        reader = model.get_submodule(link.readers[0])
        found[link] = _Seen(isinstance(reader, nn.Linear))
        handles.append(reader.register_forward_pre_hook(found[link].see))
    try:
        for batch in inputs:
            batch.run(model)
    finally:
        for handle in handles:
            handle.remove()
    return found


def _scale_what_stands(family: Family, factors: Mapping[Link, torch.Tensor], inputs: ModelInputs) -> list[Link]:
    """Scale the links, but for those that change what a member computes; return these."""
    model = family.model
    rng = random.Random(0)
    drawn = [family.space.sample(rng) for _ in range(_RANDOM_MEMBERS)]
    shapes = [family.full_precision(one) for one in (family.space.max(), family.space.min(), *drawn)]
    expected = [_outputs(family, shape, inputs) for shape in shapes]

    def stands(tried: Mapping[Link, torch.Tensor]) -> bool:
        paths = {path for link in tried for path in (link.giver, *link.readers)}
        before = {path: copy.deepcopy(model.get_submodule(path).state_dict()) for path in paths}
        for link, entry in tried.items():
            scale(model, link, entry)
        if all(_close(_outputs(family, shape, inputs), one) for shape, one in zip(shapes, expected, strict=True)):
            return True
        for path, state in before.items():
            model.get_submodule(path).load_state_dict(state)
        return False

    # One after another only where all together do not stand: what has been accepted stays while the next is tried.
    return [] if stands(factors) else [link for link, entry in factors.items() if not stands({link: entry})]


def _outputs(family: Family, shape: Config, inputs: ModelInputs) -> list[torch.Tensor]:
    resized = inputs.map(partial(family.resize, shape))
    with family.activate(shape) as member:
        return [leaf for leaf in tree_leaves(resized.run(member)) if isinstance(leaf, torch.Tensor)]


def _close(outputs: Sequence[torch.Tensor], expected: Sequence[torch.Tensor]) -> bool:
    return all(
        float((one - other).abs().max()) <= TOLERANCE * float(other.abs().max())
        for one, other in zip(outputs, expected, strict=True)
        if other.is_floating_point() and other.numel()
    )
