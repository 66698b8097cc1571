"""Predictors of a member's accuracy, or any other figure, from the members that a search has evaluated."""

from supple.searching.predictors.choosing import PREDICTORS, ChosenPredictor, best_predictor
from supple.searching.predictors.encoder import Encoder, Features, random_features
from supple.searching.predictors.gaussian_process import GaussianProcess
from supple.searching.predictors.networks import Networks
from supple.searching.predictors.predictor import FittedPredictor, Predictions, Predictor
from supple.searching.predictors.quality import Quality
from supple.searching.predictors.ridge import Ridge
from supple.searching.predictors.trees import Trees

__all__ = [
    "PREDICTORS",
    "ChosenPredictor",
    "Encoder",
    "Features",
    "FittedPredictor",
    "GaussianProcess",
    "Networks",
    "Predictions",
    "Predictor",
    "Quality",
    "Ridge",
    "Trees",
    "best_predictor",
    "random_features",
]
