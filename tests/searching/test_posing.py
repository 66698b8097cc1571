"""From settings to what a search is about: any metric of a task, figures of one's own, and names that clash."""

import pytest
import torch
from torch import nn

import supple
from supple.errors import SuppleError
from supple.searching import Direction, Objective, SearchConfig
from supple.searching.judging import wanted_on
from supple.searching.posing import family_problem, space_problem, targets_of
from supple.space import Dimension, Kind, Space
from supple.training import Regression

CPU = "onnxruntime:cpu?threads=1&batch=1"


@pytest.fixture(scope="module")
def family():
    torch.manual_seed(0)
    return supple.convert(nn.Sequential(nn.Linear(8, 16), nn.ReLU(), nn.Linear(16, 1)), torch.randn(4, 8))


def test_without_wishes_it_is_the_metric_and_latency_on_every_target(family):
    problem = family_problem(family, SearchConfig(targets=("onnxruntime:cpu", "torch:cpu")))
    assert [str(entry) for entry in problem.objectives] == [
        "maximize accuracy",
        f"minimize latency_ms on {CPU}",
        "minimize latency_ms on torch:cpu?threads=1&batch=1",
    ]
    assert set(problem.known) == {"parameters", "macs"}


def test_a_metric_of_several_words_is_an_objective_in_one(family):
    problem = family_problem(family, SearchConfig(objectives=("root_mean_squared_error", "macs")), Regression())
    assert problem.objectives[0] == Objective("root_mean_squared_error", Direction.MINIMIZE)


def test_figures_of_ones_own_stand_with_the_others(family):
    wishes = SearchConfig(objectives=("accuracy", "maximize robustness", "price"))
    problem = family_problem(family, wishes, measures=["robustness"], costs={"price": family.count_parameters})
    assert [entry.direction for entry in problem.objectives] == ["maximize", "maximize", "minimize"]
    assert problem.known_figures(problem.values([family.space.max()]))["price"] == [8 * 16 + 16 + 16 + 1]


def test_a_figure_of_ones_own_needs_a_name_of_its_own(family):
    with pytest.raises(SuppleError, match='There is a figure "macs" already: give yours another name'):
        family_problem(family, SearchConfig(), costs={"macs": family.count_parameters})
    with pytest.raises(SuppleError, match='say whether to maximize or to minimize robustness, as "maximize'):
        family_problem(family, SearchConfig(objectives=("robustness",)), measures=["robustness"])


def test_a_space_alone_has_no_figures():
    space = Space([Dimension("width", Kind.WIDTH, (8, 16))])
    with pytest.raises(SuppleError, match="A space without a family has no figures of its own: give measures="):
        space_problem(space, SearchConfig(), (), {})


def test_all_targets_that_are_spoken_of_are_measured_the_one_that_ships_first(family):
    wishes = SearchConfig(targets="torch:cpu", constraints=("latency_ms <= 5 on onnxruntime:cpu",))
    assert targets_of(wishes, family_problem(family, wishes)) == ("torch:cpu?threads=1&batch=1", CPU)


def test_the_size_of_the_exported_file_is_a_figure_of_every_target(family):
    wishes = SearchConfig(objectives=("accuracy", "file_bytes"), constraints=("file_bytes <= 9999 on torch:cpu",))
    problem = family_problem(family, wishes)
    assert problem.figures == ("accuracy", f"file_bytes on {CPU}", "file_bytes on torch:cpu?threads=1&batch=1")
    assert wanted_on(CPU, problem) == {"file_bytes"}
    assert wanted_on("openvino:cpu", problem) == set()
