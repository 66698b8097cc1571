"""Precision: how much harm each layer's rounding does, and which layers had better be left alone."""

from supple.precision.advice import Advice, AdviceRow, Verdict, advise
from supple.precision.config import Measure, SensitivityConfig
from supple.precision.equalization import EqualizationConfig, EqualizationMethod, equalize
from supple.precision.measuring import layer_sensitivity
from supple.precision.rounding import RoundingConfig, RoundingMethod, improve_rounding
from supple.precision.sensitivity import Sensitivity

__all__ = [
    "Advice",
    "AdviceRow",
    "EqualizationConfig",
    "EqualizationMethod",
    "Measure",
    "RoundingConfig",
    "RoundingMethod",
    "Sensitivity",
    "SensitivityConfig",
    "Verdict",
    "advise",
    "equalize",
    "improve_rounding",
    "layer_sensitivity",
]
