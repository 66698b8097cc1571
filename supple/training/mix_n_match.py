"""Mix'n'Match: a few granularities that all layers share; members that mix them need no training."""

import random
from collections.abc import Sequence
from typing import Literal

from pydantic import Field

from supple.space import Kind
from supple.training.chains import at_level
from supple.training.drawing import Drawing, WeighingConfig
from supple.training.sampler import Draw, Plan, Sampler


class MixNMatchConfig(WeighingConfig):
    """How many granularities there are, what they shrink, and whether one or all train at each step."""

    kind: Literal["mix_n_match"] = "mix_n_match"
    granularities: int = Field(default=4, ge=2, description="sizes from the smallest to the full that layers share")
    kinds: tuple[Kind, ...] = Field(
        default=tuple(kind for kind in Kind if kind is not Kind.OPERATOR),
        min_length=1,
        description="kinds of dimensions that the granularities shrink; the paper's own is hidden",
    )
    all_at_once: bool = Field(
        default=False, description="whether all granularities train at each step, or a random one"
    )


class MixNMatch(Sampler):
    """Members whose layers all have the same granularity: at each step a random one of a few, or all of them.

    Members that mix granularities from layer to layer come for free at the end, close to the line between those that
    have trained. Choices have no granularity: they stay the user's own.
    Source: Devvrit et al., MatFormer: Nested Transformer for Elastic Inference, 2023. There granularities shrink the
    hidden widths of feed-forward layers alone (`kinds=("hidden",)`), and halve them from one to the next; here each
    dimension's own values are divided evenly.
    """

    def __init__(self, plan: Plan, config: MixNMatchConfig = MixNMatchConfig()) -> None:
        super().__init__(plan)
        self.config = config
        levels = [number / (config.granularities - 1) for number in range(config.granularities)]
        # Where all dimensions have few values, some granularities are one.
        self.granularities = tuple(dict.fromkeys(at_level(plan.space, level, config.kinds) for level in levels))
        self._drawing = Drawing(plan, config)

    def members(self, step: int, rng: random.Random) -> Sequence[Draw]:
        """Return the member of a random granularity, or those of all."""
        drawn = self.granularities if self.config.all_at_once else (rng.choice(self.granularities),)
        return self._drawing.largest_first(map(self._drawing.weighed, drawn))
