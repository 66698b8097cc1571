"""Searching with a baseline in turn, on a study that survives its process."""

import random
import sqlite3
from dataclasses import replace

import pytest
import torch
from optuna.trial import TrialState

from supple.cost import MeasurementFailed
from supple.errors import SuppleError
from supple.machine import describe_machine
from supple.progress import Silent
from supple.runtime import parse_target
from supple.searching import Evaluation, Failure, SearchConfig, SearchResult, choose_members
from supple.searching.search import BASELINE_STUDY, SEARCH_STUDY, run_search
from supple.searching.study import EVALUATION, Study, close_storage, open_storage
from supple.searching.target_check import check_resolution
from supple.space import Dimension, Kind, Space

CONFIG = SearchConfig(evaluations=12, population=4, seed=1)


def _studies(space, path=None, settings="settings"):
    storage = open_storage(path)
    return {name: Study(storage, path, name, space, settings) for name in (SEARCH_STUDY, BASELINE_STUDY)}


def _search(space, evaluate, path=None, config=CONFIG):
    storage = open_storage(path)
    try:
        studies = {name: Study(storage, path, name, space, "settings") for name in (SEARCH_STUDY, BASELINE_STUDY)}
        return run_search(space, evaluate, studies, config, Silent())
    finally:
        close_storage(storage, path)


def test_no_config_is_evaluated_twice_and_both_get_the_same_number(space, evaluate):
    result = _search(space, evaluate)
    assert len(result.searched) == len(result.baseline) == 12
    assert len({entry.config for entry in result.searched}) == len({entry.config for entry in result.baseline}) == 12
    assert len(evaluate.calls) == len(set(evaluate.calls))


def test_the_corners_come_first_in_both(space, evaluate):
    result = _search(space, evaluate)
    for entries in (result.searched, result.baseline):
        assert [entry.config for entry in entries[:2]] == [space.max(), space.min()]


def test_a_space_smaller_than_the_budget_is_searched_whole(evaluate):
    space = Space(
        [
            Dimension("depth", Kind.DEPTH, (1, 2)),
            *(Dimension(f"width{number}", Kind.WIDTH, (8, 16) if number == 0 else (8,)) for number in range(6)),
        ]
    )
    result = _search(space, evaluate)
    assert {entry.config for entry in result.searched} == set(space)


def test_an_interrupted_search_ends_as_one_that_was_not(space, evaluate, tmp_path):
    whole = _search(space, evaluate, tmp_path / "whole.sqlite")
    rng = random.Random(0)
    interruptions = 0

    def break_off(config):
        nonlocal interruptions
        if rng.random() < 0.3:
            interruptions += 1
            raise KeyboardInterrupt
        return evaluate(config)

    result = None
    while result is None:
        try:
            result = _search(space, break_off, tmp_path / "broken.sqlite")
        except KeyboardInterrupt:
            continue
    assert interruptions >= 3
    assert result == whole


def _failing(evaluate, fails):
    """Return what evaluates as `evaluate` does, but cannot measure where `fails` says so."""

    def judge(config):
        judge.calls.append(config)
        if fails(config):
            raise MeasurementFailed(f"No time for width {config['width0']}.", ["it was killed"])
        return evaluate(config)

    judge.calls = []
    return judge


def test_a_member_that_cannot_be_measured_costs_its_trial_only(space, evaluate, tmp_path):
    judge = _failing(evaluate, lambda config: config["width0"] in (16, 24))
    result = _search(space, judge, tmp_path / "study.sqlite")
    assert len(result.searched) == len(result.baseline) == 12
    assert result.failed
    assert {entry.config["width0"] for entry in result.failed} <= {16, 24}
    assert "No time for width" in result.failed[0].reason
    assert len(judge.calls) == len(set(judge.calls))
    # The failures are part of the study: a search that is over asks for nothing.
    before = len(judge.calls)
    assert _search(space, judge, tmp_path / "study.sqlite") == result
    assert len(judge.calls) == before


def test_a_search_whose_full_network_cannot_be_measured_ends(space, evaluate):
    with pytest.raises(SuppleError, match="The search cannot go on: No time for width 64"):
        _search(space, _failing(evaluate, lambda config: config == space.max()))


def test_a_search_that_only_fails_ends(space, evaluate):
    judge = _failing(evaluate, lambda config: config not in (space.max(), space.min()))
    with pytest.raises(SuppleError, match="The search cannot go on"):
        _search(space, judge)
    assert len(judge.calls) < 12


