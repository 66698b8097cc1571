"""Two objectives at once, accuracy (more is better) and a cost (less is better): front, hypervolume and its growth."""

import math
from bisect import bisect_right
from collections.abc import Iterable, Sequence
from typing import NamedTuple


class Point(NamedTuple):
    """One member in the plane of the two objectives; a plain `(accuracy, cost)` pair does as well."""

    accuracy: float
    cost: float


def pareto_front(points: Sequence[tuple[float, float]]) -> list[int]:
    """Return the indices of the points that no other point dominates, the cheapest first.

    A point dominates another if it is at least as good in both objectives and better in one, so equal points stay
    together: all of them are on the front, or none. Raises `ValueError` for a point that is not finite.
    """
    _require_finite(points)
    order = sorted(range(len(points)), key=lambda index: (points[index][1], -points[index][0], index))
    front: list[int] = []
    for index in order:
        if not front or points[index][0] > points[front[-1]][0] or tuple(points[index]) == tuple(points[front[-1]]):
            front.append(index)
    return front


def hypervolume(points: Sequence[tuple[float, float]], reference: tuple[float, float]) -> float:
    """Return the area that the points dominate, bounded by the reference point `(accuracy, cost)`.

    Exact, by slices (Zitzler and Thiele, "Multiobjective optimization using evolutionary algorithms", 1998). A point
    that is not better than the reference in both objectives adds nothing. The unit is accuracy times cost. Raises
    `ValueError` for a point or a reference that is not finite.
    """
    _require_finite([*points, reference])
    better = _better_than(points, reference)
    return _area_of_front([better[index] for index in pareto_front(better)], reference)


def hypervolume_curve(points: Sequence[tuple[float, float]], reference: tuple[float, float]) -> list[float]:
    """Return the hypervolume after the first point, after the first two, and so on: `len(points)` values.

    It never falls. Raises `ValueError` for a point or a reference that is not finite.
    """
    _require_finite([*points, reference])
    front: list[tuple[float, float]] = []
    curve: list[float] = []
    area = 0.0
    for point in points:
        if _better_than([point], reference) and _insert(front, point):
            # Rounding may let the area of a larger front end one unit in the last place lower.
            area = max(area, _area_of_front(front, reference))
        curve.append(area)
    return curve


def reference_point(points: Iterable[tuple[float, float]]) -> Point:
    """Return the worst corner: the lowest accuracy and the highest cost of all the points.

    Pass the points of all sets that will be compared. Raises `ValueError` where there is none.
    """
    known = list(points)
    if not known:
        raise ValueError("A reference point needs at least one point.")
    _require_finite(known)
    return Point(min(accuracy for accuracy, _ in known), max(cost for _, cost in known))


def best_within(points: Sequence[tuple[float, float]], cost: float) -> int | None:
    """Return the index of the most accurate point of at most this cost (the cheapest of them), or None."""
    _require_finite(points)
    affordable = [index for index in range(len(points)) if points[index][1] <= cost]
    return min(affordable, key=lambda index: (-points[index][0], points[index][1]), default=None)


def _better_than(points: Sequence[tuple[float, float]], reference: tuple[float, float]) -> list[tuple[float, float]]:
    return [point for point in points if point[0] > reference[0] and point[1] < reference[1]]


def _area_of_front(front: Sequence[tuple[float, float]], reference: tuple[float, float]) -> float:
    # From the cheapest point on, accuracy rises: the slice of accuracies that a point adds over the one before it is
    # dominated from its cost up to the reference.
    below = [reference[0], *(accuracy for accuracy, _ in front)]
    return math.fsum(
        (reference[1] - cost) * (accuracy - lower) for (accuracy, cost), lower in zip(front, below, strict=False)
    )


def _insert(front: list[tuple[float, float]], point: tuple[float, float]) -> bool:
    """Keep the front sorted by cost with the point in it; say whether the point adds to the area."""
    position = bisect_right(front, point[1], key=lambda known: known[1])
    if position and front[position - 1][0] >= point[0]:
        return False
    first = position - 1 if position and front[position - 1][1] == point[1] else position
    last = position
    while last < len(front) and front[last][0] <= point[0]:
        last += 1
    front[first:last] = [point]
    return True


def _require_finite(points: Iterable[tuple[float, float]]) -> None:
    for point in points:
        if not (math.isfinite(point[0]) and math.isfinite(point[1])):
            raise ValueError(f"A point of two objectives must be finite, not {tuple(point)}.")
