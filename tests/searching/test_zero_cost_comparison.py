"""Zero-cost scores next to counted parameters."""

import random

import pytest
from network_cases import family_of, images

from supple.errors import SuppleError
from supple.searching import Evaluation
from supple.searching.networks import Networks, figure_of
from supple.searching.zero_cost import ScoreName
from supple.searching.zero_cost.comparing import compare_scores
from supple.training import Classification
from supple.training.regression import Regression


@pytest.fixture
def family():
    return family_of("resnet")


@pytest.fixture
def configs(family):
    rng = random.Random(0)
    return list({family.space.sample(rng): None for _ in range(12)})


def _networks(family, task):
    data = images(family, 2)
    return Networks.of(family, data, data, task, 8)


def _counted(family, configs, metric, sign):
    return [Evaluation(config, {metric: sign * family.count_parameters(config)}) for config in configs]


def test_a_quality_that_is_a_count_is_followed_by_that_count(family, configs):
    table = compare_scores(_counted(family, configs, "accuracy", 1), _networks(family, Classification()))
    found = {row.score: row for row in table.rows}
    assert found[ScoreName.PARAMETERS].kendall_tau == pytest.approx(1)
    assert found[ScoreName.PARAMETERS].spearman == pytest.approx(1)
    assert 0 < found[ScoreName.MACS].kendall_tau < 1
    assert set(found) == set(ScoreName)
    assert table.members == len(configs)
    assert not table.beats_counting(ScoreName.MACS)
    assert table.beats_counting(ScoreName.PARAMETERS)


def test_where_less_of_the_metric_is_better_correlations_turn_round(family, configs):
    networks = _networks(family, Regression())
    found = _counted(family, configs, figure_of(Regression()), -1)
    (row,) = compare_scores(found, networks, [ScoreName.PARAMETERS]).rows
    assert row.kendall_tau == pytest.approx(1 if not Regression.higher_is_better else -1)


def test_what_is_the_same_for_all_says_nothing(family, configs):
    found = [Evaluation(config, {"accuracy": 0.5}) for config in configs]
    (row,) = compare_scores(found, _networks(family, Classification()), [ScoreName.PARAMETERS]).rows
    assert (row.kendall_tau, row.spearman) == (0, 0)


def test_the_comparison_is_a_table(family, configs):
    found = _counted(family, configs, "accuracy", 1)
    names = [ScoreName.PARAMETERS, ScoreName.GRADSIGN]
    lines = str(compare_scores(found, _networks(family, Classification()), names)).splitlines()
    assert lines[0].split("  ")[0] == "score"
    assert "Kendall tau with accuracy" in lines[0]
    assert [line.split()[0] for line in lines[1:]] == ["parameters", "gradsign"]


def test_two_members_have_no_order_to_speak_of(family, configs):
    found = _counted(family, configs[:2], "accuracy", 1)
    with pytest.raises(SuppleError, match="evaluate 3 at least, not 2"):
        compare_scores(found, _networks(family, Classification()))


def test_scores_see_the_samples_that_were_asked_for(family, configs):
    seen = []

    class Watching(Classification):
        def loss(self, outputs, batch):
            seen.append(batch[1].item())
            return super().loss(outputs, batch)

    found = _counted(family, configs, "accuracy", 1)
    compare_scores(found, _networks(family, Watching()), [ScoreName.GRADSIGN], 3)
    assert seen == [label.item() for label in images(family, 2)[0][1][:3]] * len(configs)
