"""What the weight of a layer takes in a file in each precision that a config can give it."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from supple.cost.sizes import Values
from supple.family.quantized.config import QuantizationConfig
from supple.family.quantized.formats import Format
from supple.family.quantized.layers import Layer, LayerKind
from supple.family.quantized.quantization import Choice, Quantization

_SCALE_BYTES = 4
_UNSCALED = (Format.FP16, Format.BF16, Format.FP32)


@dataclass(frozen=True)
class WeightBytes:
    """The bytes of one layer's weight, with its scales, by the value of the dimension that chooses its format."""

    dimension: str
    layer: Layer
    choice: Choice
    config: QuantizationConfig

    def __call__(self, sizes: Sequence[Any], values: Values) -> NDArray[Any]:
        """Return the bytes in many members; `sizes` are those of the weight's axes, (out, in, ...)."""
        bits = np.asarray(values[self.dimension])
        found: Any = np.zeros(())
        for value, entry in self.choice.formats.items():
            found = found + np.where(bits == value, self._bytes(entry, sizes), 0)
        return np.asarray(found)

    def _bytes(self, entry: Format, sizes: Sequence[Any]) -> Any:
        is_in_blocks = entry in (Format.INT4_WEIGHTS, Format.INT8_WEIGHTS) and self.layer.kind is LayerKind.LINEAR
        if is_in_blocks:
            # The last block of each row is filled up.
            blocks = np.ceil(np.asarray(sizes[1]) / self.config.block_size)
            return sizes[0] * blocks * (self.config.block_size * entry.bits / 8 + _SCALE_BYTES)
        count: Any = 1
        for size in sizes:
            count = count * size
        if entry in _UNSCALED:
            return count * entry.bits / 8
        return count * entry.bits / 8 + _SCALE_BYTES * (sizes[0] if self.config.per_channel else 1)


def weight_bytes_by_key(quantization: Quantization | None) -> dict[str, WeightBytes]:
    """Return what the weights of the layers take whose precision can be chosen, by state-dict key."""
    if quantization is None:
        return {}
    return {
        f"{layer.path}.weight": WeightBytes(name, layer, choice, quantization.config)
        for name, choice in quantization.choices.items()
        for layer in choice.layers
    }
