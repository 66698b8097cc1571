"""Successive halving: many members on little data, few on all."""

import random
import re
from dataclasses import replace

import numpy as np
import pytest
from network_cases import ACCURACY, MACS, family_of, problem_of
from pydantic import ValidationError

from supple.errors import SuppleError
from supple.searching import Evaluation, History
from supple.searching.looks import EvaluationSize, Part
from supple.searching.searchers import halving
from supple.searching.searchers.halving import Halving, HalvingConfig
from supple.searching.wishes import Constraint, Direction, Objective, Sense

OTHERS = {"parameters": 1.0, "latency_ms on onnxruntime:cpu": 1.0}
TWO_RUNGS = HalvingConfig(candidates=16, reduction=2, rungs=2)


@pytest.fixture
def problem():
    return problem_of(family_of("resnet"))


@pytest.fixture
def looked(monkeypatch):
    """Let looks find that larger members are better; return what was looked at."""
    calls = []

    def look(networks, configs, part):
        calls.extend((config, part) for config in configs)
        return [float(networks.family.count_parameters(config)) for config in configs]

    monkeypatch.setattr("supple.searching.looks.look", look)
    return calls


def _told(problem, configs):
    family = problem.networks.family
    return [
        Evaluation(config, {"accuracy": index / 100, "macs": float(family.count_macs(config)), **OTHERS})
        for index, config in enumerate(configs)
    ]


def _proposed(searcher, problem, count, before=()):
    configs = [*_ends(problem), *before]
    for _ in range(count):
        configs.append(searcher.propose(History(problem, _told(problem, configs))))
    return configs[-count:]


def _ends(problem):
    return [problem.space.max(), problem.space.min()]


def test_each_rung_looks_at_fewer_members_on_more_data(problem, looked):
    Halving(problem, 0, TWO_RUNGS).propose(History(problem, ()))
    strides = [part.stride for _, part in looked]
    assert strides == [4] * 16 + [2] * 8
    assert {config for config, _ in looked[16:]} < {config for config, _ in looked[:16]}


def test_all_members_of_a_rung_are_judged_on_the_same_data(problem, looked):
    searcher = Halving(problem, 0, TWO_RUNGS)
    _proposed(searcher, problem, 8)
    assert len(looked) == 2 * 24
    parts = [part for _, part in looked]
    assert [len(set(parts[start:end])) for start, end in ((0, 16), (16, 24), (24, 40), (40, 48))] == [1, 1, 1, 1]
    assert parts[0] == Part(4, 0)
    assert parts[24] == Part(4, 1)


def test_the_survivors_are_the_best_by_a_look_at_one_cost(looked):
    problem = problem_of(family_of("resnet"), (ACCURACY,))
    config = HalvingConfig(candidates=8, reduction=4)
    found = _proposed(Halving(problem, 1, config), problem, 2)
    count = problem.networks.family.count_parameters
    candidates = [entry for entry, _ in looked]
    assert len(candidates) == len(set(candidates)) == 8
    assert sorted(map(count, found)) == sorted(map(count, candidates))[-2:]


def test_survivors_are_ranked_by_dominance_with_known_costs(problem, monkeypatch):
    # Of no quality that differs, the cheapest is the front.
    monkeypatch.setattr("supple.searching.looks.look", lambda networks, configs, part: [0.5] * len(configs))
    config = HalvingConfig(candidates=8, reduction=8)
    searcher = Halving(problem, 1, config)
    (found,) = _proposed(searcher, problem, 1)
    cost = problem.cost_proxy()
    candidates = searcher._candidates(0, History(problem, _told(problem, _ends(problem))))
    assert cost(found) == min(map(cost, candidates))


def test_a_cost_that_must_be_measured_is_guessed_from_a_known_one(problem, monkeypatch):
    latency = Objective("latency_ms on onnxruntime:cpu", Direction.MINIMIZE)
    measured = replace(problem, objectives=(ACCURACY, latency))
    monkeypatch.setattr("supple.searching.looks.look", lambda networks, configs, part: [0.5] * len(configs))
    config = HalvingConfig(candidates=8, reduction=8)
    assert _proposed(Halving(measured, 1, config), measured, 1) == _proposed(Halving(problem, 1, config), problem, 1)


