"""Searching with a baseline in turn, on a study that survives its process."""

import random

import numpy as np
import pytest
from search_cases import accuracy_of, macs_of, time_ms_of

from supple.errors import SuppleError
from supple.searching import Evaluation, Failure, Problem, SearchConfig, SearchResult, SeedResult, choose_members
from supple.searching.baseline import searched_before
from supple.searching.dominance import nondominated
from supple.searching.problem import as_known
from supple.searching.search import search
from supple.searching.wishes import Direction, Objective
from supple.space import Dimension, Kind, Space

CONFIG = SearchConfig(budget=16, searcher={"kind": "nsga2", "population": 4}, seed=1)
MEASURES = {"accuracy": accuracy_of, "latency": time_ms_of}


def _configs(evaluations):
    return [entry.config for entry in evaluations]


def test_no_config_is_evaluated_twice_and_the_budget_is_used_up(problem, evaluate, run):
    result = run(problem, evaluate, CONFIG)
    assert len(result.searched) == 12
    assert len(result.baseline) == 4
    assert (
        len(evaluate.calls) == len(set(evaluate.calls)) == len({*_configs(result.searched), *_configs(result.baseline)})
    )


def test_the_corners_come_first_and_then_what_the_caller_names(problem, space, evaluate, run):
    named = space.config({"depth": 2})
    result = run(problem, evaluate, CONFIG, firsts=[space.max(), named])
    assert _configs(result.searched)[:3] == [space.max(), space.min(), named]


def test_a_space_smaller_than_the_budget_is_searched_whole(evaluate, run):
    space = Space(
        [
            Dimension("depth", Kind.DEPTH, (1, 2)),
            *(Dimension(f"width{number}", Kind.WIDTH, (8, 16) if number == 0 else (8,)) for number in range(6)),
        ]
    )
    problem = Problem(space, (Objective("accuracy", Direction.MAXIMIZE), Objective("latency_ms", Direction.MINIMIZE)))
    result = run(problem, evaluate, CONFIG)
    assert {*_configs(result.searched), *_configs(result.baseline)} == set(space)
    assert len(evaluate.calls) == space.count()


@pytest.mark.parametrize("kind", ["nsga2", "random"])
def test_an_interrupted_search_ends_as_one_that_was_not(problem, evaluate, run, tmp_path, kind):
    config = SearchConfig(budget=24, searcher=kind, seed=1, together=3)
    whole = run(problem, evaluate, config)
    rng = random.Random(1)
    interruptions = 0

    def break_off(configs):
        nonlocal interruptions
        for outcome in evaluate(configs):
            if rng.random() < 0.25:
                interruptions += 1
                raise KeyboardInterrupt
            yield outcome

    result = None
    while result is None:
        try:
            result = run(problem, break_off, config, tmp_path / "broken.sqlite")
        except KeyboardInterrupt:
            continue
    assert interruptions >= 3
    assert result == whole


def test_a_larger_budget_goes_on_where_the_smaller_one_ended(problem, evaluate, run, tmp_path):
    longer = CONFIG.model_copy(update={"budget": 24})
    run(problem, evaluate, CONFIG, tmp_path / "study.sqlite")
    assert run(problem, evaluate, longer, tmp_path / "study.sqlite") == run(problem, evaluate, longer)


def _failing(evaluate, fails):
    """Return what evaluates as `evaluate` does, but cannot where `fails` says so."""

    def judge(configs):
        for config in configs:
            judge.calls.append(config)
            if fails(config):
                yield Failure(config, f"No time for width {config['width0']}.")
            else:
                yield from evaluate([config])

    judge.calls = []
    return judge


def test_a_member_that_cannot_be_evaluated_costs_its_trial_only(problem, evaluate, run, tmp_path):
    judge = _failing(evaluate, lambda config: config["width0"] in (16, 24))
    result = run(problem, judge, CONFIG, tmp_path / "study.sqlite")
    assert len(result.searched) == 12
    assert len(result.baseline) == 4
    assert result.failed
    assert {entry.config["width0"] for entry in result.failed} <= {16, 24}
    assert "No time for width" in result.failed[0].reason
    assert len(judge.calls) == len(set(judge.calls))
    # The failures are part of the study: a search that is over asks for nothing.
    before = len(judge.calls)
    assert run(problem, judge, CONFIG, tmp_path / "study.sqlite") == result
    assert len(judge.calls) == before


def test_a_search_whose_full_network_cannot_be_evaluated_ends(problem, space, evaluate, run):
    with pytest.raises(SuppleError, match="The search cannot go on: No time for width 64"):
        run(problem, _failing(evaluate, lambda config: config == space.max()), CONFIG)


def test_a_search_that_only_fails_ends(problem, space, evaluate, run):
    judge = _failing(evaluate, lambda config: config not in (space.max(), space.min()))
    with pytest.raises(SuppleError, match="The search cannot go on"):
        run(problem, judge, CONFIG)
    assert len(judge.calls) < 12


