"""The space of configs: dimensions, their values, and which of them matter together. Pure Python, no torch."""

from supple.space.config import Config
from supple.space.dimension import Condition, Dimension, Kind
from supple.space.space import Space

__all__ = ["Condition", "Config", "Dimension", "Kind", "Space"]
