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
    low, high = ends = cost(space.min()), cost(space.max())
    return _sample(space, rng, cost, rng.uniform(low, high), CLOSE_ENOUGH * abs(high - low), ends)


def sample_near_cost(space: "Space", rng: random.Random, cost: Cost, target: float, tolerance: float) -> Config:
    """Draw a config whose cost is at most `tolerance` from `target`, or as close to it as eight tries come.

    The config lies on a random path from the smallest member to the largest, along which each dimension grows at a pace
    of its own: so members of one cost have many shapes. Choices take a random option each. The cost must not fall where
    a dimension grows.
    """
    return _sample(space, rng, cost, target, tolerance, (cost(space.min()), cost(space.max())))


def _sample(
    space: "Space", rng: random.Random, cost: Cost, target: float, tolerance: float, ends: tuple[float, float]
) -> Config:
    found: list[tuple[float, Config]] = []
    for _ in range(PATHS):
        # A path along which some option costs too much or too little may miss the target; another may not.
        found.append(_nearest_on(_Path(space, rng), cost, target, tolerance, ends))
        if found[-1][0] <= tolerance:
            break
    return min(found, key=itemgetter(0))[1]


def _nearest_on(
    path: "_Path", cost: Cost, target: float, tolerance: float, ends: tuple[float, float]
) -> tuple[float, Config]:
    """Return the distance from the target that is reached on a path, and the config: regula falsi, Illinois variant.

    `ends` are about what the path's own ends cost. The search may start from what is beyond them.
    """
    below, above = -1, path.steps + 1
    short, over = ends[0] - target, ends[1] - target
    tried: list[tuple[float, Config]] = []
    fell_short: bool | None = None
    while above - below > 1 and not (tried and tried[-1][0] <= tolerance):
        share = -short / (over - short) if short < over else 0.5
        middle = below + min(max(round(share * (above - below)), 1), above - below - 1)
        config = path.config(middle)
        excess = cost(config) - target
        tried.append((abs(excess), config))
        if excess < 0:
            # The side that stays is halved, else one side may come closer by a single step each time.
            below, short, over = middle, excess, over / 2 if fell_short else over
        else:
            above, over, short = middle, excess, short / 2 if fell_short is False else short
        fell_short = excess < 0
    return min(tried, key=itemgetter(0))


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
