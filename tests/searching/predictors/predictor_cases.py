"""Spaces, members and figures that predictors are tried on."""

import numpy as np

from supple.cost.config_arrays import random_values
from supple.searching.predictors import Encoder, Networks, Predictor, random_features
from supple.searching.predictors.choosing import PREDICTORS
from supple.space import Condition, Dimension, Kind, Space

SPACE = Space(
    [
        Dimension("depth", Kind.DEPTH, (1, 2, 3)),
        Dimension("width.a", Kind.WIDTH, (8, 16, 24)),
        Dimension("width.b", Kind.WIDTH, (8, 16), (Condition("depth", 2),)),
        Dimension("width.c", Kind.WIDTH, (8, 16, 24), (Condition("depth", 3),)),
        Dimension("block", Kind.OPERATOR, (2, 1, 0)),
        Dimension("kernel", Kind.KERNEL, (3, 5), (Condition("block", 0, 0),)),
    ]
)
ENCODER = Encoder(SPACE)


def free_of(values):
    """A cost: the sum of the widths of the blocks that are there, times the number of the option and one."""
    there = np.arange(3) < values[:, :1]
    return np.log((values[:, 1:4] * there).sum(axis=1) * (1 + values[:, 4]))[:, None].astype(float)


def members(count, seed=0, noise=0.0):
    """Return features of random members and a figure that has effects, a saturation, and an interaction."""
    rng = np.random.default_rng(seed)
    values = random_values(SPACE, count, rng)
    features = ENCODER.encode(values, free_of(values))
    there = np.arange(3) < values[:, :1]
    size = (values[:, 1:4] * there).sum(axis=1)
    kernel = (values[:, 4] == 0) * (values[:, 5] - 3)
    figure = 90 - 200 / size - 4 * np.exp(-kernel) * (values[:, 0] > 1) - 3 * (values[:, 4] == 2)
    return features, figure + noise * rng.standard_normal(count)


CASES: tuple[Predictor, ...] = (*PREDICTORS, Networks(), Networks.pretrained(random_features(ENCODER, 500, 0, free_of)))
"""Every predictor: a new one adds itself."""
IDS = ("gaussian process", "ridge", "trees", "networks", "pretrained networks")
