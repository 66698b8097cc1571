"""The one protocol of all samplers: which members train at each step, and how much each counts."""

import random
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pydantic import BaseModel, ConfigDict, JsonValue

from supple.space import Config, Space

if TYPE_CHECKING:
    from supple.family import Family

Cost = Callable[[Config], float]
"""What a member costs, such as its multiply-accumulates; it does not fall where a dimension grows."""


@dataclass(frozen=True)
class Draw:
    """A member that trains at a step; its loss, and so its gradient, is multiplied by `weight`."""

    config: Config
    weight: float = 1.0


@dataclass(frozen=True)
class Plan:
    """What a sampler knows of the run: the space, the number of steps in all, what members cost, and the seed."""

    space: Space
    steps: int
    cost: Cost
    seed: int = 0

    @classmethod
    def of(cls, family: "Family", steps: int, seed: int = 0) -> "Plan":
        """Return the plan of a run that trains a family in `steps` steps.

        Members cost the multiply-accumulates of their layers, or their parameters where the shapes of the example
        inputs are not known.
        """
        from supple.family import LayerMacs

        cost = family.count_parameters if family.structure.inputs is None else LayerMacs(family)
        return cls(family.space, steps, cost, seed)


@dataclass(frozen=True)
class StepReport:
    """What a step came to; the same in all processes.

    `losses` are those from the data, not from a teacher; `gradient_norm` is that of the whole step, before clipping.
    """

    step: int
    losses: Mapping[Config, float]
    gradient_norm: float


class SamplerConfig(BaseModel):
    """The settings of one sampler; each has a `kind` that tells it apart in a file."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Sampler(ABC):
    """Chooses the members that train at each step.

    Life cycle, as `train` goes through it (a loop of your own does the same):

    1. The sampler is made once per run, from a `Plan` and its own settings.
    2. After a resume, `load_state` is called once with what `state` returned when the checkpoint was written.
    3. `step` is called once per step, steps ascending from 0 (or from where the checkpoint was). It calls `members`
       with random numbers that are fresh at each step and seeded by the run's seed and the step alone. Draw from
       nothing else: then the same members train after a resume, and in each of several processes.
    4. `observe` is called once after each step whose update was made.
    5. `state` is called between two steps, whenever a checkpoint is written.

    The members train in the order in which they are drawn. One that equals `space.max()` learns from the data and
    teaches those after it, so it stands first where it is there at all.
    """

    def __init__(self, plan: Plan) -> None:
        self.plan = plan

    def step(self, step: int) -> tuple[Draw, ...]:
        """Return the members that train at a step, counted from 0; one that was drawn twice counts twice."""
        weights: dict[Config, float] = {}
        for draw in self.members(step, random.Random(f"{self.plan.seed}/{step}")):
            weights[draw.config] = weights.get(draw.config, 0.0) + draw.weight
        return tuple(Draw(config, weight) for config, weight in weights.items())

    @abstractmethod
    def members(self, step: int, rng: random.Random) -> Sequence[Draw]:
        """Return the members that train at a step: at least one."""

    def observe(self, report: StepReport) -> None:  # noqa: B027 (most samplers do not look back)
        """Take note of what a step came to."""

    def state(self) -> dict[str, JsonValue]:
        """Return what the sampler must remember over a resume; nothing where members depend on step and rng alone."""
        return {}

    def load_state(self, state: Mapping[str, JsonValue]) -> None:  # noqa: B027 (most samplers remember nothing)
        """Take up the state of an interrupted run."""
