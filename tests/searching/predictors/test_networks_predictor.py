"""Networks that are pretrained on free statistics."""

import numpy as np
import pytest
import torch
from predictor_cases import ENCODER, free_of, members

from supple.cost.config_arrays import random_values
from supple.errors import SuppleError
from supple.searching.predictors import Encoder, Networks, random_features
from supple.space import Dimension, Kind, Space


def test_pretraining_helps_where_the_figure_goes_with_the_statistics():
    values = random_values(ENCODER.space, 200, np.random.default_rng(0))
    # What the figure goes with is known of the pool; beside the members evaluated it is not given.
    features, figures = ENCODER.encode(values), np.sin(2 * free_of(values)[:, 0])
    pool = random_features(ENCODER, 2000, 1, lambda values: np.sin(2 * free_of(values)))

    def error(predictor):
        mean = predictor.fit(features.take(range(15)), figures[:15]).predict(features.take(range(15, 200))).mean
        return np.abs(mean - figures[15:]).mean()

    assert error(Networks.pretrained(pool)) < 0.8 * error(Networks())


def test_fitting_changes_nothing_in_what_was_pretrained():
    networks = Networks.pretrained(random_features(ENCODER, 100, 0, free_of))
    before = [parameter.clone() for parameter in networks.trunk]
    networks.fit(*members(10))
    assert all(torch.equal(one, other) for one, other in zip(before, networks.trunk, strict=True))


def test_the_draws_of_others_stay_as_they_are():
    features, figures = members(10)
    torch.manual_seed(1)
    expected = torch.rand(1)
    torch.manual_seed(1)
    Networks().fit(features, figures)
    assert torch.equal(torch.rand(1), expected)


def test_another_seed_draws_other_networks():
    features, figures = members(10)
    first, second = (Networks(seed).fit(features, figures).predict(features).mean for seed in (0, 1))
    assert (first != second).any()


def test_a_pool_without_statistics_is_refused():
    with pytest.raises(
        SuppleError,
        match=r"^Networks are pretrained on free statistics of members that were not evaluated; the pool has 10 "
        r"members with 0 statistics\.$",
    ):
        Networks.pretrained(random_features(ENCODER, 10, 0))


def test_networks_of_another_space_are_refused():
    other = Encoder(Space([Dimension("only", Kind.WIDTH, (8, 16))]))
    networks = Networks.pretrained(random_features(other, 10, 0, lambda values: values.astype(float)))
    with pytest.raises(
        SuppleError, match=r"^The networks were pretrained on members of another space than those evaluated\.$"
    ):
        networks.fit(*members(5))
