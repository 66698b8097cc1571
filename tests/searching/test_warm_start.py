"""Searches that begin where an earlier one ended."""

import re

import pytest
import torch
from parallel_cases import TinyNet, batches
from search_cases import accuracy_of, macs_of, make_space

from supple import search
from supple.errors import SuppleError
from supple.family import convert
from supple.searching import SearchConfig
from supple.searching.dominance import nondominated
from supple.space import Dimension, Space

COSTS = {"macs": macs_of}


@pytest.fixture
def earlier(space, tmp_path):
    """Return an earlier search and the path of its study."""
    config = SearchConfig(budget=32, searcher="random", seed=5)
    path = tmp_path / "earlier.sqlite"
    return search(space, config=config, measures={"accuracy": accuracy_of}, costs=COSTS, study=path), path


def _search(space, config, measure=accuracy_of, study=None):
    return search(space, config=config, measures={"accuracy": measure}, costs=COSTS, study=study)


def test_members_of_the_earlier_front_come_first_and_are_evaluated_anew(space, earlier):
    found, path = earlier
    calls = []
    result = _search(
        space,
        SearchConfig(budget=16, searcher="random", warm_start=path),
        lambda config: calls.append(config) or accuracy_of(config),
    )
    known = [*found.searched, *found.baseline]
    best = nondominated(found.problem.losses(known))
    front = {entry.config for entry, is_best in zip(known, best, strict=True) if is_best}
    front -= {space.max(), space.min()}
    # A quarter of the budget at most.
    count = min(len(front), 4)
    assert count > 1
    brought = {entry.config for entry in result.searched[2 : 2 + count]}
    assert brought <= front
    assert brought <= set(calls)
    assert result.searched[2 + count].config not in front


def test_what_a_warm_start_brings_stays_when_the_earlier_study_is_gone(space, earlier, tmp_path):
    _, path = earlier
    config = SearchConfig(budget=16, searcher="random", warm_start=path)
    whole = _search(space, config)
    _search(space, config.model_copy(update={"budget": 8}), study=tmp_path / "study.sqlite")
    path.unlink()
    resumed = _search(space, config.model_copy(update={"budget": 16}), study=tmp_path / "study.sqlite")
    assert len(resumed.searched) == len(whole.searched)


def test_configs_are_translated_to_a_space_with_the_same_dimensions(earlier):
    _, path = earlier
    space = make_space()
    wider = Space(
        [
            Dimension(entry.name, entry.kind, (*entry.values, 80), entry.conditions)
            if entry.name == "width0"
            else entry
            for entry in space.dimensions
        ]
    )
    result = _search(wider, SearchConfig(budget=16, searcher="random", warm_start=path))
    assert result.searched[2].config.space == wider.digest
    assert result.searched[2].config["width0"] <= 64


def test_a_space_with_other_dimensions_is_refused(earlier):
    _, path = earlier
    other = make_space(widths=5)
    message = re.escape(f'The study "{path}" is of another space and cannot start this search: the earlier one has a ')
    with pytest.raises(SuppleError, match=message + r'dimension "width5", this one has none'):
        _search(other, SearchConfig(warm_start=path))


def test_a_space_without_the_values_is_refused(earlier):
    _, path = earlier
    narrower = Space([Dimension(entry.name, entry.kind, (99, 100)) for entry in make_space().dimensions])
    with pytest.raises(SuppleError, match=r"each of its best members has a value that this space does not have"):
        _search(narrower, SearchConfig(warm_start=path))


def test_a_study_that_is_not_there_is_refused(space, tmp_path):
    with pytest.raises(SuppleError, match=r'There is no study ".*nothing.sqlite" to start from'):
        _search(space, SearchConfig(warm_start=tmp_path / "nothing.sqlite"))


def test_a_search_cannot_start_from_itself(space, earlier):
    _, path = earlier
    with pytest.raises(SuppleError, match=r'cannot start from its own study, ".*earlier.sqlite": name another'):
        _search(space, SearchConfig(warm_start=path, budget=32, seed=6), study=path)


def _family(seed=0):
    torch.manual_seed(seed)
    return convert(TinyNet(), torch.randn(2, 1, 8, 8))


CONFIG = SearchConfig(budget=8, objectives=["accuracy", "macs"], searcher="random", seconds_per_latency=0.001)


class Batches:
    """Data that count how often they are gone through."""

    def __init__(self, content):
        self.content = content
        self.times = 0

    def __iter__(self):
        self.times += 1
        return iter(self.content)


def test_outcomes_with_the_same_weights_and_data_are_taken_over(tmp_path):
    family, train = _family(), batches(2, seed=1)
    path = tmp_path / "earlier.sqlite"
    first = search(family, train, batches(2, seed=2), CONFIG, study=path)
    valid = Batches(batches(2, seed=2))
    again = search(family, train, valid, CONFIG.model_copy(update={"warm_start": path}))
    assert again.searched[0] == first.searched[0]
    brought = [entry for entry in again.searched if entry in first.searched]
    evaluated_anew = Batches(batches(2, seed=3))
    other = search(family, train, evaluated_anew, CONFIG.model_copy(update={"warm_start": path}))
    assert len(brought) >= 3
    assert other.searched[0].figures != first.searched[0].figures
    assert valid.times < evaluated_anew.times


def test_a_study_is_bound_to_the_weights(tmp_path):
    data = batches(2, seed=1), batches(2, seed=2)
    search(_family(), *data, CONFIG, study=tmp_path / "study.sqlite")
    with pytest.raises(SuppleError, match=r"was made with other weights of the family \(\w{16}, not \w{16}\)"):
        search(_family(seed=1), *data, CONFIG, study=tmp_path / "study.sqlite")
