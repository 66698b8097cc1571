"""Two objectives at a time: one plane for every cost, with the search's front in it and that of the random members."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from supple.report.summary import Evaluated, SearchSummary
from supple.searching.dominance import Floats, nondominated
from supple.searching.wishes import Direction, Objective

_FREE_COSTS = ("macs", "parameters")


@dataclass(frozen=True)
class Plane:
    """The quality against one cost (or against another objective, which may be one to be maximised)."""

    quality: Objective
    cost: Objective

    def losses(self, members: Iterable[Evaluated]) -> Floats:
        """Return cost and quality of members as losses, (members, 2): less is better in both."""
        axes = (self.cost, self.quality)
        rows = [[axis.loss(member.figures[axis.figure]) for axis in axes] for member in members]
        return np.array(rows, float).reshape(-1, 2)

    def front(self, members: Sequence[Evaluated]) -> list[Evaluated]:
        """Return the members that no other one of them dominates in this plane, the cheapest first."""
        losses = self.losses(members)
        kept = np.flatnonzero(nondominated(losses)).tolist()
        return [members[index] for index in sorted(kept, key=lambda index: tuple(losses[index]))]

    def gain(self, value: float, other: float) -> float:
        """Return by how much the first quality is better than the second, in its unit."""
        return self.quality.loss(other) - self.quality.loss(value)


def planes_of(search: SearchSummary) -> tuple[Plane, ...]:
    """Return a plane for each objective other than the quality.

    Where that is the only objective, the figures of the constraints take the place of costs, or what is known of every
    member.
    """
    quality = search.quality
    others = [entry for entry in search.objectives if entry != quality]
    if not others:
        limited = dict.fromkeys(entry.figure for entry in search.constraints if entry.figure != quality.figure)
        others = [Objective(figure, Direction.MINIMIZE) for figure in limited]
    if not others and search.searched:
        known = [name for name in _FREE_COSTS if name in search.searched[0].figures]
        others = [Objective(name, Direction.MINIMIZE) for name in known[:1]]
    return tuple(Plane(quality, entry) for entry in others)


def allowed(search: SearchSummary, members: Iterable[Evaluated]) -> list[Evaluated]:
    """Return those of the members that keep all constraints."""
    return [member for member in members if search.keeps_constraints(member)]


def whole_front(search: SearchSummary) -> list[Evaluated]:
    """Return the searched members that keep the constraints and that none dominates in all objectives."""
    members = allowed(search, search.searched)
    rows = [[entry.loss(member.figures[entry.figure]) for entry in search.objectives] for member in members]
    kept = nondominated(np.array(rows, float).reshape(len(members), len(search.objectives)))
    return [member for member, is_kept in zip(members, kept, strict=True) if is_kept]
