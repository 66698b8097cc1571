"""The sandwich rule: the largest member, the smallest and a few random ones at every step."""

import random
from collections.abc import Sequence
from typing import Literal

from pydantic import Field

from supple.training.drawing import Drawing, DrawingConfig
from supple.training.sampler import Draw, Plan, Sampler


class SandwichConfig(DrawingConfig):
    """How many members lie between the two ends."""

    kind: Literal["sandwich"] = "sandwich"
    random_members: int = Field(
        default=1, ge=0, description="members drawn at random for each step, besides the largest and the smallest"
    )


class Sandwich(Sampler):
    """The largest member first, then the smallest, then random ones.

    Training the two ends lifts the accuracy of all that lie between them.
    Source: Yu & Huang, Universally Slimmable Networks and Improved Training Techniques, 2019.
    """

    def __init__(self, plan: Plan, config: SandwichConfig = SandwichConfig()) -> None:
        super().__init__(plan)
        self.config = config
        self._drawing = Drawing(plan, config)

    def members(self, step: int, rng: random.Random) -> Sequence[Draw]:
        """Return the largest, the smallest and some random members."""
        space, drawing = self.plan.space, self._drawing
        between = (drawing.member(rng) for _ in range(self.config.random_members))
        return list(map(drawing.weighed, (space.max(), space.min(), *between)))
