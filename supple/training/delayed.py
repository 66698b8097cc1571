"""Delayed shrinking: the full network alone at first, then smaller members whose weight grows from next to nothing."""

import random
from collections.abc import Sequence
from typing import Literal, Self

from pydantic import Field, model_validator

from supple.training.drawing import Drawing, DrawingConfig
from supple.training.sampler import Draw, Plan, Sampler


class DelayedConfig(DrawingConfig):
    """When smaller members begin to train, how fast they come in, and which ones they are."""

    kind: Literal["delayed"] = "delayed"
    start: float = Field(default=0.5, ge=0, lt=1, description="share of the run in which the full network trains alone")
    warmup_share: float = Field(
        default=0.05, ge=0, le=1, description="share of the run in which the smaller members' weight grows to 1"
    )
    epsilon: float = Field(default=0.01, gt=0, le=1, description="weight of the smaller members when they begin")
    smallest: bool = Field(default=True, description="whether the smallest member trains at each step from then on")
    random_members: int = Field(default=2, ge=0, description="members drawn at random for each step from then on")

    @model_validator(mode="after")
    def _has_smaller_members(self) -> Self:
        if not self.smallest and self.random_members == 0:
            raise ValueError("smallest is false and random_members is 0: no smaller member would ever train")
        return self


class Delayed(Sampler):
    """The full network alone until `start`, then the full network and smaller members.

    A partly trained network teaches better than a fresh one, and moves less when smaller members pull at its weights;
    starting half way through also saves what they would have cost. Their weight grows linearly from `epsilon` to 1, so
    that the full network does not lose what it has learned.
    Source: Annavajjala et al., DepS: Delayed epsilon-Shrinking for Faster Once-For-All Training, 2024. There the
    learning rate of the smaller members grows from 0 over the last epochs before the half, by multiplying their
    gradients, as the weight of their loss does here, from the half on. One weight holds here for the smallest member
    and the random ones alike.
    """

    def __init__(self, plan: Plan, config: DelayedConfig = DelayedConfig()) -> None:
        super().__init__(plan)
        self.config = config
        self._drawing = Drawing(plan, config)

    def members(self, step: int, rng: random.Random) -> Sequence[Draw]:
        """Return the full network, followed by smaller members once they train."""
        space, drawing = self.plan.space, self._drawing
        draws = [drawing.weighed(space.max())]
        since = step - int(self.config.start * self.plan.steps)
        if since >= 0:
            smaller = [space.min()] if self.config.smallest else []
            smaller += [drawing.member(rng) for _ in range(self.config.random_members)]
            draws += [drawing.weighed(config, self._warmth(since)) for config in smaller]
        return draws

    def _warmth(self, since: int) -> float:
        """Return the weight of smaller members some steps after they have begun."""
        warmup_steps = self.config.warmup_share * self.plan.steps
        share = 1.0 if since >= warmup_steps else since / warmup_steps
        return self.config.epsilon + (1 - self.config.epsilon) * share
