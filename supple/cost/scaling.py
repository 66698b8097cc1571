"""How the time of an operator grows with its sizes: the times of those not measured, from those that were."""

from itertools import combinations_with_replacement

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

_RIDGE = 1e-3
_NEAREST = 4


def predicted_ms(sizes: NDArray[np.int64], ms: Array, wanted: NDArray[np.int64]) -> Array:
    """Return the times of operators of one form by those of others: a smooth law, and what the nearest differ by.

    sizes: (measured, numbers); ms: (measured,), positive; wanted: (operators, numbers). The law is a polynomial of
    second degree in the logarithms, by ridge regression. Runtimes pad and split sizes, so that times have steps; near
    an operator that was measured, its own difference from the law counts.
    """
    both = np.log1p(np.abs(np.concatenate([sizes, wanted]).astype(np.float64)))
    varying = np.unique(both[:, np.ptp(both, axis=0) > 0], axis=1)
    if varying.shape[1] == 0:
        return np.full(len(wanted), np.exp(np.log(ms).mean()))
    standard = (varying - varying.mean(axis=0)) / varying.std(axis=0)
    pairs = combinations_with_replacement(range(standard.shape[1]), 2)
    terms = np.stack([*standard.T, *(standard[:, one] * standard[:, other] for one, other in pairs)], axis=1)
    known, asked = terms[: len(sizes)], terms[len(sizes) :]
    centre, log_ms = known.mean(axis=0), np.log(ms)
    # The ridge in its dual form: there may be fewer measurements than terms.
    gram = (known - centre) @ (known - centre).T
    ridge = _RIDGE * max(float(np.trace(gram)), 1.0) * np.eye(len(known))
    weights = (known - centre).T @ np.linalg.solve(gram + ridge, log_ms - log_ms.mean())
    differences = log_ms - log_ms.mean() - (known - centre) @ weights
    law = log_ms.mean() + (asked - centre) @ weights
    return np.asarray(np.exp(law + _nearest_mean(standard[: len(sizes)], differences, standard[len(sizes) :])))


def _nearest_mean(places: Array, values: Array, wanted: Array) -> Array:
    """Return the mean of the nearest values, weighted by the inverse square of their distance."""
    squares = np.square(wanted[:, None, :] - places[None, :, :]).sum(axis=2)
    nearest = np.argsort(squares, axis=1, kind="stable")[:, :_NEAREST]
    weights = 1 / (np.take_along_axis(squares, nearest, axis=1) + 1e-6)
    return np.asarray((weights * values[nearest]).sum(axis=1) / weights.sum(axis=1))
