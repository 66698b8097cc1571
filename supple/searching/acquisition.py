"""How much hypervolume an uncertain member can be expected to add to the front.

Sources: Emmerich, Giannakoglou and Naujoks, Single- and Multiobjective Evolutionary Optimization Assisted by Gaussian
Random Field Metamodels, 2006, for expected hypervolume improvement; Zhang and Golovin, Random Hypervolume
Scalarizations for Provable Multi-Objective Black Box Optimization, 2020, for the volume as a mean over directions.
"""

import math

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr

from supple.searching.dominance import nondominated
from supple.searching.problem import Floats

_SAMPLES = 32
_DIRECTIONS = 128
_AT_ONCE = 512


def expected_improvement(
    means: Floats, deviations: Floats, losses: Floats, reference: Floats, seed: int = 0
) -> NDArray[np.float64]:
    """Return the expected growth of the hypervolume by each candidate, (candidates,).

    `means` and `deviations`, (candidates, objectives), are what is expected of the candidates' losses, independent
    normal variables: a deviation of 0 is a loss that is known. `losses`, (points, objectives), are those that were
    evaluated. With two objectives the expectation is exact; with others it is a mean over samples and directions, the
    same ones for all candidates.
    """
    front = losses[nondominated(losses)]
    if means.shape[1] == 2:
        return _by_strips(means, deviations, front, reference)
    return _by_directions(means, deviations, front, reference, seed)


def _by_strips(means: Floats, deviations: Floats, front: Floats, reference: Floats) -> Floats:
    """Add up strips between the first losses of the front, in each of which the second must fall below what is reached.

    Of a strip, the part above the candidate's first loss grows: how wide it is, and how deep, is independent.
    """
    front = front[np.argsort(front[:, 0])]
    edges = np.minimum(np.concatenate(([-np.inf], front[:, 0], [np.inf])), reference[0])
    reached = np.minimum(np.concatenate(([reference[1]], front[:, 1])), reference[1])
    total = np.zeros(len(means))
    for left, right, best in zip(edges[:-1], edges[1:], reached, strict=True):
        width = _expected_fall(right, means[:, 0], deviations[:, 0])
        if np.isfinite(left):
            width = width - _expected_fall(left, means[:, 0], deviations[:, 0])
        total += width * _expected_fall(best, means[:, 1], deviations[:, 1])
    return total


def _expected_fall(best: float, mean: Floats, deviation: Floats) -> Floats:
    """Return E[max(best - y, 0)] of normal y = s (z P(Z < z) + p(z)), with z = (best - mean) / s."""
    known = deviation == 0
    spread = np.where(known, 1.0, deviation)
    z = (best - mean) / spread
    fall = spread * (z * ndtr(z) + np.exp(-0.5 * z * z) / math.sqrt(2 * math.pi))
    return np.asarray(np.where(known, np.maximum(best - mean, 0.0), fall))


def _by_directions(means: Floats, deviations: Floats, front: Floats, reference: Floats, seed: int) -> Floats:
    """Return the mean over directions d of growth of  max over points of min_i ((r_i - y_i) / d_i)^m,  in volume.

    With d on the positive part of the unit sphere, its mean times pi^(m/2) / (2^m Gamma(m/2 + 1)) is the hypervolume.
    """
    from scipy.stats import qmc

    objectives = means.shape[1]
    rng = np.random.default_rng(seed)
    directions = np.abs(rng.normal(size=(_DIRECTIONS, objectives)))
    directions = np.maximum(directions / np.linalg.norm(directions, axis=1, keepdims=True), 1e-6)
    normal = qmc.MultivariateNormalQMC(np.zeros(objectives), rng=rng).random(_SAMPLES)
    # (directions,): how far the front reaches along each.
    reached = _reach(front, directions, reference).max(axis=0, initial=0.0)
    volume = math.pi ** (objectives / 2) / (2**objectives * math.gamma(objectives / 2 + 1))
    found = []
    for start in range(0, len(means), _AT_ONCE):
        part = slice(start, start + _AT_ONCE)
        grown = np.zeros(len(means[part]))
        for sample in normal:
            reach = _reach(means[part] + deviations[part] * sample, directions, reference)
            grown += np.maximum(reach**objectives - reached**objectives, 0.0).mean(axis=1)
        found.append(grown * volume / _SAMPLES)
    return np.concatenate(found) if found else np.zeros(0)


def _reach(points: Floats, directions: Floats, reference: Floats) -> Floats:
    """Return how far each point reaches along each direction from the reference, (points, directions); 0 at least."""
    room = reference - points
    return np.asarray(np.maximum((room[:, None, :] / directions[None, :, :]).min(axis=2), 0.0))
