"""How random members are drawn, and how much a member's loss weighs: what the samplers share."""

import random
from collections.abc import Iterable
from enum import StrEnum

from pydantic import Field

from supple.space import Config
from supple.training.sampler import Draw, Plan, SamplerConfig

NEAR = 0.02
"""How close to a cost a member is drawn, as a share of the range from the smallest member's cost to the largest's."""

SMALLEST_SHARE = 1e-3
"""What a member costs at least when it is weighed, as a share of the full network's cost: weights stay finite."""


class Over(StrEnum):
    """What random members are drawn uniformly over."""

    MEMBERS = "members"
    COST = "cost"


class WeighingConfig(SamplerConfig):
    """How much a member's loss weighs."""

    cost_exponent: float = Field(
        default=0.0,
        ge=-2,
        le=2,
        description="a member's loss weighs (its cost / the full network's) to this power; 0 weighs all members alike",
    )


class DrawingConfig(WeighingConfig):
    """How random members are drawn and weighed."""

    over: Over = Field(
        default=Over.MEMBERS,
        description="draw random members uniformly over all members, nearly all of which cost about the same, or over "
        "cost",
    )


class Drawing:
    """Draws members of a run's space and weighs them."""

    def __init__(self, plan: Plan, config: WeighingConfig) -> None:
        self.plan = plan
        self.lowest, self.highest = plan.cost(plan.space.min()), plan.cost(plan.space.max())
        self._exponent = config.cost_exponent
        self._over = config.over if isinstance(config, DrawingConfig) else Over.MEMBERS

    def weighed(self, config: Config, factor: float = 1.0) -> Draw:
        """Return the draw of a member, weighed by what it costs, and by a factor besides."""
        if self._exponent == 0 or self.highest <= 0:
            return Draw(config, factor)
        share = max(self.plan.cost(config) / self.highest, SMALLEST_SHARE)
        return Draw(config, factor * share**self._exponent)

    def member(self, rng: random.Random) -> Config:
        """Draw a member as the settings say."""
        over = self.plan.cost if self._over is Over.COST else None
        return self.plan.space.sample(rng, over)

    def near(self, rng: random.Random, cost: float) -> Config:
        """Draw a member that costs about so much."""
        return self.plan.space.sample_near(rng, self.plan.cost, cost, NEAR * (self.highest - self.lowest))

    def largest_first(self, draws: Iterable[Draw]) -> list[Draw]:
        """Return the draws with the full network, where it is among them, first: there it teaches the others."""
        return sorted(draws, key=lambda draw: draw.config != self.plan.space.max())
