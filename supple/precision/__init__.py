"""Precision: how much harm each layer's rounding does, and which layers had better be left alone."""

from supple.precision.advice import Advice, AdviceRow, Verdict, advise
from supple.precision.config import Measure, SensitivityConfig
from supple.precision.measuring import layer_sensitivity
from supple.precision.sensitivity import Sensitivity

__all__ = [
    "Advice",
    "AdviceRow",
    "Measure",
    "Sensitivity",
    "SensitivityConfig",
    "Verdict",
    "advise",
    "layer_sensitivity",
]
