"""The one protocol of all samplers: which members train at each step."""

import random
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence

from pydantic import JsonValue

from supple.space import Config, Space


class Sampler(ABC):
    """Chooses the members that train at each step.

    Life cycle, as `train` goes through it (a loop of your own does the same):

    1. The sampler is made once per run, from the family's space.
    2. After a resume, `load_state` is called once with what `state` returned when the checkpoint was written.
    3. `members` is called once per step, steps ascending from 0 (or from where the checkpoint was). `rng` is fresh at
       each step and seeded by the run's seed and the step alone. Draw from nothing else: then the same members train
       after a resume, and in each of several processes.
    4. `state` is called after any step, whenever a checkpoint is written.

    The members train in the order in which they are returned. One that equals `space.max()` learns from the labels and
    teaches those after it, so it stands first where it is there at all.
    """

    def __init__(self, space: Space) -> None:
        self.space = space

    @abstractmethod
    def members(self, step: int, rng: random.Random) -> Sequence[Config]:
        """Return the configs of the members that train at a step: at least one."""

    def state(self) -> dict[str, JsonValue]:
        """Return what the sampler must remember over a resume; nothing where members depend on step and rng alone."""
        return {}

    def load_state(self, state: Mapping[str, JsonValue]) -> None:  # noqa: B027 (most samplers remember nothing)
        """Take up the state of an interrupted run."""
