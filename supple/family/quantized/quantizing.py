"""Give a family dimensions of precision: `bits` of each layer, or of groups of layers."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

from supple.errors import SuppleError, nearest
from supple.family.family import Family
from supple.family.quantized.config import Per, QuantizationConfig
from supple.family.quantized.finding import LeftAlone, find_layers
from supple.family.quantized.formats import FULL_BITS, Format, parse_format
from supple.family.quantized.layers import Layer, LayerKind
from supple.family.quantized.quantization import Choice, Quantization
from supple.space import Condition, Dimension, Kind, Space
from supple.trace import Structure
from supple.trace.structure import Frozen
from supple.trace.wishes import matches, names_around

_WEIGHT_ONLY_CONVOLUTIONS = (Format.INT4_WEIGHTS,)


def quantize(family: Family, config: QuantizationConfig = QuantizationConfig()) -> Family:
    """Return a family on the same model, whose members differ in the precision of their layers too.

    Its space has a `bits` dimension for each layer, or group of layers, that the config gives formats to: convolutions
    and linear layers. What is trained, calibrated or searched may be of any precision; the weights stay float32, and
    are shared by all precisions. Members of the given family are members of this one, at 32 bits. Layers that the
    runtime could not quantize alone are left as they are; `summary()` says why.

    The full network runs once, on zeros in the shapes of the example inputs. Raises `SuppleError` for a pattern that
    finds no layer (with the nearest), for a format that a layer it finds cannot have, and for a family that has
    dimensions of precision already.
    """
    if family.quantization is not None:
        raise SuppleError("The family has dimensions of precision already: quantize the family that it was made of.")
    space = family.space
    layers, left = find_layers(family.model, family.example_zeros(space.max()))
    formats = _formats(layers, left, config)
    if not formats:
        raise SuppleError(f"There is no layer whose precision can be chosen ({_reasons(left)}).")
    groups = _groups([layer for layer in layers if layer.path in formats], config, space)
    choices: dict[str, Choice] = {}
    dimensions: list[Dimension] = []
    for name, members in groups.items():
        common = _common_formats(name, members, formats)
        by_bits = {entry.bits: entry for entry in common} | {FULL_BITS: Format.FP32}
        choices[name] = Choice(tuple(members), by_bits)
        dimensions.append(Dimension(name, Kind.BITS, tuple(sorted(by_bits)), _conditions(members, family.structure)))
    frozen = tuple(Frozen(f"{entry.path}.bits", entry.reason) for entry in left)
    structure = replace(
        family.structure,
        space=Space([*space.dimensions, *dimensions]),
        frozen=(*family.structure.frozen, *frozen),
    )
    return family.with_structure(structure, Quantization(config, choices))


def _formats(
    layers: Sequence[Layer], left: Sequence[LeftAlone], config: QuantizationConfig
) -> dict[str, tuple[Format, ...]]:
    """Return the formats that each layer may have beside fp32, by path; layers that have none are left out."""
    found: dict[str, tuple[Format, ...]] = {}
    for pattern, names in config.formats.items():
        wanted = tuple(entry for entry in map(parse_format, names) if entry is not Format.FP32)
        for layer in _find(layers, left, pattern):
            usable = tuple(entry for entry in wanted if _suits(entry, layer))
            if wanted and not usable and "*" not in pattern:
                raise SuppleError(f'"{layer.path}" is a {layer.kind}: it has no {_listed(wanted)}.')
            found[layer.path] = usable
    return {path: entries for path, entries in found.items() if entries}


def _suits(layer_format: Format, layer: Layer) -> bool:
    return layer.kind is LayerKind.LINEAR or layer_format not in _WEIGHT_ONLY_CONVOLUTIONS


def _find(layers: Sequence[Layer], left: Sequence[LeftAlone], pattern: str) -> list[Layer]:
    found = [layer for layer in layers if matches(pattern, layer.path)]
    if not found:
        if alone := next((entry for entry in left if matches(pattern, entry.path)), None):
            raise SuppleError(f'The precision of "{alone.path}" cannot be chosen: {alone.reason}.')
        known = {name for layer in layers for name in names_around(layer.path)}
        raise SuppleError(f'No layer is found by the pattern "{pattern}"{nearest(pattern, known) or "."}')
    return found


def _groups(layers: Sequence[Layer], config: QuantizationConfig, space: Space) -> dict[str, list[Layer]]:
    """Return the layers of each dimension by its name, in the order of the first layers."""
    group_of: dict[str, str] = {}
    for name, patterns in config.groups.items():
        for pattern in [patterns] if isinstance(patterns, str) else patterns:
            group_of.update({layer.path: name for layer in _find(layers, (), pattern)})
    groups: dict[str, list[Layer]] = {}
    for layer in layers:
        name = group_of.get(layer.path) or f"{_place(layer, config.per)}.bits"
        groups.setdefault(name, []).append(layer)
    if taken := next((name for name in groups if name in space), None):
        raise SuppleError(f'The family has a dimension "{taken}" already: give the group another name.')
    return groups


def _place(layer: Layer, per: Per) -> str:
    """Return what the layer's dimension is named after."""
    if per is Per.LAYER:
        return layer.path
    if per is Per.KIND:
        return layer.kind.value.replace(" ", "_")
    # The innermost numbered module around it, as `blocks.3` of `blocks.3.attn.qkv`; else the module around it.
    parts = layer.path.split(".")
    numbered = [end for end, part in enumerate(parts[:-1], 1) if part.isdecimal()]
    return ".".join(parts[: numbered[-1]] if numbered else parts[:-1] or parts)


def _common_formats(
    name: str, layers: Sequence[Layer], formats: Mapping[str, tuple[Format, ...]]
) -> tuple[Format, ...]:
    first = formats[layers[0].path]
    common = tuple(entry for entry in first if all(entry in formats[layer.path] for layer in layers))
    if not common:
        raise SuppleError(
            f'The layers of "{name}" have no format in common ("{layers[0].path}": {_listed(first)}): give them '
            "formats that they share, or dimensions of their own."
        )
    return common


def _conditions(layers: Sequence[Layer], structure: Structure) -> tuple[Condition, ...]:
    """Return where a dimension reaches the member: where the blocks are that all its layers lie in."""
    ranges: list[dict[str, Condition]] = []
    for layer in layers:
        around = [
            block for block in structure.blocks if layer.path == block.path or layer.path.startswith(block.path + ".")
        ]
        ranges.append({block.dimension: Condition(block.dimension, block.at_least, block.at_most) for block in around})
    common: list[Condition] = []
    for name in ranges[0]:
        if all(name in entry for entry in ranges):
            least = min(entry[name].at_least for entry in ranges)
            ends = [entry[name].at_most for entry in ranges]
            most = None if None in ends else max(end for end in ends if end is not None)
            common.append(Condition(name, least, most))
    return tuple(common)


def _listed(formats: Sequence[Format]) -> str:
    return ", ".join(formats)


def _reasons(left: Sequence[LeftAlone]) -> str:
    return "; ".join(f"{entry.path}: {entry.reason}" for entry in left[:3]) or "it has no such layer"
