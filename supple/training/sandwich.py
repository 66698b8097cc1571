"""The sandwich rule: the largest member, the smallest and a few random ones at every step."""

import random
from collections.abc import Sequence

from supple.space import Config, Space
from supple.training.sampler import Sampler


class Sandwich(Sampler):
    """The largest member first, then the smallest, then random ones.

    Training the two ends lifts the accuracy of all that lie between them.
    Source: Yu & Huang, Universally Slimmable Networks and Improved Training Techniques, 2019.
    """

    def __init__(self, space: Space, random_members: int) -> None:
        super().__init__(space)
        self.random_members = random_members

    def members(self, step: int, rng: random.Random) -> Sequence[Config]:
        """Return the largest, the smallest and `random_members` random configs."""
        return [self.space.max(), self.space.min(), *(self.space.sample(rng) for _ in range(self.random_members))]
