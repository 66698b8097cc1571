"""Complexity-aware sampling: from step to step members change little in cost, and over many steps cover all costs."""

import math
import random
from collections.abc import Mapping, Sequence
from typing import Any, Literal, cast

from pydantic import Field, JsonValue

from supple.space import Config, Space
from supple.training.chains import chain_over_cost
from supple.training.compact import compact, expanded
from supple.training.drawing import Drawing, WeighingConfig
from supple.training.sampler import Draw, Plan, Sampler, StepReport
from supple.training.trend import Trend

TREND_KEEPS = 0.9


class ComplexityAwareConfig(WeighingConfig):
    """How far cost may change from step to step, and whether members that did well are trained again."""

    kind: Literal["complexity_aware"] = "complexity_aware"
    levels: int = Field(
        default=9, ge=2, description="costs, evenly spaced, that members are drawn near; a step moves by one at most"
    )
    random_members: int = Field(default=3, ge=1, description="members drawn at random near each step's cost")
    anchors: int = Field(
        default=3, ge=0, description="small members of which the largest below each step's cost trains too; 0 for none"
    )
    full_member: bool = Field(
        default=False, description="whether the full network trains at each step, first, as the others' teacher"
    )
    remembered: int = Field(
        default=0, ge=0, description="members that did well remembered for each cost; 0 draws all anew"
    )
    recall: float = Field(
        default=0.5, ge=0, le=1, description="how often a member is one of the remembered instead of a new one"
    )


class ComplexityAware(Sampler):
    """Members near a cost that walks at random, by one level up or down or not at all from one step to the next.

    Members of very different size pull shared weights in different directions; close ones agree more. For the same
    reason each step's smallest member is not the smallest of all but the next below among a few `anchors`. With
    `remembered`, some members are not drawn anew but among those near this cost whose loss was below the trend
    (performance-aware sampling), the better the likelier.
    Source: Tang et al., ElasticViT: Conflict-aware Supernet Training for Deploying Fast Vision Transformer on Diverse
    Mobile Devices, 2023. There levels are steps of 100 MFLOPs, all members learn from a network of one's own, and those
    remembered are measured again now and then; here levels divide the family's range evenly, and losses are compared
    with the level's trend as they are seen. The paper's preference for wide over deep members is left out.
    """

    def __init__(self, plan: Plan, config: ComplexityAwareConfig = ComplexityAwareConfig()) -> None:
        super().__init__(plan)
        self.config = config
        self._drawing = Drawing(plan, config)
        spread = self._drawing.highest - self._drawing.lowest
        self.costs = tuple(
            self._drawing.lowest + spread * level / (config.levels - 1) for level in range(config.levels)
        )
        # Without the full network, which is the top of the chain.
        self.anchors = chain_over_cost(plan, config.anchors + 1)[: config.anchors] if config.anchors else ()
        self._memories = [_Memory(config.remembered) for _ in range(config.levels)]
        self._step = -1
        self._level = random.Random(f"{plan.seed}/level").randrange(config.levels)
        self._drawn: frozenset[Config] = frozenset()

    def members(self, step: int, rng: random.Random) -> Sequence[Draw]:
        """Return members near the step's cost, and the anchor below."""
        self._walk(step, rng)
        drawn = [self._near(self._level, rng) for _ in range(self.config.random_members)]
        self._drawn = frozenset(drawn)
        full = [self.plan.space.max()] if self.config.full_member else []
        return self._drawing.largest_first(map(self._drawing.weighed, [*full, *drawn, *self._anchor()]))

    def observe(self, report: StepReport) -> None:
        """Remember the members that did well."""
        memory = self._memories[self._level]
        for config, loss in report.losses.items():
            if config in self._drawn:
                memory.add(config, loss)

    def state(self) -> dict[str, JsonValue]:
        """Return where the walk is, and the members remembered."""
        return {"step": self._step, "level": self._level, "memories": [memory.state() for memory in self._memories]}

    def load_state(self, state: Mapping[str, JsonValue]) -> None:
        """Take up the walk and the members remembered."""
        self._step, self._level = cast(int, state["step"]), cast(int, state["level"])
        for memory, remembered in zip(self._memories, cast(list[Any], state["memories"]), strict=True):
            memory.load_state(remembered, self.plan.space)

    def _walk(self, step: int, rng: random.Random) -> None:
        """Move to the step's level; asked for the same step again, stay there."""
        move = rng.choice((-1, 0, 1))
        if step != self._step:
            self._level = min(max(self._level + move, 0), self.config.levels - 1)
            self._step = step

    def _near(self, level: int, rng: random.Random) -> Config:
        memory = self._memories[level]
        if memory and rng.random() < self.config.recall:
            return memory.recall(rng)
        return self._drawing.near(rng, self.costs[level])

    def _anchor(self) -> list[Config]:
        """Return the largest anchor that costs no more than the step's level, or none where there are no anchors."""
        below = [config for config in self.anchors if self.plan.cost(config) <= self.costs[self._level]]
        return below[-1:]


class _Memory:
    """The members of one level whose losses were lowest, relative to the level's trend at the time."""

    def __init__(self, size: int) -> None:
        self._size = size
        self._trend = Trend(TREND_KEEPS)
        self._excess: dict[Config, float] = {}

    def __len__(self) -> int:
        return len(self._excess)

    def add(self, config: Config, loss: float) -> None:
        """Take note of a loss; a member whose loss was worse than all others' is forgotten."""
        if self._size == 0:
            return
        self._excess[config] = 0.0 if self._trend.mean is None else loss - self._trend.mean
        self._trend.add(loss)
        if len(self._excess) > self._size:
            del self._excess[max(self._excess, key=self._excess.__getitem__)]

    def recall(self, rng: random.Random) -> Config:
        """Draw a member, by the softmax of how far its loss was below the trend."""
        lowest = min(self._excess.values())
        weights = [math.exp(lowest - excess) for excess in self._excess.values()]
        return rng.choices(list(self._excess), weights)[0]

    def state(self) -> dict[str, JsonValue]:
        """Return what must be remembered."""
        members: list[JsonValue] = [[compact(config), excess] for config, excess in self._excess.items()]
        return {"trend": list(self._trend.state()), "members": members}

    def load_state(self, state: Mapping[str, Any], space: Space) -> None:
        """Take up what `state` returned."""
        self._trend.load_state(state["trend"])
        self._excess = {expanded(values, space): excess for values, excess in state["members"]}
