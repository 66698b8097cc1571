"""Attentive sampling: of several members that cost about the same, the one predicted best, or worst, trains."""

import random
from collections.abc import Mapping, Sequence
from enum import StrEnum
from statistics import fmean
from typing import Any, Literal, cast

from pydantic import Field, JsonValue

from supple.space import Config
from supple.training.drawing import Drawing, DrawingConfig, Over
from supple.training.sampler import Draw, Plan, Sampler, StepReport

REFIT_STEPS = 10


class Pick(StrEnum):
    """Which of the candidates trains."""

    BEST = "best"
    WORST = "worst"


class AttentiveConfig(DrawingConfig):
    """How many candidates there are, and which of them trains."""

    kind: Literal["attentive"] = "attentive"
    pick: Pick = Field(
        default=Pick.BEST,
        description="train the candidate of the lowest predicted loss (BestUp), or of the highest (WorstUp)",
    )
    candidates: int = Field(default=3, ge=2, description="members of about one cost to pick from")
    random_members: int = Field(
        default=2, ge=1, description="members picked for each step, besides the largest and the smallest"
    )
    remembered: int = Field(default=256, ge=1, description="newest losses that the prediction is fitted to")


class Attentive(Sampler):
    """The largest member, the smallest, and members picked from candidates of about one cost.

    Picking the best trains what a search will find (the Pareto front of accuracy and cost); picking the worst lifts
    what lags behind. The cost is that of a random member, drawn as `over` says. Losses are predicted by a ridge
    regression over configs, fitted to losses relative to those of the two ends on the same batch, so that neither the
    batch nor the progress of the training counts.
    Source: Wang et al., AttentiveNAS: Improving Neural Architecture Search via Attentive Sampling, 2021. There the best
    of three candidates is found by running all on the batch, or the worst of fifty by a predictor of accuracy trained
    beforehand; here nothing runs and nothing is trained beforehand.
    """

    def __init__(self, plan: Plan, config: AttentiveConfig = AttentiveConfig()) -> None:
        # numpy takes a while to load, which reading the settings should not wait for.
        from supple.training.loss_predictor import LossPredictor

        super().__init__(plan)
        self.config = config
        self._drawing = Drawing(plan, config)
        self._predictor = LossPredictor(plan, config.remembered)

    def members(self, step: int, rng: random.Random) -> Sequence[Draw]:
        """Return the two ends and the members picked."""
        picked = [self._pick(rng) for _ in range(self.config.random_members)]
        return list(map(self._drawing.weighed, [self.plan.space.max(), self.plan.space.min(), *picked]))

    def observe(self, report: StepReport) -> None:
        """Take note of the losses relative to those of the two ends, and fit the prediction now and then."""
        ends = (self.plan.space.max(), self.plan.space.min())
        reference = fmean(report.losses[end] for end in ends)
        for config, loss in report.losses.items():
            if config not in ends:
                self._predictor.add(config, loss / reference if reference > 0 else 1.0)
        if (report.step + 1) % REFIT_STEPS == 0:
            self._predictor.fit()

    def state(self) -> dict[str, JsonValue]:
        """Return the prediction and the losses that it is fitted to."""
        return self._predictor.state()

    def load_state(self, state: Mapping[str, JsonValue]) -> None:
        """Take up the prediction."""
        self._predictor.load_state(cast(Mapping[str, Any], state))

    def _pick(self, rng: random.Random) -> Config:
        drawing, plan = self._drawing, self.plan
        if self.config.over is Over.COST:
            first, cost = None, rng.uniform(drawing.lowest, drawing.highest)
        else:
            first = plan.space.sample(rng)
            cost = plan.cost(first)
        candidates = [] if first is None else [first]
        if not self._predictor.is_fitted:
            return first or drawing.near(rng, cost)
        candidates += [drawing.near(rng, cost) for _ in range(self.config.candidates - len(candidates))]
        scores = self._predictor.scores(candidates)
        choose = min if self.config.pick is Pick.BEST else max
        return candidates[choose(range(len(candidates)), key=scores.__getitem__)]
