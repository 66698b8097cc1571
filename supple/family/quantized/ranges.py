"""Ranges of activations: what the full-precision member computes on data, and which part of that a grid covers."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from torch import nn

from supple.errors import SuppleError
from supple.family.quantized.config import QuantizationConfig, RangeMethod
from supple.family.quantized.histogram import Histogram, covered
from supple.family.quantized.layers import Layer
from supple.trace import ModelInputs


@dataclass(frozen=True)
class Range:
    """The least and the greatest number that a grid covers."""

    low: float
    high: float


@dataclass(frozen=True)
class LayerRanges:
    """The ranges of what a layer takes, and of what it gives with the norm and the cut behind it."""

    taken: Range
    given: Range


Ranges = dict[str, LayerRanges]
"""Those of a member's layers, by module path; a layer that never ran has none."""


def measured_ranges(
    member: nn.Module, layers: Iterable[Layer], inputs: Iterable[ModelInputs], config: QuantizationConfig
) -> Ranges:
    """Run a member, in eval mode and full precision, over inputs and return the ranges of its layers.

    Methods other than min-max look at the inputs twice. Raises `SuppleError` where there are none, or where something
    is not finite, with the layer.
    """
    batches = _first_samples(inputs, config.range_samples)
    if not batches:
        raise SuppleError("There are no data to calibrate activation ranges on: give at least one batch of inputs.")
    # Of blocks that the member drops, the modules hang nowhere.
    there = dict(member.named_modules())
    present = [layer for layer in layers if layer.path in there]
    extremes: dict[tuple[str, bool], tuple[torch.Tensor, torch.Tensor]] = {}

    def note_extremes(key: tuple[str, bool], tensor: torch.Tensor) -> None:
        low, high = torch.aminmax(tensor)
        if key in extremes:
            low, high = torch.minimum(low, extremes[key][0]), torch.maximum(high, extremes[key][1])
        extremes[key] = low, high

    _watch(member, present, batches, note_extremes)
    seen = {key: Range(float(low), float(high)) for key, (low, high) in extremes.items()}
    for (path, is_given), found in seen.items():
        if not (abs(found.low) < float("inf") and abs(found.high) < float("inf")):
            raise SuppleError(
                f'What layer "{path}" {"gives" if is_given else "takes"} is not finite on the calibration data '
                f"(from {found.low:g} to {found.high:g}): look at the data, and at the model."
            )
    if config.ranges is not RangeMethod.MINMAX:
        histograms = {key: Histogram(found.low, found.high) for key, found in seen.items()}
        _watch(member, present, batches, lambda key, tensor: histograms[key].add(tensor))
        choose = partial(covered, method=config.ranges, percentile=config.percentile)
        seen = {key: Range(*choose(histogram)) for key, histogram in histograms.items()}
    return {
        layer.path: LayerRanges(seen[layer.path, False], _cut(seen[layer.path, True], layer))
        for layer in present
        if (layer.path, False) in seen and (layer.path, True) in seen
    }


def ranges_to_tensors(ranges: Mapping[str, LayerRanges]) -> dict[str, torch.Tensor]:
    """Return ranges as tensors (taken low, taken high, given low, given high) by path."""
    return {
        path: torch.tensor([found.taken.low, found.taken.high, found.given.low, found.given.high], dtype=torch.float64)
        for path, found in ranges.items()
    }


def ranges_from_tensors(tensors: Mapping[str, torch.Tensor]) -> Ranges:
    """Read what `ranges_to_tensors` returned. Raises `SuppleError` where it is anything else."""
    found: Ranges = {}
    for path, tensor in tensors.items():
        if tensor.shape != (4,) or not bool(torch.isfinite(tensor).all()):
            raise SuppleError(f'The activation ranges of layer "{path}" are no four finite numbers.')
        low, high, given_low, given_high = tensor.double().tolist()
        found[path] = LayerRanges(Range(low, high), Range(given_low, given_high))
    return found


def _watch(
    member: nn.Module,
    layers: Iterable[Layer],
    batches: Iterable[ModelInputs],
    see: Callable[[tuple[str, bool], torch.Tensor], None],
) -> None:
    """Run the member over batches, and show what its layers take (path, False) and give (path, True)."""
    handles = []
    for layer in layers:

        def taken(_: nn.Module, inputs: Any, path: str = layer.path) -> None:
            see((path, False), inputs[0].detach())

        def given(_: nn.Module, inputs: Any, output: torch.Tensor, layer: Layer = layer) -> None:
            see((layer.path, True), _cut_tensor(output.detach(), layer))

        handles.append(member.get_submodule(layer.path).register_forward_pre_hook(taken))
        handles.append(member.get_submodule(layer.output).register_forward_hook(given))
    try:
        with torch.no_grad():
            for batch in batches:
                batch.run(member)
    finally:
        for handle in handles:
            handle.remove()


def _first_samples(inputs: Iterable[ModelInputs], samples: int) -> list[ModelInputs]:
    batches: list[ModelInputs] = []
    left = samples
    for batch in inputs:
        first = batch.map(partial(_rows, left))
        if taken := len(first.tensors[0]):
            batches.append(first)
        left -= taken
        if left <= 0:
            break
    return batches


def _rows(count: int, tensor: torch.Tensor) -> torch.Tensor:
    return tensor[:count]


def _cut(found: Range, layer: Layer) -> Range:
    low = found.low if layer.least is None else max(found.low, layer.least)
    high = found.high if layer.most is None else min(found.high, layer.most)
    return Range(low, high)


def _cut_tensor(tensor: torch.Tensor, layer: Layer) -> torch.Tensor:
    return tensor if layer.least is None and layer.most is None else tensor.clamp(layer.least, layer.most)
