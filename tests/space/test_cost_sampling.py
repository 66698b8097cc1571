"""Drawing configs uniformly over what they cost."""

import random
from itertools import pairwise

import pytest

from supple.space import Condition, Config, Dimension, Kind, Space

DRAWS = 400
WIDTHS = tuple(range(8, 65, 8))
SPACE = Space(
    [
        Dimension("depth", Kind.DEPTH, (1, 2, 3)),
        Dimension("0.width", Kind.WIDTH, WIDTHS),
        *(Dimension(f"{block}.width", Kind.WIDTH, WIDTHS, (Condition("depth", block),)) for block in (1, 2, 3)),
    ]
)
CHOICES = Space([*SPACE.dimensions, Dimension("operator", Kind.OPERATOR, (2, 1, 0))])


def cost(config: Config) -> float:
    widths = [config["0.width"], *(config[f"{block}.width"] for block in range(1, config["depth"] + 1))]
    work = sum(one * other for one, other in pairwise(widths))
    return work * (3 - config.get("operator", 0)) / 3


def shares_by_quarter(costs: list[float], space: Space) -> list[float]:
    low, high = cost(space.min()), cost(space.max())
    quarters = [min(int(4 * (value - low) / (high - low)), 3) for value in costs]
    return [quarters.count(quarter) / len(costs) for quarter in range(4)]


@pytest.mark.parametrize("space", [SPACE, CHOICES], ids=["plain", "with a choice"])
def test_every_cost_is_about_equally_likely(space: Space) -> None:
    rng = random.Random(5)
    drawn = [space.sample(rng, over=cost) for _ in range(DRAWS)]
    # Of 400 draws a quarter has 100 +- 9 (one standard deviation).
    assert all(0.17 < share < 0.33 for share in shares_by_quarter([cost(config) for config in drawn], space))
    uniform = [cost(space.sample(rng)) for _ in range(DRAWS)]
    assert max(shares_by_quarter(uniform, space)) > 0.4


def test_members_of_one_cost_have_many_shapes() -> None:
    rng = random.Random(6)
    drawn = [SPACE.sample(rng, over=cost) for _ in range(DRAWS)]
    middle = {config for config in drawn if 0.4 < cost(config) / cost(SPACE.max()) < 0.6}
    assert {config["depth"] for config in middle} == {2, 3}
    assert len(middle) > 30


def test_the_same_random_numbers_give_the_same_config() -> None:
    assert SPACE.sample(random.Random(7), over=cost) == SPACE.sample(random.Random(7), over=cost)


def test_a_config_near_a_cost_is_near_it() -> None:
    rng = random.Random(8)
    spread = cost(SPACE.max()) - cost(SPACE.min())
    for target in (cost(SPACE.min()), 2_000.0, 7_500.0, cost(SPACE.max())):
        drawn = [SPACE.sample_near(rng, cost, target, 0.02 * spread) for _ in range(50)]
        assert all(abs(cost(config) - target) <= 0.02 * spread for config in drawn)


@pytest.mark.parametrize("target", [-1.0, 1e9])
def test_a_cost_that_no_member_has_gives_the_end_that_is_nearest(target: float) -> None:
    end = SPACE.min() if target < 0 else SPACE.max()
    assert SPACE.sample_near(random.Random(9), cost, target, 0.0) == end


def test_drawing_near_a_cost_asks_for_few_costs() -> None:
    asked: list[Config] = []

    def counted(config: Config) -> float:
        asked.append(config)
        return cost(config)

    rng = random.Random(10)
    for _ in range(DRAWS):
        SPACE.sample(rng, over=counted)
    assert len(asked) / DRAWS < 25