def test_latencies_of_two_machines_are_not_mixed(space, tmp_path):
    here, path = describe_machine(), tmp_path / "study.sqlite"
    _studies(space, path)[SEARCH_STUDY].claim_machine(here)
    _studies(space, path)[SEARCH_STUDY].claim_machine(replace(here, os="an update"))
    with pytest.raises(SuppleError, match=r"another machine \(.*\) than this one \(A board.*go on there, or begin"):
        _studies(space, path)[SEARCH_STUDY].claim_machine(replace(here, cpu="A board"))


def test_a_trial_that_was_evaluated_but_not_told_counts(space, evaluate, tmp_path):
    path = tmp_path / "study.sqlite"
    study = _studies(space, path)[SEARCH_STUDY]
    trial = study.optuna.ask({})
    trial.set_user_attr(EVALUATION, evaluate(space.min()).to_json())
    again = _studies(space, path)[SEARCH_STUDY]
    assert [entry.config for entry in again.outcomes()] == [space.min()]
    assert not again.optuna.get_trials(states=(TrialState.RUNNING, TrialState.WAITING))


def test_a_study_of_another_space_or_other_settings_is_refused(space, evaluate, tmp_path):
    path = tmp_path / "study.sqlite"
    _studies(space, path)
    other = Space([Dimension("depth", Kind.DEPTH, (1, 2))])
    with pytest.raises(SuppleError, match=f"another space .{space.digest}, not {other.digest}"):
        _studies(other, path)
    with pytest.raises(SuppleError, match="other settings"):
        _studies(space, path, "changed")


def test_a_file_that_is_no_database_is_refused(space, tmp_path):
    path = tmp_path / "study.sqlite"
    path.write_bytes(b"not a database, but long enough to be read as one" * 100)
    with pytest.raises(SuppleError, match=r'The study ".*study.sqlite" cannot be used: file is not a database'):
        _studies(space, path)


def test_a_closed_study_is_one_file_and_was_written_durably(space, evaluate, tmp_path):
    path = tmp_path / "study.sqlite"
    storage = open_storage(path)
    with storage.engine.connect() as connection:
        assert connection.exec_driver_sql("PRAGMA journal_mode").scalar() == "wal"
        assert connection.exec_driver_sql("PRAGMA synchronous").scalar() == 2
    close_storage(storage, path)
    _search(space, evaluate, path)
    assert [entry.name for entry in tmp_path.iterdir()] == ["study.sqlite"]
    with sqlite3.connect(path) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    connection.close()


def test_the_front_holds_what_nothing_dominates(space, evaluate):
    result = _search(space, evaluate)
    for member in result.front:
        assert not any(
            other.accuracy >= member.accuracy
            and other.latency.median_ms <= member.latency.median_ms
            and other.point != member.point
            for other in result.searched
        )


def test_small_medium_and_full_are_chosen(space, evaluate):
    result = _search(space, evaluate, config=SearchConfig(evaluations=40, population=8))
    chosen = choose_members(result)
    assert list(chosen) == ["small", "medium", "full"]
    assert chosen["full"].config == space.max()
    assert chosen["small"].config == result.front[0].config
    times = [entry.latency.median_ms for entry in chosen.values()]
    assert times == sorted(times)


def test_without_a_third_member_two_are_chosen(space, evaluate):
    result = SearchResult((evaluate(space.max()), evaluate(space.min())), ())
    assert list(choose_members(result)) == ["small", "full"]


def test_an_evaluation_survives_json(space, evaluate):
    entry = evaluate(space.min())
    assert Evaluation.from_json(entry.to_json()) == entry


@pytest.mark.parametrize("shape", [(8, 3, 28, 28), (8, 96)])
def test_latency_and_accuracy_are_those_of_one_resolution(shape):
    check_resolution(parse_target("onnxruntime:cpu"), torch.zeros(shape))
    check_resolution(parse_target("onnxruntime:cpu?resolution=28"), torch.zeros(8, 3, 28, 28))
    with pytest.raises(SuppleError, match="measures latency at a height of 96 pixels, but accuracy is that of data of"):
        check_resolution(parse_target("onnxruntime:cpu?resolution=96"), torch.zeros(shape))


def test_a_failure_survives_json(space):
    failure = Failure(space.min(), "It was killed.")
    assert Failure.from_json(failure.to_json()) == failure
    with pytest.raises(SuppleError, match="This is no failure of a member"):
        Failure.from_json("[]")


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"config": 1}', "[" * 100_000])
def test_what_is_no_evaluation_is_refused(text):
    with pytest.raises(SuppleError, match=r"This is no (evaluation|config)"):
        Evaluation.from_json(text)
