"""Draw configs uniformly over what members cost, not over the members: nearly all of those cost about the same."""

import math
import random
from collections.abc import Callable
from operator import itemgetter
from typing import TYPE_CHECKING

from supple.space.config import Config
from supple.space.dimension import Dimension, Kind

if TYPE_CHECKING:
    from supple.space.space import Space

Cost = Callable[[Config], float]

PATHS = 8
CLOSE_ENOUGH = 0.01


def sample_over_cost(space: "Space", rng: random.Random, cost: Cost) -> Config:
    """Draw a cost, uniformly between those of the smallest and the largest member, and a config close to it."""
    low, high = cost(space.min()), cost(space.max())
    return sample_near_cost(space, rng, cost, rng.uniform(low, high), CLOSE_ENOUGH * abs(high - low))


def sample_near_cost(space: "Space", rng: random.Random, cost: Cost, target: float, tolerance: float) -> Config:
    """Draw a config whose cost is at most `tolerance` from `target`, or as close to it as eight tries come.

    The config lies on a random path from the smallest member to the largest, along which each dimension grows at a pace
    of its own: so members of one cost have many shapes. Choices take a random option each. The cost must not fall where
    a dimension grows.
    """
    found: list[tuple[float, Config]] = []
    for _ in range(PATHS):
        # A path along which some option costs too much or too little may miss the target; another may not.
        found.append(_Search(_Path(space, rng), cost, target, tolerance).nearest())
        if found[-1][0] <= tolerance:
            break
    return min(found, key=itemgetter(0))[1]


class _Search:
    """The way along one path to the config whose cost is nearest to the target."""

    def __init__(self, path: "_Path", cost: Cost, target: float, tolerance: float) -> None:
        self._path = path
        self._cost = cost
        self._target = target
        self._tolerance = tolerance
        self._tried: list[tuple[float, Config]] = []

    def nearest(self) -> tuple[float, Config]:
        """Return the distance from the target that was reached, and the config."""
        below, above = 0, self._path.steps
        short, over = self._excess(below), self._excess(above)
        halve = False
        while above - below > 1 and short < 0 < over and self._best[0] > self._tolerance:
            # A straight line between the two costs lands near the target, except where the cost is bent: then halving
            # every other time keeps the number of tries small.
            share = 0.5 if halve else -short / (over - short)
            halve = not halve
            middle = below + min(max(round(share * (above - below)), 1), above - below - 1)
            excess = self._excess(middle)
            if excess < 0:
                below, short = middle, excess
            else:
                above, over = middle, excess
        return self._best

    @property
    def _best(self) -> tuple[float, Config]:
        return min(self._tried, key=itemgetter(0))

    def _excess(self, step: int) -> float:
        """Return by how much the config at a step of the path costs more than the target."""
        config = self._path.config(step)
        excess = self._cost(config) - self._target
        self._tried.append((abs(excess), config))
        return excess


class _Path:
    """A way from the smallest config (step 0) to the largest, one value of one dimension at each step."""

    def __init__(self, space: "Space", rng: random.Random) -> None:
        self._space = space
        self._start: dict[str, int] = {}
        levels: list[tuple[float, str, int]] = []
        for entry in space.dimensions:
            if entry.kind is Kind.OPERATOR:
                self._start[entry.name] = rng.choice(entry.values)
            else:
                self._start[entry.name] = entry.smallest
                levels.extend(_levels(entry, math.exp(rng.gauss(0, 1))))
        self._growth = [(name, value) for _, name, value in sorted(levels)]
        self.steps = len(self._growth)

    def config(self, step: int) -> Config:
        """Return the config after so many steps."""
        return self._space.config(self._start | dict(self._growth[:step]))


def _levels(dimension: Dimension, pace: float) -> list[tuple[float, str, int]]:
    """Return the levels between 0 and 1 at which a dimension grows to each value but its smallest.

    Paces are log-normal: half of the dimensions grow early, half late.
    """
    count = len(dimension.values)
    return [
        ((index / count) ** (1 / pace), dimension.name, value)
        for index, value in enumerate(dimension.values)
        if index > 0
    ]
