"""Progressive shrinking: the whole network first, then smaller values of one kind of dimension after another."""

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from supple.space import Config, Dimension, Kind, Space
from supple.training.drawing import Drawing, DrawingConfig
from supple.training.sampler import Draw, Plan, Sampler


class PhaseConfig(BaseModel):
    """A part of the run that opens the smaller values of some kinds of dimensions."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    kinds: tuple[Kind, ...] = Field(min_length=1, description="the kinds of dimensions that open")
    share: float = Field(gt=0, description="how long the phase is, relative to the others")
    random_members: int = Field(default=1, ge=1, description="members drawn at random for each step")
    opening_share: float = Field(
        default=0.0,
        ge=0,
        le=1,
        description="share of the phase over which values open one by one, the largest first; 0 opens all at once",
    )


class ProgressiveConfig(DrawingConfig):
    """The phases of the run. Their defaults are once-for-all's: relative lengths, members, values one by one."""

    kind: Literal["progressive"] = "progressive"
    whole_share: float = Field(
        default=0.3, ge=0, description="how long the whole network trains alone, relative to the phases"
    )
    phases: tuple[PhaseConfig, ...] = Field(
        default=(
            PhaseConfig(kinds=(Kind.KERNEL, Kind.RESOLUTION, Kind.OPERATOR), share=0.2),
            PhaseConfig(kinds=(Kind.DEPTH,), share=0.25, random_members=2, opening_share=0.17),
            PhaseConfig(
                kinds=(Kind.HIDDEN, Kind.WIDTH, Kind.HEADS, Kind.EMBED, Kind.RANK, Kind.BITS, Kind.EXPERT),
                share=0.25,
                random_members=4,
                opening_share=0.17,
            ),
        ),
        min_length=1,
        description="the phases after that, in order; kinds that none names open with the last",
    )
    full_member: bool = Field(
        default=True, description="whether the full network trains at each step, first, as the others' teacher"
    )


@dataclass(frozen=True)
class _Phase:
    """A phase that has something to open, from `start` to `end` as shares of the run."""

    config: PhaseConfig
    kinds: frozenset[Kind]
    start: float
    end: float


class Progressive(Sampler):
    """The whole network alone, then members whose kernels shrink, then their depths, then their widths.

    What has opened stays open. A phase that finds no dimension of its kinds in the space leaves its time to the others.
    Source: Cai et al., Once-for-All: Train One Network and Specialize it for Efficient Deployment, 2020. There the
    phases are separate runs, each with a learning rate of its own, under a teacher that is the whole network as it was
    after the first; the resolution is elastic from the first on, and channels are sorted anew before widths shrink.
    Here it is one run under one schedule, and the teacher is the full network as it goes on to train.
    """

    def __init__(self, plan: Plan, config: ProgressiveConfig = ProgressiveConfig()) -> None:
        super().__init__(plan)
        self.config = config
        self._phases = tuple(_phases(plan.space, config))
        self._drawing = Drawing(plan, config)
        # A phase draws from few spaces, one after another.
        self._drawing_from = lru_cache(2)(self._build_drawing)

    def members(self, step: int, rng: random.Random) -> Sequence[Draw]:
        """Return the whole network alone, or members of what has opened."""
        whole = self._drawing.weighed(self.plan.space.max())
        phase = next((phase for phase in reversed(self._phases) if step / self.plan.steps >= phase.start), None)
        if phase is None:
            return [whole]
        drawing = self._drawing_from(self.open_values(step))
        drawn = [self._whole_config(drawing.member(rng)) for _ in range(phase.config.random_members)]
        first = [whole] if self.config.full_member else []
        return self._drawing.largest_first([*first, *map(self._drawing.weighed, drawn)])

    def open_values(self, step: int) -> tuple[tuple[int, ...], ...]:
        """Return the values that the space's dimensions may have at a step, in the order of the space."""
        return tuple(self._open_values(entry, step / self.plan.steps) for entry in self.plan.space.dimensions)

    def _open_values(self, dimension: Dimension, position: float) -> tuple[int, ...]:
        phase = next((phase for phase in self._phases if dimension.kind in phase.kinds), None)
        smaller = len(dimension.values) - 1
        if phase is None or position < phase.start or smaller == 0:
            return dimension.values[-1:]
        # Of n smaller values the first opens at once, and the others evenly over the time that it takes.
        time = phase.config.opening_share * (phase.end - phase.start)
        later = smaller - 1 if position >= phase.start + time else int((position - phase.start) / time * (smaller - 1))
        return dimension.values[-(2 + later) :]

    def _build_drawing(self, values: tuple[tuple[int, ...], ...]) -> Drawing:
        dimensions = zip(self.plan.space.dimensions, values, strict=True)
        space = Space(replace(entry, values=open_values) for entry, open_values in dimensions)
        return Drawing(replace(self.plan, space=space, cost=self._cost_of_part), self.config)

    def _cost_of_part(self, config: Config) -> float:
        return self.plan.cost(self._whole_config(config))

    def _whole_config(self, config: Config) -> Config:
        """Return the config of the whole space that one of a part of it stands for."""
        return self.plan.space.config(config)


def _phases(space: Space, config: ProgressiveConfig) -> Iterator[_Phase]:
    """Yield the phases with something to open, each with the kinds that no earlier one opens."""
    waiting = frozenset(entry.kind for entry in space.dimensions if len(entry.values) > 1)
    kept: list[tuple[PhaseConfig, frozenset[Kind]]] = []
    for number, phase in enumerate(config.phases, 1):
        kinds = waiting if number == len(config.phases) else waiting & frozenset(phase.kinds)
        if kinds:
            kept.append((phase, kinds))
        waiting -= kinds
    total = config.whole_share + sum(phase.share for phase, _ in kept)
    start = config.whole_share
    for phase, kinds in kept:
        yield _Phase(phase, kinds, start / total, (start + phase.share) / total)
        start += phase.share
