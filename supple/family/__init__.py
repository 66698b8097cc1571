"""Families: run, take out, calibrate, save and load the members of one set of shared weights."""

from supple.family.conversion import convert
from supple.family.family import Family
from supple.family.importance import ImportanceMethod
from supple.family.layer_macs import LayerMacs
from supple.family.ordering import OrderConfig, order
from supple.family.quantized.config import QuantizationConfig
from supple.family.quantized.quantizing import quantize
from supple.family.saving import load, save

__all__ = [
    "Family",
    "ImportanceMethod",
    "LayerMacs",
    "OrderConfig",
    "QuantizationConfig",
    "convert",
    "load",
    "order",
    "quantize",
    "save",
]