def test_a_figure_that_is_no_number_makes_its_member_fail(space):
    measures = {"accuracy": lambda config: float("nan") if config["width1"] > 40 else accuracy_of(config)}
    measures["accuracy"] = _nan_above(measures["accuracy"], space)
    result = search(space, config=CONFIG, measures=measures, costs={"macs": macs_of})
    assert result.failed
    assert all(entry.reason == "Its accuracy is nan." for entry in result.failed)
    assert all(np.isfinite(entry["accuracy"]) for entry in (*result.searched, *result.baseline))


def _nan_above(measure, space):
    return lambda config: accuracy_of(config) if config == space.max() else measure(config)


def test_the_baseline_is_a_quarter_and_costs_what_the_front_costs(space):
    config = CONFIG.model_copy(update={"budget": 80})
    result = search(space, config=config, measures={"accuracy": accuracy_of}, costs={"macs": macs_of})
    assert len(result.baseline) == 20
    for number, entry in enumerate(result.baseline):
        searched = result.searched[: searched_before(number, 0.25)]
        losses = np.array([[-found["accuracy"], found["macs"]] for found in searched])
        front = [found["macs"] for found, kept in zip(searched, nondominated(losses), strict=True) if kept]
        assert min(abs(entry["macs"] - cost) for cost in front) <= 0.1 * entry["macs"]


def test_where_precision_is_searched_the_baseline_has_the_bytes_of_the_front_too():
    widths = [Dimension(f"width{number}", Kind.WIDTH, tuple(range(8, 72, 8))) for number in range(4)]
    bits = [Dimension(f"layer{number}.bits", Kind.BITS, (8, 32)) for number in range(4)]

    def layers(config):
        return [(config[one.name], config[other.name]) for one, other in zip(widths, bits, strict=True)]

    costs = {
        "macs": lambda config: float(sum(width for width, _ in layers(config))),
        "weights_bytes": lambda config: float(sum(width * bits / 8 for width, bits in layers(config))),
    }

    # Rounding costs nothing here, and saves time, so the front is in few bits.
    measures = {"accuracy": lambda config: costs["macs"](config) ** 0.5, "time": costs["weights_bytes"]}
    config = SearchConfig(budget=60, searcher="stratified", objectives=["maximize accuracy", "minimize time"])
    found = search(Space([*widths, *bits]), config=config, measures=measures, costs=costs)
    in_eight = [entry for entry in found.baseline if entry["weights_bytes"] <= 1.3 * entry["macs"]]
    # Drawn layer by layer, one in sixteen would be.
    assert len(in_eight) > len(found.baseline) / 2
    assert len({entry.config for entry in found.baseline}) == len(found.baseline) == 15


def test_a_search_without_baseline_warns(problem, evaluate, run):
    with pytest.warns(UserWarning, match=r"no baseline.*To silence this, leave baseline_share"):
        result = run(problem, evaluate, CONFIG.model_copy(update={"baseline_share": 0}))
    assert len(result.searched) == 16
    assert not result.baseline


def test_a_search_whose_front_stops_growing_ends(space, evaluate, run):
    # Nothing is better than the largest member, and nothing cheaper than the smallest.
    problem = Problem(space, (Objective("macs", Direction.MINIMIZE),))
    result = run(problem, evaluate, SearchConfig(budget=200, patience=10, searcher="random"))
    assert len(result.searched) < 40


def test_each_seed_has_the_whole_budget_and_a_history_of_its_own(problem, evaluate, run):
    result = run(problem, evaluate, CONFIG.model_copy(update={"seeds": 2}))
    assert [entry.seed for entry in result.runs] == [1, 2]
    assert [len(entry.searched) for entry in result.runs] == [12, 12]
    assert result.runs[0].searched != result.runs[1].searched
    alone = run(problem, evaluate, CONFIG.model_copy(update={"seed": 2}))
    assert result.runs[1] == alone.runs[0]


def test_a_member_that_two_seeds_propose_is_evaluated_once(problem, evaluate, run):
    run(problem, evaluate, CONFIG.model_copy(update={"seeds": 3}))
    assert len(evaluate.calls) == len(set(evaluate.calls))


@pytest.mark.parametrize("together", [3, 8])
def test_members_of_a_round_are_evaluated_together(problem, evaluate, run, together):
    sizes = []

    def judge(configs):
        sizes.append(len(configs))
        yield from evaluate(configs)

    run(problem, judge, CONFIG.model_copy(update={"budget": 40, "together": together}))
    assert max(sizes) == together
    assert sizes[0] == 2


