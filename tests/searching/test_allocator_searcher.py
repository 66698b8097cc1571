"""The allocator as a searcher: tables first, then exact allocations; a tolerance in, a config out."""

import numpy as np
import pytest
from searcher_cases import ACCURACY, CASES, MACS, OPERATORS, case, restarts, search

import supple
from supple.errors import SuppleError
from supple.searching import SearchConfig
from supple.searching.dominance import nondominated
from supple.searching.history import History
from supple.searching.searchers import build_searcher
from supple.searching.searchers.allocator import AllocatorConfig
from supple.searching.wishes import Constraint, Sense
from supple.space import Dimension, Kind, Space

WIDTHS = [Dimension(f"width{number}", Kind.WIDTH, tuple(range(8, 40, 8))) for number in range(4)]
SPACE = Space(WIDTHS)
TABLE = 4 * 3


def accuracy(config):
    return sum((number + 1) * width**0.5 for number, width in enumerate(config.values())) / 100


def macs(config):
    return float(sum((4 - number) * width for number, width in enumerate(config.values())))


def changes(config):
    return sum(config[name] != value for name, value in SPACE.max().items())


def found(budget=64, **settings):
    config = SearchConfig(budget=budget, **settings)
    return supple.search(SPACE, config=config, measures={"accuracy": accuracy}, costs={"macs": macs})


def test_first_comes_every_choice_alone():
    configs = [entry.config for entry in found(searcher="allocator").searched]
    assert [changes(config) for config in configs[2 : 2 + TABLE]] == [1] * TABLE
    assert all(changes(config) != 1 for config in configs[2 + TABLE :])


def test_where_sums_hold_it_finds_the_exact_front():
    result = found(budget=72, searcher="allocator")
    configs = list(SPACE)
    front = nondominated(np.array([[-accuracy(config), macs(config)] for config in configs]))
    exact = {config for config, is_on_it in zip(configs, front, strict=True) if is_on_it}
    assert exact <= {entry.config for entry in result.searched}


def test_a_tolerance_gives_the_cheapest_member_within_it_and_ends_the_search():
    tolerance = 0.02
    result = found(searcher={"kind": "allocator", "tolerance": tolerance})
    least = accuracy(SPACE.max()) - tolerance
    cheapest = min(macs(config) for config in SPACE if accuracy(config) >= least)
    assert len(result.searched) < 2 + TABLE + 16
    assert min(entry["macs"] for entry in result.searched if entry["accuracy"] >= least) == cheapest


def test_it_dies_and_goes_on():
    for settings in (AllocatorConfig(round=3), AllocatorConfig(tolerance=0.01, round=3)):
        whole = search(CASES["depths"], settings, 18)
        assert search(CASES["depths"], settings, 18, is_restarted=restarts(0)) == whole


def test_further_limits_are_budgets_too():
    limits = [Constraint("latency_ms", Sense.AT_MOST, 45), Constraint("accuracy", Sense.AT_LEAST, 0.2)]
    limited = case(OPERATORS, constraints=limits)
    outcomes = search(limited, AllocatorConfig(), 26)
    later = [limited.problem.excess(outcome) == 0 for outcome in outcomes[18:]]
    assert sum(later) >= len(later) / 2


def test_members_that_fail_stop_nothing():
    outcomes = search(CASES["operators"], AllocatorConfig(), 20, fails=lambda config: config["width0"] == 16)
    assert len({outcome.config for outcome in outcomes}) == 22


def test_it_wants_something_to_weigh_against_a_cost():
    problem = case(WIDTHS, [MACS]).problem
    with pytest.raises(SuppleError, match="weighs one objective that is evaluated, such as accuracy, against a cost"):
        build_searcher(AllocatorConfig(), problem, 0)
    with pytest.raises(SuppleError, match="it got maximize accuracy"):
        build_searcher(AllocatorConfig(), case(WIDTHS, [ACCURACY]).problem, 0)


def test_a_budget_that_ends_before_its_table_is_refused():
    with pytest.raises(
        SuppleError, match=r"budget of 12 ends before the allocator has measured its table, which takes"
    ):
        found(budget=12, searcher="allocator")


def test_it_seeds_other_searchers():
    configs = [entry.config for entry in found(searcher="nsga2", allocated=6, together=6).searched]
    alone = [entry.config for entry in found(searcher="allocator", together=6).searched]
    assert configs[: 2 + TABLE + 6] == alone[: 2 + TABLE + 6]
    assert configs != alone


def test_only_the_tolerance_lets_it_finish():
    problem = CASES["depths"].problem
    told = search(CASES["depths"], AllocatorConfig(), 40)
    assert not build_searcher(AllocatorConfig(), problem, 3).finished(History(problem, told))


def test_it_tells_whether_sums_hold():
    (told,) = found(searcher="allocator").runs[0].remarks
    assert "Sums of single losses rank" in told
    assert "Spearman 1.000" in told
