"""Equalization: shared weights scaled channel by channel, so that grids fit them better and nothing else changes."""

from supple.precision.equalization.config import EqualizationConfig, EqualizationMethod
from supple.precision.equalization.equalizing import equalize
from supple.precision.equalization.links import Link

__all__ = ["EqualizationConfig", "EqualizationMethod", "Link", "equalize"]
