"""Configs as features: states, absence, views."""

import random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from predictor_cases import ENCODER, SPACE

from supple.cost.config_arrays import random_values, values_of
from supple.errors import SuppleError
from supple.searching.predictors import Encoder, random_features
from supple.searching.predictors.encoder import ABSENT
from supple.space import Condition, Dimension, Kind, Space


@given(st.integers(0, 2**32 - 1))
@settings(deadline=None, max_examples=50)
def test_a_dimension_is_absent_where_it_does_not_reach_the_member(seed):
    config = SPACE.sample(random.Random(seed))
    states = ENCODER.encode([config]).states[0]
    for entry, state in zip(SPACE.dimensions, states, strict=True):
        if SPACE.is_active(entry.name, config):
            assert entry.values[state] == config[entry.name]
        else:
            assert state == ABSENT


def test_conditions_hold_through_all_that_stand_above():
    # "c" hangs on "b", which is absent where "a" is 1, whatever the array says of "b"; parents may stand behind.
    space = Space(
        [
            Dimension("c", Kind.WIDTH, (1, 2), (Condition("b", 2),)),
            Dimension("b", Kind.DEPTH, (1, 2), (Condition("a", 2),)),
            Dimension("a", Kind.DEPTH, (1, 2)),
        ]
    )
    states = Encoder(space).encode(np.array([[2, 2, 1], [2, 1, 2], [2, 2, 2]])).states
    assert states.tolist() == [[ABSENT, ABSENT, 0], [ABSENT, 0, 1], [1, 1, 1]]


def test_configs_and_their_values_have_the_same_features():
    rng = random.Random(1)
    configs = [SPACE.sample(rng) for _ in range(20)]
    assert (ENCODER.encode(configs).states == ENCODER.encode(values_of(SPACE, configs)).states).all()


def test_members_that_are_one_have_one_row_of_features():
    values = np.array([[1, 16, 8, 8, 1, 3], [1, 16, 16, 24, 1, 5]])
    features = ENCODER.encode(values)
    for view in (features.one_hot(), features.ordinal(), features.totals(), features.curvatures(), features.absences()):
        assert (view[0] == view[1]).all()


def test_one_hot_rows_have_a_one_for_each_dimension():
    features = random_features(ENCODER, 50, 0)
    assert features.one_hot().shape == (50, 3 + 3 + 3 + 4 + 3 + 3)
    assert (features.one_hot().sum(axis=1) == len(SPACE)).all()


def test_levels_go_from_the_smallest_to_the_largest_and_vanish_with_the_dimension():
    values = np.array([[3, 8, 16, 16, 0, 3], [1, 24, 16, 16, 0, 3]])
    assert ENCODER.encode(values).levels(Kind.WIDTH).tolist() == [[-1, 1, 0], [1, 0, 0]]


def test_options_have_no_order():
    levels = ENCODER.encode(np.array([[1, 8, 8, 8, option, 3] for option in (0, 1, 2)])).levels(Kind.OPERATOR)
    distances = np.linalg.norm(levels[:, None] - levels, axis=2)
    assert distances[0, 1] == distances[1, 2] == distances[0, 2] > 0


def test_totals_are_the_mean_level_of_a_kind_and_its_trend():
    space = Space(Dimension(f"width{number}", Kind.WIDTH, (1, 2, 3)) for number in range(3))
    totals = Encoder(space).encode(np.array([[1, 2, 3], [3, 3, 3]])).totals()
    assert totals == pytest.approx(np.array([[0, 2 / 3], [1, 0]]))


def test_parts_hold_all_rows_in_order():
    features = random_features(ENCODER, 10, 0)
    parts = list(features.in_parts(4))
    assert [len(part) for part in parts] == [4, 4, 2]
    assert (np.concatenate([part.states for part in parts]) == features.states).all()


def test_random_features_know_their_statistics():
    features = random_features(ENCODER, 10, 3, lambda values: values[:, :1])
    assert (features.free[:, 0] == random_values(SPACE, 10, np.random.default_rng(3))[:, 0]).all()


def test_a_config_of_another_space_is_refused():
    with pytest.raises(SuppleError, match=r"^The config belongs to space \w+, not to this one"):
        ENCODER.encode([Space([Dimension("only", Kind.WIDTH, (8, 16))]).max()])


def test_a_value_that_a_dimension_lacks_is_refused():
    with pytest.raises(SuppleError, match=r'^Dimension "width\.a" has no value 9: it can be 8, 16, 24\.$'):
        ENCODER.encode(np.array([[1, 9, 8, 8, 0, 3]]))


def test_statistics_of_other_configs_are_refused():
    with pytest.raises(
        SuppleError, match=r"^Free statistics are a row per config, of shape \(1, statistics\), not \[2, 1\]\.$"
    ):
        ENCODER.encode([SPACE.max()], [[1.0], [2.0]])


def test_statistics_that_are_no_numbers_are_refused():
    with pytest.raises(SuppleError, match=r"^The free statistics hold a value that is not a finite number\.$"):
        ENCODER.encode([SPACE.max()], [[-np.inf]])
