"""What happens to the batches of a step before members see them: mixing, smaller images, weaker dropout."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from typing import Any

from supple.family import Family
from supple.training.config import TrainConfig
from supple.training.dropout import weaker_dropout
from supple.training.mixing import generator_of_step, mixed
from supple.training.progressive_learning import Stage, stage_of
from supple.training.resizing import check_sizes, scaled


class Preparation:
    """Prepares the batches of each step; what it does is a function of the config and the step alone.

    It sees whole batches, before several processes share them, so that all see the same.
    """

    def __init__(self, family: Family, config: TrainConfig, steps: int) -> None:
        self._family = family
        self._config = config
        self._steps = steps
        self._sizes_are_checked = config.progressive_learning is None

    @contextmanager
    def of_step(self, step: int, batches: Sequence[Any]) -> Iterator[list[Any]]:
        """Yield the prepared batches; dropout is as strong as the step wants it while the context lasts.

        Raises `SuppleError` where the batches cannot be mixed or resized, or the model does not take a size.
        """
        config, stage = self._config, self._stage(step)
        progressive = config.progressive_learning
        if progressive is not None and not self._sizes_are_checked:
            check_sizes(self._family.model, batches[0], progressive)
            self._sizes_are_checked = True
        if config.augmentation.mixes:
            generator = generator_of_step(config.seed, step)
            batches = [mixed(batch, config.augmentation, generator, stage.strength) for batch in batches]
        if progressive is not None:
            batches = [scaled(batch, stage.scale, progressive.divisor) for batch in batches]
        weaker = nullcontext() if stage.strength == 1 else weaker_dropout(self._family.model, stage.strength)
        with weaker:
            yield list(batches)

    def _stage(self, step: int) -> Stage:
        progressive = self._config.progressive_learning
        return Stage(0, 1.0, 1.0) if progressive is None else stage_of(progressive, step, self._steps)
