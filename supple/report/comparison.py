"""Search against random members: fronts, hypervolumes, and accuracy at equal latency. All on the validation split."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from statistics import fmean

from supple.report.summary import Evaluated, HypervolumeCurves
from supple.searching.pareto import best_within, hypervolume_curve, pareto_front, reference_point


@dataclass(frozen=True)
class AtEqualLatency:
    """Random members whose latency is near that of one member: how many, and their mean and best accuracy."""

    count: int
    mean_accuracy: float
    best_accuracy: float


def mark_front(evaluated: Iterable[Evaluated]) -> tuple[Evaluated, ...]:
    """Return the same members with `on_front` set for those that no other of them dominates."""
    members = tuple(evaluated)
    front = set(pareto_front(_points(members)))
    return tuple(replace(member, on_front=index in front) for index, member in enumerate(members))


def front_of(evaluated: Iterable[Evaluated]) -> list[Evaluated]:
    """Return the members that are marked as on the front, the fastest first."""
    return sorted((member for member in evaluated if member.on_front), key=lambda member: member.latency_ms)


def hypervolume_curves(search: Sequence[Evaluated], baseline: Sequence[Evaluated]) -> HypervolumeCurves:
    """Return both hypervolumes after each evaluation, from the worst corner of all members together."""
    searched, random_members = _points(search), _points(baseline)
    if not searched and not random_members:
        return HypervolumeCurves(0.0, 0.0, (), ())
    reference = reference_point([*searched, *random_members])
    return HypervolumeCurves(
        reference.accuracy,
        reference.cost,
        tuple(hypervolume_curve(searched, reference)),
        tuple(hypervolume_curve(random_members, reference)),
    )


def best_at_most(evaluated: Sequence[Evaluated], latency_ms: float) -> Evaluated | None:
    """Return the most accurate member that takes at most this latency, or None."""
    index = best_within(_points(evaluated), latency_ms)
    return None if index is None else evaluated[index]


def at_equal_latency(baseline: Iterable[Evaluated], latency_ms: float, window: float = 0.1) -> AtEqualLatency | None:
    """Return what random members reach whose latency is within a share `window` of this one; None if there is none."""
    near = [member.accuracy for member in baseline if abs(member.latency_ms - latency_ms) <= window * latency_ms]
    return AtEqualLatency(len(near), fmean(near), max(near)) if near else None


def _points(evaluated: Iterable[Evaluated]) -> list[tuple[float, float]]:
    return [(member.accuracy, member.latency_ms) for member in evaluated]
