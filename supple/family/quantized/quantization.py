"""A family's precision: which dimension chooses the format of which layers, and what that changes in a member."""

import json
from collections import OrderedDict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from typing import Any

import torch
from torch import nn

from supple.errors import SuppleError
from supple.family.quantized.config import QuantizationConfig
from supple.family.quantized.formats import FULL_BITS, Format, parse_format
from supple.family.quantized.layers import Layer, LayerKind
from supple.family.quantized.quantizers import RoundInput, RoundOutput
from supple.family.quantized.ranges import Range, Ranges
from supple.family.quantized.rounding import (
    AnyGrid,
    FloatGrid,
    LiveGrid,
    activation_grid,
    block_grid,
    fp8_grid,
    fp8_weight_grid,
    weight_grid,
)
from supple.space import Config, Kind, Space

# No handle of a hook has this number.
_HOOK = -1
_CONVOLUTIONS = (LayerKind.CONVOLUTION, LayerKind.DEPTHWISE)


@dataclass(frozen=True)
class Choice:
    """The layers whose format one dimension chooses, and their formats by number of bits; fp32 is always among them."""

    layers: tuple[Layer, ...]
    formats: Mapping[int, Format]


@dataclass(frozen=True)
class Quantization:
    """What the `bits` dimensions of a family choose, by name, and how numbers are rounded."""

    config: QuantizationConfig
    choices: Mapping[str, Choice]

    @property
    def layers(self) -> tuple[Layer, ...]:
        """All layers whose precision can be chosen."""
        return tuple(layer for choice in self.choices.values() for layer in choice.layers)

    def formats(self, config: Mapping[str, int]) -> Iterator[tuple[Layer, Format]]:
        """Yield the layers that the config quantizes, with their formats; of blocks that it drops, too."""
        for name, choice in self.choices.items():
            if config[name] != FULL_BITS:
                for layer in choice.layers:
                    yield layer, choice.formats[config[name]]

    def needs_ranges(self, config: Mapping[str, int]) -> bool:
        """Say whether a member's activations are rounded with ranges that must be calibrated."""
        return any(entry.needs_ranges for _, entry in self.formats(config))

    def changes(
        self,
        model: nn.Module,
        config: Mapping[str, int],
        weights: Mapping[int, torch.Tensor],
        ranges: Ranges | None,
        dropped: Sequence[str],
    ) -> Iterator[tuple[dict[str, Any], str, Any]]:
        """Yield what hangs where in a member: (dictionary, name, value).

        `weights` are its parts of weights by the id of the layer's dictionary of parameters; a layer that is not among
        them has the weight that hangs there. Without `ranges`, activations are rounded over what each batch holds.
        """
        for layer, layer_format in self.formats(config):
            if any(layer.path.startswith(path + ".") or layer.path == path for path in dropped):
                continue
            module = model.get_submodule(layer.path)
            weight = weights.get(id(module._parameters), module._parameters["weight"])
            assert weight is not None  # a layer without a weight is none of ours
            grid = self.weight_grid(layer, layer_format, weight)
            yield module._parameters, "weight", grid.rounded(weight)
            found = None if ranges is None else ranges.get(layer.path)
            taken = self._activation_grid(layer_format, None if found is None else found.taken)
            given = None
            if self._rounds_results(layer, layer_format):
                given = self._activation_grid(layer_format, None if found is None else found.given)
            before = RoundInput(layer, layer_format, grid, taken, given)
            yield vars(module), "_forward_pre_hooks", OrderedDict({**module._forward_pre_hooks, _HOOK: before})
            if given is not None:
                # Floats of 16 bits are what the layer alone gives; a norm behind it becomes part of integers.
                last = module if layer_format in HALF_TYPES else model.get_submodule(layer.output)
                after = RoundOutput(given)
                yield vars(last), "_forward_hooks", OrderedDict({**last._forward_hooks, _HOOK: after})

    def weight_grid(self, layer: Layer, layer_format: Format, weight: torch.Tensor) -> AnyGrid:
        """Return the grid that a layer's weight is rounded to."""
        config = self.config
        if layer_format in HALF_TYPES:
            return FloatGrid(HALF_TYPES[layer_format])
        if layer_format is Format.FP8:
            return fp8_weight_grid(weight, config.per_channel)
        if layer_format in (Format.INT4_WEIGHTS, Format.INT8_WEIGHTS) and layer.kind is LayerKind.LINEAR:
            return block_grid(weight, layer_format.bits, config.block_size)
        bits = 7 if config.reduced_range and layer_format in (Format.INT8, Format.INT8_DYNAMIC) else 8
        return weight_grid(weight, bits, config.per_channel, config.symmetric_weights)

    def _rounds_results(self, layer: Layer, layer_format: Format) -> bool:
        """Say whether what the layer gives is rounded too; integer sums whose ranges are not known become float32."""
        if layer_format in HALF_TYPES:
            return True
        return layer_format.needs_ranges and (layer.kind in _CONVOLUTIONS or self.config.round_linear_results)

    def _activation_grid(self, layer_format: Format, found: Range | None) -> AnyGrid | None:
        if not layer_format.quantizes_activations:
            return None
        if layer_format in HALF_TYPES:
            return FloatGrid(HALF_TYPES[layer_format])
        if layer_format is Format.FP8:
            over: Any = fp8_grid
        else:
            symmetric, signed = self.config.symmetric_activations, self.config.signed_activations
            over = partial(activation_grid, symmetric=symmetric, signed=signed)
        if layer_format is Format.INT8_DYNAMIC or found is None:
            return LiveGrid(over)
        grid: AnyGrid = over(found.low, found.high)
        return grid

    def to_json(self) -> str:
        """Return the settings, and which dimension chooses what, as JSON."""
        return json.dumps(
            {
                "config": self.config.to_json(),
                "choices": {
                    name: {
                        "layers": [asdict(layer) for layer in choice.layers],
                        "formats": sorted(choice.formats.values(), key=lambda entry: entry.bits),
                    }
                    for name, choice in self.choices.items()
                },
            }
        )

    @classmethod
    def from_json(cls, text: str, space: Space) -> "Quantization":
        """Read what `to_json` wrote for a family of this space. Raises `SuppleError` for any other text."""
        try:
            content = json.loads(text)
            choices = {name: _choice_from_json(entry) for name, entry in content["choices"].items()}
            config = QuantizationConfig.from_json(content["config"])
        except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
            raise SuppleError(f"This is no quantization of a family: {error}.") from None
        known = {entry.name: entry.values for entry in space.dimensions if entry.kind is Kind.BITS}
        given = {name: tuple(sorted(choice.formats)) for name, choice in choices.items()}
        if known != given:
            raise SuppleError("This is the quantization of another family: its bits dimensions are not this family's.")
        return cls(config, choices)


HALF_TYPES = {Format.FP16: torch.float16, Format.BF16: torch.bfloat16}


def _choice_from_json(entry: Any) -> Choice:
    layers = tuple(
        Layer(str(one["path"]), LayerKind(one["kind"]), str(one["output"]), one["least"], one["most"])
        for one in entry["layers"]
    )
    formats = [parse_format(name) for name in entry["formats"]]
    return Choice(layers, {one.bits: one for one in formats})


def full_precision(space: Space, config: Config) -> Config:
    """Return the config of the same shape whose layers are all as the user made them."""
    bits = {entry.name: entry.largest for entry in space.dimensions if entry.kind is Kind.BITS}
    return space.config({**config, **bits}) if bits else config
