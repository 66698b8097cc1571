"""Which objective costs are set against, whatever else is wanted."""

from typing import Any

import pytest

from supple.searching import Direction, Evaluation, Objective, Problem, SearchResult, SeedResult, choose_members
from supple.searching.choosing import quality_of
from supple.searching.networks import figure_of
from supple.space import Dimension, Kind, Space
from supple.training import LanguageModelling

SPACE = Space([Dimension("width", Kind.WIDTH, (1, 2, 3, 4, 5))])
ACCURACY = Objective("accuracy", Direction.MAXIMIZE)
ROBUSTNESS = Objective("robustness", Direction.MAXIMIZE)
PERPLEXITY = Objective("perplexity", Direction.MINIMIZE)
MACS = Objective("macs", Direction.MINIMIZE)


class OfTask:
    """What of the networks says which task it is."""

    def __init__(self, task: Any) -> None:
        self.metric = figure_of(task)


@pytest.mark.parametrize(
    ("objectives", "expected"),
    [
        ((MACS, ACCURACY), ACCURACY),
        ((ROBUSTNESS, ACCURACY), ROBUSTNESS),
        ((MACS, PERPLEXITY), MACS),
        ((MACS,), MACS),
    ],
)
def test_without_a_task_the_first_that_is_to_be_maximised_is_the_quality(objectives, expected):
    assert quality_of(Problem(SPACE, objectives)) == expected


def test_the_metric_of_the_task_is_the_quality_even_where_less_of_it_is_better():
    networks: Any = OfTask(LanguageModelling())
    assert quality_of(Problem(SPACE, (MACS, PERPLEXITY), networks=networks)) == PERPLEXITY
    assert quality_of(Problem(SPACE, (MACS, ROBUSTNESS), networks=networks)) == ROBUSTNESS


def test_members_are_chosen_by_a_quality_of_which_less_is_better():
    problem = Problem(SPACE, (PERPLEXITY, MACS), networks=OfTask(LanguageModelling()))  # type: ignore[arg-type]
    members = [
        Evaluation(SPACE.config({"width": width}), {"perplexity": 10.0 - width, "macs": float(width)})
        for width in (5, 1, 2, 3)
    ]
    chosen = choose_members(SearchResult(problem, (SeedResult(0, tuple(members), ()),)))
    assert {name: entry.config["width"] for name, entry in chosen.items()} == {"small": 1, "medium": 3, "full": 5}
