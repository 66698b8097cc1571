"""What came of a search so far: all that its next proposal may depend on, besides the problem and the seed."""

from collections.abc import Sequence
from functools import cached_property

import numpy as np

from supple.searching.dominance import nondominated
from supple.searching.evaluation import Evaluation, Outcome
from supple.searching.problem import Floats, Problem, Values
from supple.space import Config


class History:
    """The outcomes of finished trials in their order, and the proposals under way.

    `told` counts the finished trials, with those whose config had an outcome before; `told_configs` are theirs.
    `pending` are configs that were proposed in this round and have no outcome yet, as far as the searcher may know.
    """

    def __init__(self, problem: Problem, trials: Sequence[Outcome], pending: Sequence[Config] = ()) -> None:
        self.problem = problem
        self.told = len(trials)
        self.told_configs = tuple(outcome.config for outcome in trials)
        self.pending = tuple(pending)
        distinct: dict[Config, Outcome] = {}
        for outcome in trials:
            distinct.setdefault(outcome.config, outcome)
        self.outcomes = tuple(distinct.values())
        self.seen = frozenset(distinct) | frozenset(pending)

    @cached_property
    def evaluations(self) -> tuple[Evaluation, ...]:
        """The distinct members that were evaluated, in order."""
        return tuple(entry for entry in self.outcomes if isinstance(entry, Evaluation))

    @cached_property
    def values(self) -> Values:
        """The values of their configs, (members, dimensions)."""
        return self.problem.values(entry.config for entry in self.evaluations)

    @cached_property
    def losses(self) -> Floats:
        """Their objectives, (members, objectives): less is better in every column."""
        return self.problem.losses(self.evaluations)

    @cached_property
    def excess(self) -> Floats:
        """By how much they break the constraints, (members,): 0 where they keep them."""
        return np.array([self.problem.excess(entry) for entry in self.evaluations], float)

    @cached_property
    def front(self) -> tuple[Evaluation, ...]:
        """The members that keep the constraints and that no other such member dominates, in order of evaluation."""
        allowed = np.flatnonzero(self.excess == 0)
        kept = allowed[nondominated(self.losses[allowed])]
        return tuple(self.evaluations[index] for index in kept)

    def figures(self, name: str) -> Floats:
        """Return one figure of all evaluated members, (members,)."""
        return np.array([entry.figures[name] for entry in self.evaluations], float)
