"""Claims: nobody evaluates what another process is at that is alive, and what the dead were at is free."""

import os
import signal
import time
from dataclasses import replace

import pytest
import sqlalchemy

from supple.searching import Failure
from supple.searching.ledger import DatabaseLedger
from supple.searching.owners import LEASE_SECONDS, Owner
from supple.storage.database import close_database, open_database
from supple.storage.places import Place


@pytest.fixture
def place(tmp_path):
    return Place.of(tmp_path / "study.sqlite")


@pytest.fixture
def opened(place):
    """Return a function that opens the ledger once more."""
    held = []

    def open_ledger():
        engine = open_database(place)
        held.append((engine, DatabaseLedger(engine, place)))
        return held[-1][1]

    yield open_ledger
    for engine, ledger in held:
        ledger.close()
        close_database(engine, place)


@pytest.fixture
def configs(space):
    return [space.config({"width0": width}) for width in (8, 16, 24, 32)]


def test_each_takes_its_share_and_nothing_twice(opened, configs):
    first, second = opened(), opened()
    taken = first.claim(configs)
    assert len(taken) == 2
    assert set(second.claim(configs)) == set(configs) - set(taken)
    assert first.claim(configs) == second.claim(configs) == []


def test_the_first_outcome_stands(opened, configs, evaluate):
    first, second = opened(), opened()
    (outcome,) = evaluate(configs[:1])
    assert first.settle(outcome) == outcome
    assert second.settle(Failure(configs[0], "It came too late.")) == outcome
    assert second.known(configs) == {configs[0]: outcome}


def test_what_a_closed_ledger_had_claimed_is_free_again(opened, configs):
    first = opened()
    first.claim(configs)
    first.close()
    assert opened().claim(configs) == configs


def test_a_failure_is_read_back(opened, configs):
    failure = Failure(configs[0], "It was killed.")
    opened().settle(failure)
    assert opened().known(configs) == {configs[0]: failure}


def test_what_a_killed_process_was_at_is_free_at_once(place, opened, configs):
    ledger = opened()
    child = os.fork()
    if child == 0:
        other = DatabaseLedger(open_database(place), place)
        other.claim(configs)
        other.lock("proposing")
        signal.pause()
    while len(_claimed(place)) < 3:
        time.sleep(0.01)
    # It lives: its share and its lock are its own.
    assert len(ledger.claim(configs)) == 2
    assert not ledger.lock("proposing")
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    assert len(ledger.claim(configs)) == 2
    assert ledger.lock("proposing")


def _claimed(place):
    engine = open_database(place)
    with engine.connect() as connection:
        rows = connection.execute(sqlalchemy.text("SELECT name FROM supple_claims")).all()
    engine.dispose()
    return rows


def test_a_lock_has_one_holder(opened):
    first, second = opened(), opened()
    assert first.lock("proposing")
    assert not second.lock("proposing")
    first.unlock("proposing")
    assert second.lock("proposing")


def test_a_process_is_told_by_its_number_and_its_start():
    owner = Owner.this_process()
    assert owner.is_alive(seconds_silent=1e9)
    assert not replace(owner, started="long ago").is_alive(0)
    owner.retire()
    assert not owner.is_alive(0)


def test_a_process_of_another_machine_is_told_by_its_signs_of_life():
    owner = replace(Owner.this_process(), system="another machine")
    assert owner.is_alive(LEASE_SECONDS / 2)
    assert not owner.is_alive(LEASE_SECONDS * 2)


def test_qualities_outlive_their_process(opened, configs):
    opened().note_qualities({configs[0]: 0.1 + 0.2, configs[1]: 0.5})
    assert opened().qualities(configs) == {configs[0]: 0.1 + 0.2, configs[1]: 0.5}
