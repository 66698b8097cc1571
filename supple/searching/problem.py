"""What a searcher knows of the task before anything is evaluated: the space, what is wanted, and what costs no run."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from supple.cost.config_arrays import values_of
from supple.errors import SuppleError
from supple.searching.evaluation import Evaluation
from supple.searching.wishes import Constraint, Direction, Objective, total_excess
from supple.space import Config, Kind, Space

if TYPE_CHECKING:
    from supple.searching.networks import Networks

Floats = NDArray[np.float64]
Values = NDArray[np.int64]
"""The values of configs, (configs, dimensions), the dimensions in the order of the space."""

KnownFigure = Callable[[Values], Floats]
"""Computes a figure of many configs, (configs,), without running any: an analytic cost, above all."""


@dataclass(frozen=True)
class Problem:
    """A space, what is wanted of its members, and what can be said of them for nothing.

    `known` are figures that formulas give, by full name; the others must be evaluated. `networks` are the family and
    its data, where members are networks: for searchers that look at gradients or at a part of the data.
    """

    space: Space
    objectives: tuple[Objective, ...]
    constraints: tuple[Constraint, ...] = ()
    known: Mapping[str, KnownFigure] = field(default_factory=dict)
    networks: "Networks | None" = None

    @property
    def figures(self) -> tuple[str, ...]:
        """The full names of all figures that objectives and constraints speak of, each once."""
        wanted = [*(entry.figure for entry in self.objectives), *(entry.figure for entry in self.constraints)]
        return tuple(dict.fromkeys(wanted))

    @property
    def measured_objectives(self) -> tuple[Objective, ...]:
        """The objectives that an evaluation alone can tell."""
        return tuple(entry for entry in self.objectives if entry.figure not in self.known)

    @property
    def searches_precision(self) -> bool:
        """Whether members differ in the precision of their layers."""
        return any(entry.kind is Kind.BITS and len(entry.values) > 1 for entry in self.space.dimensions)

    @property
    def planes(self) -> tuple[tuple[int, ...], ...]:
        """The columns of losses between which a front is looked for: each objective to maximise with each to minimise.

        So every cost has a front of its own, as on several targets. Where all are to be maximised, or all to be
        minimised, they are one plane of as many dimensions.
        """
        good = [index for index, entry in enumerate(self.objectives) if entry.direction is Direction.MAXIMIZE]
        costs = [index for index in range(len(self.objectives)) if index not in good]
        pairs = tuple((quality, cost) for quality in good for cost in costs)
        return pairs or (tuple(range(len(self.objectives))),)

    def losses(self, evaluations: Sequence[Evaluation]) -> Floats:
        """Return the objectives of evaluated members, (members, objectives): less is better in every column."""
        rows = [[entry.loss(found.figures[entry.figure]) for entry in self.objectives] for found in evaluations]
        return np.array(rows, float).reshape(len(rows), len(self.objectives))

    def excess(self, evaluation: Evaluation) -> float:
        """Return by how much a member breaks the constraints, as shares of their limits; 0 where it keeps all."""
        return total_excess(self.constraints, evaluation.figures)

    def known_figures(self, values: Values) -> dict[str, Floats]:
        """Return all figures that formulas give, by name, each (configs,)."""
        return {name: np.asarray(figure(values), float) for name, figure in self.known.items()}

    def known_excess(self, values: Values) -> Floats:
        """Return by how much configs break those constraints whose figures are known, as `excess` does: (configs,)."""
        return self.excess_of_known(self.known_figures(values), len(values))

    def excess_of_known(self, known: Mapping[str, Floats], count: int) -> Floats:
        """Return the same from the known figures of so many configs."""
        total = np.zeros(count)
        for entry in self.constraints:
            if entry.figure in known:
                total += np.array([entry.excess(value) for value in known[entry.figure]])
        return total

    def values(self, configs: Iterable[Config]) -> Values:
        """Return the values of configs as an array, (configs, dimensions)."""
        return values_of(self.space, configs)

    def cost_proxy(self) -> Callable[[Config], float] | None:
        """Return a known figure that tells roughly what a member costs, for draws near a cost, if there is one.

        It is an objective to be minimised, if one is known, or the first of the known figures; of those, one that is
        not the same for the largest and the smallest member, as multiply-accumulates are where precision alone is
        searched.
        """
        names = [entry.figure for entry in self.objectives if entry.figure in self.known]
        found = [name for name in (*names, *PROXIES, *self.known) if name in self.known]
        if not found:
            return None
        ends = self.values([self.space.min(), self.space.max()])
        return self._of_one(next((name for name in found if np.ptp(self.known[name](ends)) > 0), found[0]))

    def networks_for(self, searcher: str) -> "Networks":
        """Return the networks. Raises `SuppleError` where there are none; `searcher` says who needs them, and what for.

        It is the beginning of a sentence: 'The searcher "halving" judges networks on a part of the data'.
        """
        if self.networks is None:
            raise SuppleError(
                f'{searcher}, and this space has none: search a family, or take another searcher, as "nsga2".'
            )
        return self.networks

    def precision_proxy(self) -> Callable[[Config], float] | None:
        """Return a known figure that tells in how few bits a member of some shape is; None where none is searched."""
        return self._of_one(WEIGHTS) if self.searches_precision and WEIGHTS in self.known else None

    def _of_one(self, name: str) -> Callable[[Config], float]:
        figure = self.known[name]
        return lambda config: float(figure(values_of(self.space, [config]))[0])


PROXIES = ("macs", "parameters")
WEIGHTS = "weights_bytes"


def as_known(space: Space, cost: Callable[[Config], float]) -> KnownFigure:
    """Return a cost of one config as one of many."""
    names = [entry.name for entry in space.dimensions]

    def known(values: NDArray[Any]) -> Floats:
        configs = (space.config(dict(zip(names, map(int, row), strict=True))) for row in values)
        return np.array([cost(config) for config in configs], float)

    return known
