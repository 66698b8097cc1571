"""Predictors of latency from few measurements: fitted on one target, with intervals, and an error that they know."""

from supple.cost.predictors.choosing import choose
from supple.cost.predictors.descriptions import Descriptions
from supple.cost.predictors.held_out import HeldOut
from supple.cost.predictors.predictor import FittedTarget, LatencyPredictor, Predictions, with_sources
from supple.cost.predictors.saving import load, save

__all__ = [
    "Descriptions",
    "FittedTarget",
    "HeldOut",
    "LatencyPredictor",
    "Predictions",
    "choose",
    "load",
    "save",
    "with_sources",
]
