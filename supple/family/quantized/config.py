"""What a user asks of precision: which layers may take which formats, and how numbers are rounded."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from typing import Any

from supple.errors import SuppleError, nearest
from supple.family.quantized.formats import Format, parse_format


class Per(StrEnum):
    """What gets one `bits` dimension: each layer, all layers of a block, or all layers of a kind."""

    LAYER = "layer"
    BLOCK = "block"
    KIND = "kind"


class RangeMethod(StrEnum):
    """How the range of an activation is chosen from what was seen of it.

    `minmax`: all of it. `percentile`: all but the outermost share. `mse`: what makes the mean squared rounding error
    least. `entropy`: what makes the distribution of rounded numbers most like the true one (Kullback-Leibler; Migacz,
    8-bit Inference with TensorRT, 2017).
    """

    MINMAX = "minmax"
    PERCENTILE = "percentile"
    MSE = "mse"
    ENTROPY = "entropy"


@dataclass(frozen=True)
class QuantizationConfig:
    """Which layers may take which formats, and how numbers are rounded.

    `formats` maps patterns of module paths (with `*` for anything) to the formats that their layers may have beside
    fp32; a later pattern overrides an earlier one, and no format leaves the layers alone. A layer has at most one
    format of each number of bits. `per` says what gets a dimension of its own; `groups` gives the layers that patterns
    find one dimension together, under a name.

    Weights: `per_channel` scales, or one for the tensor; `symmetric_weights`, or with a zero point (one scale for the
    tensor only); `reduced_range` takes 7 of 8 bits, for processors whose products of unsigned and signed bytes saturate
    (x86 without VNNI); `block_size` input features share a scale where weights alone are quantized.
    Activations: `symmetric_activations` or with a zero point; `signed_activations` as int8 instead of uint8; `ranges`
    chooses their ranges, over at most `range_samples` samples; `percentile` is that of the method of that name. What
    int8 convolutions give is always rounded; `round_linear_results` rounds what linear layers give too, which XNNPACK
    needs, and others do without.
    """

    formats: Mapping[str, Sequence[str]] = field(default_factory=lambda: {"*": (Format.INT8.value,)})
    per: Per = Per.LAYER
    groups: Mapping[str, str | Sequence[str]] = field(default_factory=dict)
    per_channel: bool = True
    symmetric_weights: bool = True
    reduced_range: bool = False
    block_size: int = 32
    symmetric_activations: bool = False
    signed_activations: bool = False
    round_linear_results: bool = False
    ranges: RangeMethod = RangeMethod.MINMAX
    percentile: float = 99.99
    range_samples: int = 512

    def __post_init__(self) -> None:
        if not self.formats:
            raise SuppleError('"formats" names no layers: give patterns and formats, as {"*": ["int8"]}.')
        for pattern, names in self.formats.items():
            if isinstance(names, str):
                raise SuppleError(f'The formats of "{pattern}" are a list, as ["{names}"].')
            given = [parse_format(name) for name in names]
            bits = [entry.bits for entry in given]
            if len(set(bits)) < len(bits):
                raise SuppleError(
                    f'"{pattern}" gives two formats of one number of bits ({", ".join(given)}): a layer may have one.'
                )
        formats = {pattern: tuple(map(str, names)) for pattern, names in self.formats.items()}
        groups = {
            name: patterns if isinstance(patterns, str) else tuple(patterns) for name, patterns in self.groups.items()
        }
        # As they come back from JSON too.
        object.__setattr__(self, "formats", formats)
        object.__setattr__(self, "groups", groups)
        object.__setattr__(self, "per", _one_of(Per, "per", self.per))
        object.__setattr__(self, "ranges", _one_of(RangeMethod, "ranges", self.ranges))
        if not self.symmetric_weights and self.per_channel:
            raise SuppleError("Weights with a zero point have one scale for the tensor: set per_channel=False too.")
        if self.symmetric_activations and not self.signed_activations:
            raise SuppleError("Symmetric activations are signed: set signed_activations=True too.")
        if self.block_size < 16 or self.block_size & (self.block_size - 1):
            raise SuppleError(f'"block_size" is a power of two from 16 on, not {self.block_size}.')
        if not 50 < self.percentile <= 100:
            raise SuppleError(f'"percentile" lies above 50 and is at most 100, not {self.percentile:g}.')
        if self.range_samples < 1:
            raise SuppleError(f'"range_samples" is at least 1, not {self.range_samples}.')

    def to_json(self) -> dict[str, Any]:
        """Return the settings as JSON."""
        return asdict(self)

    @classmethod
    def from_json(cls, content: Any) -> "QuantizationConfig":
        """Read what `to_json` returned. Raises `SuppleError` where it is anything else."""
        if not isinstance(content, dict) or not isinstance(content.get("formats"), dict):
            raise SuppleError("These are no settings of a quantization.")
        try:
            return cls(**content)
        except (TypeError, AttributeError, ValueError) as error:
            raise SuppleError(f"These are no settings of a quantization: {error}.") from None


def _one_of(kind: type[Any], name: str, given: str) -> Any:
    try:
        return kind(given)
    except ValueError:
        known = [entry.value for entry in kind]
        raise SuppleError(f'"{name}" is one of {", ".join(known)}, not "{given}"{nearest(str(given), known)}') from None
