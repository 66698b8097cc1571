"""Search against random members: hypervolume over evaluations, and quality at equal cost. All on the validation split.

Both begin with the largest and the smallest member, which nobody has to find: the search is given them, so the random
members are too; and in the comparison at equal cost neither stands for the search.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from statistics import fmean, median

import numpy as np

from supple.report.planes import Plane, allowed
from supple.report.summary import Evaluated, SearchSummary, SeedSummary
from supple.searching.dominance import Floats, hypervolume_curve

WINDOW = 0.1
"""Members within 10 % of a cost count as equally costly."""


@dataclass(frozen=True)
class HypervolumeCurves:
    """The hypervolume after each evaluation of one seed, of its search and of its random members.

    As a share (0 to 1) of the box between the worst and the best value that any member of any seed has, among those
    that keep the constraints. The random ones begin with the two corners that the search began with.
    """

    seed: int
    search: tuple[float, ...]
    random: tuple[float, ...]

    @property
    def equal_number(self) -> int:
        """The number of evaluations that both have."""
        return min(len(self.search), len(self.random))

    @property
    def at_equal_number(self) -> tuple[float, float]:
        """Both hypervolumes after that number of evaluations."""
        return self.search[self.equal_number - 1], self.random[self.equal_number - 1]


@dataclass(frozen=True)
class Rivals:
    """Random members at the cost of one member: how many, the mean of those near it, the best that cost no more.

    Near is within the window, and so is "no more". None where there is none.
    """

    count: int
    mean: float | None
    best: float | None


@dataclass(frozen=True)
class Gain:
    """How much better one member is than its rivals, in the unit of the quality; None where it has none."""

    member: Evaluated
    rivals: Rivals
    over_mean: float | None
    over_best: float | None


@dataclass(frozen=True)
class SeedGain:
    """The gains of one seed's front: their means, and how many members beat the best of their rivals."""

    seed: int
    compared: int
    won: int
    over_mean: float | None
    over_best: float


@dataclass(frozen=True)
class Spread:
    """The median, the least and the greatest of one figure over seeds."""

    median: float
    low: float
    high: float

    @classmethod
    def of(cls, values: Iterable[float]) -> "Spread":
        """Return the spread of at least one value."""
        known = list(values)
        return cls(median(known), min(known), max(known))


def hypervolume_curves(search: SearchSummary) -> tuple[HypervolumeCurves, ...]:
    """Return the curves of every seed that has random members, from one reference point."""
    losses = {
        id(seed): (_losses(search, seed.searched), _losses(search, _with_corners(search, seed)))
        for seed in search.seeds
    }
    kept = [rows[np.isfinite(rows).all(axis=1)] for pair in losses.values() for rows in pair]
    every = np.concatenate([np.empty((0, len(search.objectives))), *kept])
    if not len(every):
        return ()
    worst, best = every.max(axis=0), every.min(axis=0)
    sides = np.where(worst > best, worst - best, 1.0)
    ones = np.ones(len(sides))

    def curve(rows: Floats) -> tuple[float, ...]:
        return tuple(hypervolume_curve((rows - best) / sides, ones))

    return tuple(HypervolumeCurves(seed.seed, *map(curve, losses[id(seed)])) for seed in search.seeds if seed.baseline)


def gains(
    search: SearchSummary, plane: Plane, searched: Sequence[Evaluated], baseline: Sequence[Evaluated]
) -> list[Gain]:
    """Return the gain of each member of the front in a plane, the cheapest first; the corners are left out."""
    front = [member for member in plane.front(allowed(search, searched)) if not search.is_corner(member)]
    others = allowed(search, baseline)
    return [gain_of(plane, member, others) for member in front]


def gain_of(plane: Plane, member: Evaluated, baseline: Sequence[Evaluated]) -> Gain:
    """Return the gain of one member over random ones that keep the constraints."""
    found = rivals(plane, member, baseline)
    value = member.figures[plane.quality.figure]
    over = [None if other is None else plane.gain(value, other) for other in (found.mean, found.best)]
    return Gain(member, found, *over)


def rivals(plane: Plane, member: Evaluated, baseline: Sequence[Evaluated]) -> Rivals:
    """Return what random members reach at the cost of one member, itself left out."""
    others = [entry for entry in baseline if entry.config != member.config]
    name = plane.cost.figure
    limit = plane.cost.loss(member.figures[name])
    allowance = WINDOW * abs(limit)
    losses = [plane.cost.loss(entry.figures[name]) for entry in others]
    values = [entry.figures[plane.quality.figure] for entry in others]
    near = [value for value, loss in zip(values, losses, strict=True) if abs(loss - limit) <= allowance]
    no_more = [value for value, loss in zip(values, losses, strict=True) if loss - limit <= allowance]
    best = min(no_more, key=plane.quality.loss, default=None)
    return Rivals(len(near), fmean(near) if near else None, best)


def seed_gains(search: SearchSummary, plane: Plane) -> list[SeedGain]:
    """Return the gains seed by seed, each front against its own random members; seeds without rivals are left out."""
    found = []
    for seed in search.seeds:
        entries = gains(search, plane, seed.searched, seed.baseline)
        over_best = [entry.over_best for entry in entries if entry.over_best is not None]
        over_mean = [entry.over_mean for entry in entries if entry.over_mean is not None]
        if over_best:
            mean = fmean(over_mean) if over_mean else None
            won = sum(gain > 0 for gain in over_best)
            found.append(SeedGain(seed.seed, len(over_best), won, mean, fmean(over_best)))
    return found


def _with_corners(search: SearchSummary, seed: SeedSummary) -> list[Evaluated]:
    corners = [member for member in seed.searched if search.is_corner(member)]
    others = [member for member in seed.baseline if not search.is_corner(member)]
    return [*corners, *others] if others else []


def _losses(search: SearchSummary, members: Iterable[Evaluated]) -> Floats:
    """Return the objectives of members as losses; infinite where a member breaks a constraint: it adds nothing."""
    rows = [
        [entry.loss(member.figures[entry.figure]) for entry in search.objectives]
        if search.keeps_constraints(member)
        else [np.inf] * len(search.objectives)
        for member in members
    ]
    return np.array(rows, float).reshape(-1, len(search.objectives))
