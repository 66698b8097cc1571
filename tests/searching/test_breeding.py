"""Thousands of configs at once: always proper, spread over all sizes, and better after evolution."""

import random

import numpy as np
import pytest
from searcher_cases import DEPTHS, MANY_WIDTHS, ONE_DIMENSION, OPERATORS

from supple.cost.config_arrays import configs_of, values_of
from supple.searching.breeding import Breeder, best_first, without
from supple.searching.dominance import front_ranks
from supple.space import Dimension, Kind, Space

SPACES = {"depths": DEPTHS, "operators": OPERATORS, "many widths": MANY_WIDTHS, "one dimension": ONE_DIMENSION}
every_space = pytest.mark.parametrize("dimensions", SPACES.values(), ids=SPACES)


def is_proper(space, values):
    """Say whether values are those of proper configs: what a dropped block holds is at its largest value."""
    return np.array_equal(values, values_of(space, configs_of(space, values)))


@every_space
def test_random_members_and_children_are_proper(dimensions):
    space, rng = Space(dimensions), np.random.default_rng(0)
    breeder = Breeder(space)
    drawn = breeder.random(100, rng)
    assert is_proper(space, drawn)
    assert is_proper(space, breeder.children(drawn, 100, rng))


def test_random_members_reach_towards_both_ends():
    breeder = Breeder(Space(MANY_WIDTHS))
    sizes = breeder.random(400, np.random.default_rng(0)).sum(axis=1)
    uniform = values_of(breeder.space, [breeder.space.sample(random.Random(number)) for number in range(400)])
    assert sizes.std() > 1.3 * uniform.sum(axis=1).std()


@every_space
def test_all_members_of_a_small_space_are_there_once(dimensions):
    space = Space(dimensions)
    found = Breeder(space).all
    if space.count() > 20_000:
        assert found is None
    else:
        assert set(configs_of(space, found)) == set(space)
        assert len(found) == space.count()


def test_children_of_one_parent_differ_from_it_in_few_values():
    breeder, rng = Breeder(Space(MANY_WIDTHS)), np.random.default_rng(0)
    parent = breeder.random(1, rng)
    changes = (breeder.children(parent, 500, rng) != parent).sum(axis=1)
    assert 1 < changes.mean() < 2.5


def test_evolution_finds_the_front_of_known_losses():
    breeder, rng = Breeder(Space(MANY_WIDTHS)), np.random.default_rng(0)
    weights = np.arange(1, 9)

    def losses(values):
        return np.stack([-(values**0.5) @ weights, values.sum(axis=1)], axis=1)

    start = breeder.random(60, rng)
    evolved = breeder.evolved(start, losses, rng, generations=20, population=60)
    together = np.concatenate([losses(evolved), losses(start)])
    ranks = front_ranks(together)
    assert (ranks[:60] == 0).mean() > 0.75
    assert (ranks[60:] == 0).mean() < 0.3


def test_the_best_come_first_and_of_those_the_loneliest():
    losses = np.array([[0.5, 0.5], [0.0, 1.0], [1.0, 0.0], [0.51, 0.49], [2.0, 2.0]])
    assert set(best_first(losses)[:2].tolist()) == {1, 2}
    assert best_first(losses)[-1] == 4


def test_what_is_known_is_left_out():
    values = np.array([[1, 2], [3, 4], [5, 6]])
    assert without(values, np.array([[3, 4]])).tolist() == [[1, 2], [5, 6]]
    assert without(values, values).shape == (0, 2)


def test_some_members_have_all_layers_in_the_fewest_bits_and_some_in_the_most():
    space = Space(Dimension(f"layer_{number}.bits", Kind.BITS, (8, 32)) for number in range(40))
    breeder, rng = Breeder(space), np.random.default_rng(0)
    drawn = breeder.random(400, rng)
    children = breeder.children(drawn, 400, rng)
    for found in (drawn, children):
        assert 20 < (found == 8).all(axis=1).sum() < 120
        assert 20 < (found == 32).all(axis=1).sum() < 120


def test_a_space_without_precision_is_bred_as_ever():
    space = Space(Dimension(f"width_{number}", Kind.WIDTH, (8, 32)) for number in range(40))
    assert not (Breeder(space).random(400, np.random.default_rng(0)) == 8).all(axis=1).any()
