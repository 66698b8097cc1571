"""Studies in their databases: what they are bound to, what of them is on the disk, and what is no study."""

import resource
import sqlite3
from dataclasses import replace

import pytest

from supple.errors import MissingExtraError, SuppleError
from supple.machine import describe_machine
from supple.searching import Failure, SearchConfig
from supple.searching.opening import opened_studies
from supple.searching.study import EVALUATION, Study, open_storage
from supple.space import Dimension, Kind, Space

CONFIG = SearchConfig(budget=16, searcher="random", seed=1)
SEARCH = "search 1"


def _study(problem, path, settings="settings"):
    return Study(open_storage(path), path, SEARCH, problem, settings)


def test_latencies_of_two_machines_are_not_mixed(problem, tmp_path):
    here, path = describe_machine(), tmp_path / "study.sqlite"
    _study(problem, path).claim_machines({"torch:cpu": here})
    _study(problem, path).claim_machines({"torch:cpu": replace(here, os="an update")})
    other = replace(here, cpu="A board")
    _study(problem, path).claim_machines({"openvino:cpu": other})
    with pytest.raises(SuppleError, match=r"another machine \(.*\) than this one \(A board.*go on there, or begin"):
        _study(problem, path).claim_machines({"torch:cpu": other})


def test_a_proposal_waits_until_it_is_told(problem, space, evaluate, tmp_path):
    study = _study(problem, tmp_path / "study.sqlite")
    study.propose(space.max(), 0)
    study.propose(space.min(), 1)
    again = _study(problem, tmp_path / "study.sqlite")
    assert [entry.config for entry in again.proposals()] == [space.max(), space.min()]
    assert not again.outcomes()
    (outcome,) = evaluate([space.min()])
    again.tell(again.proposals()[1].trial, outcome)
    assert study.outcomes() == [outcome]


def test_an_outcome_is_told_once(problem, space, evaluate, tmp_path):
    first, second = (_study(problem, tmp_path / "study.sqlite") for _ in range(2))
    first.propose(space.max(), 0)
    trial = first.proposals()[0].trial
    (outcome,) = evaluate([space.max()])
    first.tell(trial, outcome)
    second.tell(trial, Failure(space.max(), "It came too late."))
    assert first.outcomes() == second.outcomes() == [outcome]


def test_an_outcome_that_was_told_in_part_is_told_again(problem, space, evaluate, tmp_path):
    study = _study(problem, tmp_path / "study.sqlite")
    study.propose(space.max(), 0)
    (outcome,) = evaluate([space.max()])
    trial = study.proposals()[0].trial
    # As a process leaves it that is killed between the two.
    study.optuna._storage.set_trial_user_attr(trial, EVALUATION, outcome.to_json())
    assert not study.outcomes()
    study.tell(trial, outcome)
    assert study.outcomes() == [outcome]


def test_of_two_proposals_with_one_number_the_first_counts(problem, space, tmp_path):
    study = _study(problem, tmp_path / "study.sqlite")
    for config in (space.max(), space.min()):
        study.propose(config, 0)
    assert [entry.config for entry in study.proposals()] == [space.max()]


def test_a_study_of_another_space_or_other_settings_is_refused(problem, space, tmp_path):
    path = tmp_path / "study.sqlite"
    _study(problem, path)
    other = Space([Dimension("depth", Kind.DEPTH, (1, 2))])
    with pytest.raises(SuppleError, match=f"another space .{space.digest}, not {other.digest}"):
        _study(replace(problem, space=other), path)
    with pytest.raises(SuppleError, match="other settings"):
        _study(problem, path, "changed")


def test_a_file_that_is_no_database_is_refused(problem, tmp_path):
    path = tmp_path / "study.sqlite"
    path.write_bytes(b"not a database, but long enough to be read as one" * 100)
    with pytest.raises(SuppleError, match=r'The study ".*study.sqlite" cannot be used: file is not a database'):
        _study(problem, path)


def test_a_closed_study_is_one_file_and_was_written_durably(problem, evaluate, run, tmp_path):
    path = tmp_path / "study.sqlite"
    with opened_studies(problem, CONFIG, path) as opened:
        engine = opened.studies[SEARCH].optuna._storage._backend.engine
        with engine.connect() as connection:
            assert connection.exec_driver_sql("PRAGMA journal_mode").scalar() == "wal"
            assert connection.exec_driver_sql("PRAGMA synchronous").scalar() == 2
    run(problem, evaluate, CONFIG, path)
    assert [entry.name for entry in tmp_path.iterdir()] == ["study.sqlite"]
    with sqlite3.connect(path) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    connection.close()


@pytest.mark.parametrize("kilobytes", [60, 180, 220, 260])
def test_a_full_disk_ends_with_a_message_and_leaves_a_study_that_goes_on(problem, evaluate, run, tmp_path, kilobytes):
    path = tmp_path / "study.sqlite"
    whole = run(problem, evaluate, CONFIG)
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    try:
        resource.setrlimit(resource.RLIMIT_FSIZE, (1024 * kilobytes, limits[1]))
        with pytest.raises(SuppleError, match=r'^The study ".*study.sqlite" cannot be used: (disk|database or disk)'):
            run(problem, evaluate, CONFIG, path)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert run(problem, evaluate, CONFIG, path) == whole


def test_a_study_that_another_process_uses_can_be_closed(problem, evaluate, run, tmp_path):
    path = tmp_path / "study.sqlite"
    with opened_studies(problem, CONFIG, path):
        run(problem, evaluate, CONFIG, path)
    assert [entry.name for entry in tmp_path.iterdir()] == ["study.sqlite"]


def test_a_file_is_named_by_a_url_too(problem, evaluate, run, tmp_path):
    by_url = run(problem, evaluate, CONFIG, f"sqlite:///{tmp_path / 'study.sqlite'}")
    before = len(evaluate.calls)
    assert run(problem, evaluate, CONFIG, tmp_path / "study.sqlite") == by_url
    assert len(evaluate.calls) == before


@pytest.mark.parametrize("url", ["mysql://host/base", "sqlite://", "://", "sqlite:///:memory:"])
def test_a_url_of_no_study_is_refused(problem, url):
    with pytest.raises(SuppleError, match=r"is no place for a study: expected a path, sqlite:///FILE or postgresql://"):
        open_storage(url)


def test_a_server_that_is_not_there_is_told_without_the_password(problem, tmp_path):
    url = f"postgresql://someone:secret@/base?host={tmp_path}"
    with pytest.raises(SuppleError, match=r'The study "postgresql://someone:\*\*\*@.* cannot be used: ') as error:
        open_storage(url)
    assert "secret" not in str(error.value)


def test_a_server_needs_its_driver(monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(MissingExtraError, match=r'psycopg.*pip install "supple\[postgres\]"'):
        open_storage("postgresql://someone@host/base")
