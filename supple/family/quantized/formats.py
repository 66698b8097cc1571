"""Number formats: how the weights of a layer, and what goes into it, are stored and multiplied."""

from enum import StrEnum

from supple.errors import SuppleError, nearest

FULL_BITS = 32
"""The value of a `bits` dimension where a layer is as the user made it."""


class Format(StrEnum):
    """What a layer computes in.

    `int8`: weights and activations, whose ranges are calibrated beforehand. `int8-dynamic`: likewise, but the ranges of
    activations are taken from each batch. `int8-weights` and `int4-weights`: the weights alone, in blocks of input
    features (linear layers) or per channel (convolutions, int8 only). `fp8`: weights and activations as float8_e4m3.
    `fp16`, `bf16`: weights, activations and results.
    """

    INT4_WEIGHTS = "int4-weights"
    INT8 = "int8"
    INT8_DYNAMIC = "int8-dynamic"
    INT8_WEIGHTS = "int8-weights"
    FP8 = "fp8"
    FP16 = "fp16"
    BF16 = "bf16"
    FP32 = "fp32"

    @property
    def bits(self) -> int:
        """The bits of one weight: the value of the dimension."""
        return _BITS[self]

    @property
    def needs_ranges(self) -> bool:
        """Whether activations are quantized with ranges that must be known beforehand."""
        return self in (Format.INT8, Format.FP8)

    @property
    def quantizes_activations(self) -> bool:
        """Whether what goes into the layer is rounded too."""
        return self not in (Format.INT4_WEIGHTS, Format.INT8_WEIGHTS, Format.FP32)


_BITS = {
    Format.INT4_WEIGHTS: 4,
    Format.INT8: 8,
    Format.INT8_DYNAMIC: 8,
    Format.INT8_WEIGHTS: 8,
    Format.FP8: 8,
    Format.FP16: 16,
    Format.BF16: 16,
    Format.FP32: FULL_BITS,
}


def parse_format(name: str) -> Format:
    """Return the format of this name. Raises `SuppleError`, with the nearest, where there is none."""
    try:
        return Format(name)
    except ValueError:
        known = [entry.value for entry in Format]
        raise SuppleError(f'There is no format "{name}" ({", ".join(known)}){nearest(str(name), known)}') from None
