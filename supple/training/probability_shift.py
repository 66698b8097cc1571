"""Probability shift: members of those costs are drawn most whose loss still falls most."""

import random
from collections.abc import Mapping, Sequence
from typing import Any, Literal, cast

from pydantic import Field, JsonValue

from supple.space import Config
from supple.training.drawing import Drawing, WeighingConfig
from supple.training.sampler import Draw, Plan, Sampler, StepReport
from supple.training.trend import Trend

NEW_KEEPS, OLD_KEEPS = 0.8, 0.95
"""How slowly the two running means of a region's losses forget: their difference is how far the loss has fallen."""


class ProbabilityShiftConfig(WeighingConfig):
    """How many regions of cost there are, and how far and how fast probability moves between them."""

    kind: Literal["probability_shift"] = "probability_shift"
    regions: int = Field(default=8, ge=2, description="equal parts of the range from the smallest to the largest cost")
    random_members: int = Field(default=2, ge=1, description="members drawn at random for each step")
    ends: bool = Field(
        default=True, description="whether the largest and the smallest member train at each step, as in a sandwich"
    )
    warmup_share: float = Field(
        default=0.1, ge=0, lt=1, description="share of the run in which all regions are equally likely"
    )
    interval: int = Field(default=100, ge=1, description="steps between two shifts")
    pace: float = Field(default=0.5, gt=0, le=1, description="how much of the way to the measured need a shift goes")
    uniform_share: float = Field(
        default=0.3, gt=0, le=1, description="share of the probability that all regions divide evenly at all times"
    )


class ProbabilityShift(Sampler):
    """Random members of a random region of cost, whose probability follows how much the region still learns.

    Members of middling cost are by far the most, and would get most of the training; some costs need more than others.
    A region needs training while its loss falls: its need is the relative fall of the running mean of its losses.
    Source: Zhang et al., ShiftNAS: Improving One-shot NAS via Probability Shift, 2023. There the need is the gradient
    on validation data, approximated by finite differences, the probabilities are learned through a Gumbel softmax, and
    a recurrent network that is trained alongside writes members of a given cost. Here the training losses say as much
    at no cost, and members near a cost are drawn at random.
    """

    def __init__(self, plan: Plan, config: ProbabilityShiftConfig = ProbabilityShiftConfig()) -> None:
        super().__init__(plan)
        self.config = config
        self._drawing = Drawing(plan, config)
        self.probabilities = [1 / config.regions] * config.regions
        self._new = [Trend(NEW_KEEPS) for _ in range(config.regions)]
        self._old = [Trend(OLD_KEEPS) for _ in range(config.regions)]

    def members(self, step: int, rng: random.Random) -> Sequence[Draw]:
        """Return members of random regions, after the two ends where they train."""
        space = self.plan.space
        ends = [space.max(), space.min()] if self.config.ends else []
        drawn = [self._draw(rng) for _ in range(self.config.random_members)]
        return self._drawing.largest_first(map(self._drawing.weighed, [*ends, *drawn]))

    def observe(self, report: StepReport) -> None:
        """Follow the losses of each region, and shift the probability now and then."""
        ends = (self.plan.space.max(), self.plan.space.min()) if self.config.ends else ()
        for config, loss in report.losses.items():
            if config not in ends:
                region = self._region(config)
                self._new[region].add(loss)
                self._old[region].add(loss)
        steps = report.step + 1
        if steps % self.config.interval == 0 and steps >= self.config.warmup_share * self.plan.steps:
            self._shift()

    def state(self) -> dict[str, JsonValue]:
        """Return the probabilities and the running losses."""
        return {
            "probabilities": list(self.probabilities),
            "new": [list(trend.state()) for trend in self._new],
            "old": [list(trend.state()) for trend in self._old],
        }

    def load_state(self, state: Mapping[str, JsonValue]) -> None:
        """Take up the probabilities and the running losses."""
        self.probabilities = cast(list[float], state["probabilities"])
        for trends, saved in ((self._new, state["new"]), (self._old, state["old"])):
            for trend, entry in zip(trends, cast(list[Any], saved), strict=True):
                trend.load_state(entry)

    def _draw(self, rng: random.Random) -> Config:
        region = rng.choices(range(self.config.regions), self.probabilities)[0]
        size = (self._drawing.highest - self._drawing.lowest) / self.config.regions
        return self._drawing.near(rng, self._drawing.lowest + size * (region + rng.random()))

    def _region(self, config: Config) -> int:
        spread = self._drawing.highest - self._drawing.lowest
        share = (self.plan.cost(config) - self._drawing.lowest) / spread if spread > 0 else 0.0
        return min(int(share * self.config.regions), self.config.regions - 1)

    def _shift(self) -> None:
        """Move each probability towards the region's share of the need, above what all divide evenly."""
        needs = [_fall(old.mean, new.mean) for old, new in zip(self._old, self._new, strict=True)]
        total = sum(needs)
        even, pace, uniform = 1 / self.config.regions, self.config.pace, self.config.uniform_share
        shares = [need / total if total > 0 else even for need in needs]
        wanted = [uniform * even + (1 - uniform) * share for share in shares]
        self.probabilities = [
            (1 - pace) * probability + pace * want for probability, want in zip(self.probabilities, wanted, strict=True)
        ]


def _fall(old: float | None, new: float | None) -> float:
    """Return how far a loss has fallen relative to what it was; nothing where it has risen or was never seen."""
    return max(old - new, 0.0) / abs(old) if old and new is not None else 0.0
