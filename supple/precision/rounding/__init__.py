"""Better rounding: what a quantized member's weights and biases become, so that its outputs suffer less."""

from supple.precision.rounding.config import RoundingConfig, RoundingMethod
from supple.precision.rounding.improving import improve_rounding

__all__ = ["RoundingConfig", "RoundingMethod", "improve_rounding"]
