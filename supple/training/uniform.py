"""Random members and nothing else, the plainest scheme."""

import random
from collections.abc import Sequence
from typing import Literal

from pydantic import Field

from supple.training.drawing import Drawing, DrawingConfig
from supple.training.sampler import Draw, Plan, Sampler


class UniformConfig(DrawingConfig):
    """How many random members train at each step."""

    kind: Literal["uniform"] = "uniform"
    random_members: int = Field(default=1, ge=1, description="members drawn at random for each step")


class Uniform(Sampler):
    """Random members, each step anew.

    With one member per step this is the baseline that other schemes compare themselves with. The full network trains
    no more often than any other member, so it is rarely there to teach.
    Source: Guo et al., Single Path One-Shot Neural Architecture Search with Uniform Sampling, 2020. There every option
    of every layer is equally likely; here every member is, or every cost.
    """

    def __init__(self, plan: Plan, config: UniformConfig = UniformConfig()) -> None:
        super().__init__(plan)
        self.config = config
        self._drawing = Drawing(plan, config)

    def members(self, step: int, rng: random.Random) -> Sequence[Draw]:
        """Return random members."""
        drawn = [self._drawing.member(rng) for _ in range(self.config.random_members)]
        return self._drawing.largest_first(map(self._drawing.weighed, drawn))