def test_several_objectives_make_a_front_of_all_of_them(space):
    measures = {"accuracy": accuracy_of, "latency": time_ms_of}
    config = SearchConfig(budget=24, objectives=["accuracy", "minimize latency", "macs"], searcher="nsga2")
    result = search(space, config=config, measures=measures, costs={"macs": macs_of})
    assert [entry.figure for entry in result.problem.objectives] == ["accuracy", "latency", "macs"]
    assert len(result.front) > 2
    for member in result.front:
        assert not any(
            other["accuracy"] >= member["accuracy"]
            and other["latency"] <= member["latency"]
            and other["macs"] <= member["macs"]
            and other.figures != member.figures
            for other in result.searched
        )


def test_each_target_has_a_front_of_its_own(space, run):
    names = ["latency_ms on torch:cpu", "latency_ms on openvino:cpu"]
    objectives = [Objective("accuracy", Direction.MAXIMIZE), *(Objective(name, Direction.MINIMIZE) for name in names)]

    def judge(configs):
        for config in configs:
            # What is fast on one is slow on the other.
            figures = {names[0]: time_ms_of(config), names[1]: macs_of(config), "accuracy": accuracy_of(config)}
            yield Evaluation(config, figures)

    result = run(Problem(space, tuple(objectives)), judge, SearchConfig(budget=40, searcher="nsga2"))
    assert list(result.fronts) == ["torch:cpu", "openvino:cpu"]
    for target, front in result.fronts.items():
        best = min(front, key=lambda entry, name=f"latency_ms on {target}": entry.figures[name])
        assert best == front[0]
        points = [(entry.figures[f"latency_ms on {target}"], entry["accuracy"]) for entry in front]
        assert points == sorted(points)


def test_a_constraint_that_no_member_keeps_is_refused_before_any_is_evaluated(space):
    calls = []
    with pytest.raises(SuppleError, match=r'No member keeps "macs <= 100": the least found is 480, of '):
        search(
            space,
            config=SearchConfig(constraints=["macs <= 100"]),
            measures={"accuracy": calls.append},
            costs={"macs": macs_of},
        )
    assert not calls


def test_constraints_that_contradict_each_other_are_named(space):
    with pytest.raises(SuppleError, match=r'"macs <= 100" and "macs >= 200" contradict each other'):
        search(
            space,
            config=SearchConfig(constraints=["macs <= 100", "macs >= 200"]),
            measures={"accuracy": accuracy_of},
            costs={"macs": macs_of},
        )


def test_members_of_the_front_keep_the_constraints(space):
    config = SearchConfig(
        budget=40, constraints=["macs <= 5000", "latency <= 6"], objectives=["accuracy", "macs"], searcher="nsga2"
    )
    result = search(space, config=config, measures=MEASURES, costs={"macs": macs_of})
    assert result.front
    assert all(entry["macs"] <= 5000 and entry["latency"] <= 6 for entry in result.front)
    assert any(entry["latency"] > 6 for entry in result.searched)


def test_figures_of_the_caller_need_names_of_their_own(space):
    with pytest.raises(SuppleError, match='There is a figure "macs" already: give yours another name'):
        search(space, measures={"macs": macs_of}, costs={"macs": macs_of})
    with pytest.raises(SuppleError, match=r"A space without a family has no figures of its own: give measures="):
        search(space)


def test_the_front_holds_what_nothing_dominates(problem, evaluate, run):
    result = run(problem, evaluate, CONFIG)
    for member in result.front:
        assert not any(
            other["accuracy"] >= member["accuracy"]
            and other["latency_ms"] <= member["latency_ms"]
            and other.figures != member.figures
            for other in result.searched
        )


def test_small_medium_and_full_are_chosen(problem, space, evaluate, run):
    result = run(problem, evaluate, CONFIG.model_copy(update={"budget": 40}))
    chosen = choose_members(result)
    assert list(chosen) == ["small", "medium", "full"]
    assert chosen["full"].config == space.max()
    assert chosen["small"].config == result.front[0].config
    times = [entry["latency_ms"] for entry in chosen.values()]
    assert times == sorted(times)


def test_without_a_third_member_two_are_chosen(problem, space, evaluate):
    run = SeedResult(0, tuple(evaluate([space.max(), space.min()])), ())
    assert list(choose_members(SearchResult(problem, (run,)))) == ["small", "full"]


def test_an_evaluation_survives_json(space, evaluate):
    entry = next(evaluate([space.min()]))
    assert Evaluation.from_json(entry.to_json()) == entry


def test_a_failure_survives_json(space):
    failure = Failure(space.min(), "It was killed.")
    assert Failure.from_json(failure.to_json()) == failure
    with pytest.raises(SuppleError, match="This is no failure of a member"):
        Failure.from_json("[]")


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"config": 1}', "[" * 100_000])
def test_what_is_no_evaluation_is_refused(text):
    with pytest.raises(SuppleError, match=r"This is no (evaluation|config)"):
        Evaluation.from_json(text)


def test_costs_of_the_caller_are_known_of_any_member(space):
    known = as_known(space, macs_of)
    configs = [space.max(), space.min()]
    values = Problem(space, ()).values(configs)
    assert known(values).tolist() == [macs_of(config) for config in configs]