def test_a_constraint_on_the_quality_is_judged_by_the_look(problem, looked):
    count = problem.networks.family.count_parameters
    enough = 0.6 * count(problem.space.max())
    wanted = replace(problem, objectives=(MACS,), constraints=(Constraint("accuracy", Sense.AT_LEAST, enough),))
    found = _proposed(Halving(wanted, 0, HalvingConfig(candidates=16, reduction=8)), wanted, 2)
    cost = problem.cost_proxy()
    allowed = [config for config, _ in looked if count(config) >= enough]
    assert sorted(map(cost, found)) == sorted(map(cost, allowed))[:2]


def test_members_that_break_a_known_constraint_are_not_looked_at(problem, looked):
    limit = 0.5 * problem.networks.family.count_macs(problem.space.max())
    limited = replace(problem, constraints=(Constraint("macs", Sense.AT_MOST, limit),))
    Halving(limited, 0, HalvingConfig(candidates=8)).propose(History(limited, ()))
    assert all(problem.cost_proxy()(config) <= limit for config, _ in looked)


def test_a_part_of_the_candidates_are_offspring_of_the_front(problem, looked, monkeypatch):
    bred = []
    children = halving.Breeder.children

    def watched(self, parents, count, rng):
        bred.append((parents, children(self, parents, count, rng)))
        return bred[-1][1]

    monkeypatch.setattr(halving.Breeder, "children", watched)
    rng = random.Random(0)
    told = [*_ends(problem), *(problem.space.sample(rng) for _ in range(4))]
    history = History(problem, _told(problem, told))
    Halving(problem, 0, HalvingConfig()).propose(history)
    ((parents, offspring),) = bred
    assert np.array_equal(parents, problem.values(entry.config for entry in history.front))
    born = {row.tobytes() for row in offspring}
    values = problem.values(config for config, _ in looked)
    # Some of those born were known.
    assert len(values) // 4 <= sum(row.tobytes() in born for row in values) < len(values)


def test_a_round_depends_on_what_was_told_before_it_alone(problem, looked):
    config = HalvingConfig(candidates=8, reduction=2)
    searcher = Halving(problem, 3, config)
    one_by_one = _proposed(searcher, problem, 8)
    together, pending = one_by_one[:4], []
    for _ in range(4):
        told = _told(problem, [*_ends(problem), *together])
        pending.append(Halving(problem, 3, config).propose(History(problem, told, pending)))
    assert pending == one_by_one[4:]


def test_looks_are_made_once_while_a_round_lasts(problem, looked):
    _proposed(Halving(problem, 3, HalvingConfig(candidates=8, reduction=2)), problem, 4)
    assert len(looked) == 8


def test_looks_count_in_the_budget(problem):
    searcher = Halving(problem, 0, TWO_RUNGS)
    size = EvaluationSize.of(problem.networks)
    round_ = 16 * size.share(Part(4)) + 8 * size.share(Part(2))
    spent = [searcher.spent(History(problem, _told(problem, [problem.space.max()] * told))) for told in (0, 2, 3, 6, 7)]
    assert spent == pytest.approx([0, 0, round_, round_, 2 * round_])


def test_real_looks_find_survivors(problem):
    found = _proposed(Halving(problem, 0, HalvingConfig(candidates=4, reduction=2)), problem, 4)
    assert len(set(found)) == 4


def test_members_that_are_no_networks_cannot_be_looked_at(problem):
    with pytest.raises(SuppleError, match=r'"halving" judges networks on a part of the data.*as "nsga2"'):
        Halving(replace(problem, networks=None), 0)


def test_a_search_that_does_not_want_the_quality_is_refused(problem):
    with pytest.raises(SuppleError, match="looks at the accuracy of members, which is neither an objective nor"):
        Halving(replace(problem, objectives=(MACS,)), 0)


def test_a_round_needs_a_survivor():
    message = "of 16 candidates none is left when 3 rungs keep one of 4: begin with 64 or more"
    with pytest.raises(ValidationError, match=re.escape(message)):
        HalvingConfig(rungs=3)
