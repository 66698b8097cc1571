"""Path importance: values of dimensions are drawn by the size of the gradients that they were seen to give."""

import random
from collections.abc import Mapping, Sequence
from typing import Literal, cast

from pydantic import Field, JsonValue

from supple.training.drawing import Drawing, WeighingConfig
from supple.training.sampler import Draw, Plan, Sampler, StepReport
from supple.training.trend import Trend

TREND_KEEPS = 0.95


class PathImportanceConfig(WeighingConfig):
    """How far importance may move the probability of values, and how slowly it is measured."""

    kind: Literal["path_importance"] = "path_importance"
    final_share: float = Field(
        default=1.0,
        ge=0,
        le=1,
        description="share of a value's probability that its gradients decide at the end; it grows evenly from 0",
    )
    smoothing: float = Field(
        default=0.9, ge=0, lt=1, description="weight of what was measured before against the newest gradient"
    )


class PathImportance(Sampler):
    """One member per step; each of its values with a probability that follows the value's running gradient norm.

    Sampling in proportion to gradient norms lowers the variance of the gradient over steps. The probability of a value
    is s * (its norm / the sum over the dimension's values) + (1 - s) / (number of values), and s grows evenly from 0 to
    `final_share` over the run.
    Source: Lu et al., PA&DA: Jointly Sampling PAth and DAta for Consistent NAS, 2023, of which this is the path half.
    There an operation's norm is that of its own weights, averaged by halves and taken up once an epoch; here the norm
    of the member's whole gradient, relative to its trend, counts for each value of the member, smoothed more, and at
    once. As there, losses are not weighed against the probabilities.
    """

    def __init__(self, plan: Plan, config: PathImportanceConfig = PathImportanceConfig()) -> None:
        super().__init__(plan)
        self.config = config
        self._drawing = Drawing(plan, config)
        self._trend = Trend(TREND_KEEPS)
        self._norms = {entry.name: [1.0] * len(entry.values) for entry in plan.space.dimensions}

    def members(self, step: int, rng: random.Random) -> Sequence[Draw]:
        """Return one member."""
        values = {
            entry.name: rng.choices(entry.values, self.probabilities(entry.name, step))[0]
            for entry in self.plan.space.dimensions
        }
        return [self._drawing.weighed(self.plan.space.config(values))]

    def probabilities(self, dimension: str, step: int) -> list[float]:
        """Return the probability of each value of a dimension at a step."""
        norms = self._norms[dimension]
        share, total = self.config.final_share * step / self.plan.steps, sum(norms)
        return [share * norm / total + (1 - share) / len(norms) for norm in norms]

    def observe(self, report: StepReport) -> None:
        """Take the step's gradient norm, relative to its trend, as that of each value of its member."""
        (config,) = report.losses
        norm = report.gradient_norm / self._drawing.weighed(config).weight
        self._trend.add(norm)
        # The mean is 0 where no gradient has been anything else.
        relative = norm / (self._trend.mean or 1.0)
        for entry in self.plan.space.dimensions:
            if self.plan.space.is_active(entry.name, config):
                norms, index = self._norms[entry.name], entry.values.index(config[entry.name])
                norms[index] = self.config.smoothing * norms[index] + (1 - self.config.smoothing) * relative

    def state(self) -> dict[str, JsonValue]:
        """Return the running norms."""
        return {"trend": list(self._trend.state()), "norms": {name: list(norms) for name, norms in self._norms.items()}}

    def load_state(self, state: Mapping[str, JsonValue]) -> None:
        """Take up the running norms."""
        self._trend.load_state(cast(list[float], state["trend"]))
        saved = cast(Mapping[str, list[float]], state["norms"])
        self._norms = {name: list(norms) for name, norms in saved.items()}
