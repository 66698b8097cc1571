"""Any number of objectives at once, as arrays of losses: which points none dominates, ranks of fronts, hypervolume."""

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


def nondominated(losses: Floats) -> NDArray[np.bool_]:
    """Say of each point whether no other dominates it; losses: (points, objectives), less is better.

    A point dominates another if it is nowhere worse and somewhere better: equal points stay together.
    """
    count, objectives = losses.shape
    if count == 0:
        return np.zeros(0, bool)
    if objectives == 1:
        alone: NDArray[np.bool_] = losses[:, 0] == losses[:, 0].min()
        return alone
    order = np.lexsort(losses.T[::-1])
    if objectives == 2:
        return _nondominated_pairs(losses, order)
    kept = np.zeros(count, bool)
    front = np.empty((0, objectives))
    for index in order:
        point = losses[index]
        # In this order nothing later dominates what came before.
        if not np.any(np.all(front <= point, axis=1) & np.any(front < point, axis=1)):
            kept[index] = True
            front = np.vstack([front, point])
    return kept


def _nondominated_pairs(losses: Floats, order: NDArray[np.intp]) -> NDArray[np.bool_]:
    first, second = losses[order, 0], losses[order, 1]
    best_before = np.concatenate(([np.inf], np.minimum.accumulate(second)[:-1]))
    starts = np.concatenate(([True], first[1:] != first[:-1]))
    # Of the points with the same first loss, those with the least second loss are kept: it stands at their start.
    group = np.cumsum(starts) - 1
    least, before = second[starts][group], best_before[starts][group]
    kept = np.zeros(len(losses), bool)
    kept[order] = (second == least) & (second < before)
    return kept


def front_ranks(losses: Floats) -> NDArray[np.intp]:
    """Return the rank of each point: 0 on the front, 1 on the front of what is left without that, and so on.

    Source: Deb et al., A Fast and Elitist Multiobjective Genetic Algorithm: NSGA-II, 2002.
    """
    ranks = np.full(len(losses), -1, np.intp)
    rank = 0
    while (left := np.flatnonzero(ranks < 0)).size:
        ranks[left[nondominated(losses[left])]] = rank
        rank += 1
    return ranks


def crowding(losses: Floats) -> Floats:
    """Return how alone each point is among its neighbours in every objective; infinite at the ends.

    Source: as `front_ranks`. Points of one front are meant.
    """
    count, objectives = losses.shape
    distance = np.zeros(count)
    if count == 0:
        return distance
    for column in range(objectives):
        order = np.argsort(losses[:, column], kind="stable")
        sorted_losses = losses[order, column]
        span = sorted_losses[-1] - sorted_losses[0]
        distance[order[[0, -1]]] = np.inf
        if span > 0 and count > 2:
            distance[order[1:-1]] += (sorted_losses[2:] - sorted_losses[:-2]) / span
    return distance


def hypervolume(losses: Floats, reference: Floats) -> float:
    """Return the volume that points dominate, bounded by the reference point; exact, by slices along the objectives.

    `losses`: (points, objectives), `reference`: (objectives,). A point that is not better than the reference everywhere
    adds nothing. Source: Zitzler and Thiele, Multiobjective Optimization Using Evolutionary Algorithms, 1998.
    """
    points = losses[np.all(losses < reference, axis=1)]
    return _volume(points[nondominated(points)], reference) if len(points) else 0.0


def _volume(points: Floats, reference: Floats) -> float:
    if points.shape[1] == 1:
        return float(reference[0] - points[:, 0].min())
    points = points[np.argsort(points[:, -1], kind="stable")]
    if points.shape[1] == 2:
        lowest = np.minimum.accumulate(points[:, 0])
        heights = np.diff(np.append(points[:, 1], reference[1]))
        return float(np.sum((reference[0] - lowest) * heights))
    total = 0.0
    ends = np.append(points[1:, -1], reference[-1])
    for number, end in enumerate(ends):
        depth = end - points[number, -1]
        if depth > 0:
            below = points[: number + 1, :-1]
            total += depth * _volume(below[nondominated(below)], reference[:-1])
    return total


def hypervolume_curve(losses: Floats, reference: Floats) -> list[float]:
    """Return the hypervolume after the first point, after the first two, and so on: it never falls."""
    curve: list[float] = []
    front = np.empty((0, losses.shape[1]))
    area = 0.0
    for point in losses:
        if np.all(point < reference) and not np.any(np.all(front <= point, axis=1)):
            front = np.vstack([front[~np.all(front >= point, axis=1)], point])
            area = max(area, _volume(front, reference))
        curve.append(area)
    return curve
