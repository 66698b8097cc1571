"""Draw configs uniformly over what members cost, not over the members: nearly all of those cost about the same."""

import math
import random
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from supple.space.config import Config
from supple.space.dimension import Dimension, Kind

if TYPE_CHECKING:
    from supple.space.space import Space

Cost = Callable[[Config], float]

PATHS = 8
BISECTIONS = 16
CLOSE_ENOUGH = 0.01


def sample_over_cost(space: "Space", rng: random.Random, cost: Cost) -> Config:
    """Draw a cost, uniformly between those of the smallest and the largest member, and a config close to it.

    The config lies on a random path between the two, along which each dimension grows at a pace of its own: so members
    of one cost have many shapes. Choices take a random option each. The cost must not fall where a dimension grows.
    """
    low, high = cost(space.min()), cost(space.max())
    target = rng.uniform(low, high)
    nearest: tuple[float, Config] | None = None
    for _ in range(PATHS):
        # A path along which some option costs too much or too little may miss the target; another may not.
        config = _nearest_on(_Path(space, rng), cost, target)
        distance = abs(cost(config) - target)
        if nearest is None or distance < nearest[0]:
            nearest = (distance, config)
        if nearest[0] <= CLOSE_ENOUGH * abs(high - low):
            break
    assert nearest is not None
    return nearest[1]


def _nearest_on(path: "_Path", cost: Cost, target: float) -> Config:
    below, above = 0.0, 1.0
    tried: dict[Config, float] = {}
    for level in (below, above):
        tried[path.config(level)] = abs(cost(path.config(level)) - target)
    for _ in range(BISECTIONS):
        level = (below + above) / 2
        config = path.config(level)
        reached = cost(config)
        tried[config] = abs(reached - target)
        below, above = (level, above) if reached < target else (below, level)
    return min(tried, key=tried.__getitem__)


class _Path:
    """A way from the smallest config (level 0) to the largest (level 1)."""

    def __init__(self, space: "Space", rng: random.Random) -> None:
        self._space = space
        self._options = {
            entry.name: rng.choice(entry.values) for entry in space.dimensions if entry.kind is Kind.OPERATOR
        }
        self._growing = [entry for entry in space.dimensions if entry.kind is not Kind.OPERATOR]
        # Log-normal: half of the dimensions grow early, half late.
        self._paces: Mapping[str, float] = {entry.name: math.exp(rng.gauss(0, 1)) for entry in self._growing}

    def config(self, level: float) -> Config:
        """Return the config at a level from 0 to 1."""
        values = {entry.name: _value(entry, level ** self._paces[entry.name]) for entry in self._growing}
        return self._space.config({**self._options, **values})


def _value(dimension: Dimension, share: float) -> int:
    return dimension.values[min(int(share * len(dimension.values)), len(dimension.values) - 1)]
