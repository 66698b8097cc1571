"""What a search found: its members, the random ones that they are compared with, and the front of every device."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from supple.machine import Machine
from supple.searching.dominance import nondominated
from supple.searching.evaluation import Evaluation, Failure
from supple.searching.problem import Problem
from supple.searching.wishes import Direction, Objective, target_of


@dataclass(frozen=True)
class SeedResult:
    """The distinct members that one seed's search evaluated, in order, and those of its random baseline.

    `remarks` are what the searcher has to tell, such as how well its predictor predicts.
    """

    seed: int
    searched: tuple[Evaluation, ...]
    baseline: tuple[Evaluation, ...]
    remarks: tuple[str, ...] = ()


@dataclass(frozen=True)
class SearchResult:
    """All that was evaluated, seed by seed.

    `failed` are members that could not be evaluated; `machines` are those that figures were measured on, by target.
    """

    problem: Problem
    runs: tuple[SeedResult, ...]
    failed: tuple[Failure, ...] = ()
    machines: Mapping[str, Machine] = field(default_factory=dict)

    @property
    def searched(self) -> tuple[Evaluation, ...]:
        """The distinct members that the searches of all seeds evaluated, in order."""
        return tuple({entry.config: entry for run in self.runs for entry in run.searched}.values())

    @property
    def baseline(self) -> tuple[Evaluation, ...]:
        """The distinct random members that were evaluated, in order."""
        return tuple({entry.config: entry for run in self.runs for entry in run.baseline}.values())

    @property
    def front(self) -> tuple[Evaluation, ...]:
        """The members that keep the constraints and that none dominates in all objectives, the cheapest first."""
        return self.front_by(self.problem.objectives)

    def front_by(self, objectives: Sequence[Objective]) -> tuple[Evaluation, ...]:
        """Return the front by some of the objectives, as accuracy and the latency on one target, the cheapest first.

        The cheapest by the first objective that is to be minimised, or the worst by the first one where none is.
        """
        allowed = [entry for entry in self.searched if self.problem.excess(entry) == 0]
        losses = np.array([[entry.loss(found.figures[entry.figure]) for entry in objectives] for found in allowed])
        kept = nondominated(losses.reshape(len(allowed), len(objectives)))
        cost = next((entry for entry in objectives if entry.direction is Direction.MINIMIZE), objectives[0])
        front = [entry for entry, is_kept in zip(allowed, kept, strict=True) if is_kept]
        return tuple(sorted(front, key=lambda entry: (entry.figures[cost.figure], str(entry.config))))

    @property
    def fronts(self) -> dict[str, tuple[Evaluation, ...]]:
        """The front of every target: by the objectives that are its own, and those that are the same on all."""
        targets = dict.fromkeys(filter(None, (target_of(entry.figure) for entry in self.problem.objectives)))
        return {
            target: self.front_by(
                [entry for entry in self.problem.objectives if target_of(entry.figure) in (None, target)]
            )
            for target in targets
        }
