"""A sorted chain of nested members, of which random ones train at each step."""

import random
from collections.abc import Sequence
from typing import Literal

from pydantic import Field

from supple.training.chains import chain_over_cost
from supple.training.drawing import Drawing, WeighingConfig
from supple.training.sampler import Draw, Plan, Sampler


class NestedConfig(WeighingConfig):
    """How long the chain is, and how many of it train at each step."""

    kind: Literal["nested"] = "nested"
    models: int = Field(default=8, ge=2, description="nested members of the chain, the smallest and the full included")
    members_per_step: int = Field(default=2, ge=1, description="members of the chain drawn at random for each step")


class Nested(Sampler):
    """Random members of a chain in which each holds all that the one before it holds, and of no others.

    So few members share the training that each gets much of it, and none need be searched for afterwards; members off
    the chain are never trained. Choices have no order: the chain holds the user's own options.
    Source: Valipour et al., SortedNet: A Scalable and Generalized Framework for Training Modular Deep Neural Networks,
    2023. There the gradients of members drawn for successive batches add up to one step; here those of different
    members for one batch do (and those of batches, where the trainer accumulates them). The chain here lies evenly over
    cost.
    """

    def __init__(self, plan: Plan, config: NestedConfig = NestedConfig()) -> None:
        super().__init__(plan)
        self.config = config
        self.chain = chain_over_cost(plan, config.models)
        self._drawing = Drawing(plan, config)

    def members(self, step: int, rng: random.Random) -> Sequence[Draw]:
        """Return different random members of the chain."""
        drawn = rng.sample(self.chain, min(self.config.members_per_step, len(self.chain)))
        return self._drawing.largest_first(map(self._drawing.weighed, drawn))
