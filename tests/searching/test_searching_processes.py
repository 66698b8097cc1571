"""Searches that are killed at any moment, and several that share one study: nothing is lost, nothing done twice."""

import json
import secrets
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest
from searching_processes import evaluated

HERE = Path(__file__).parent


def run_processes(what, folder, place, *numbers):
    done = subprocess.run(
        [sys.executable, "searching_processes.py", what, str(folder), str(place), *map(str, numbers)],
        cwd=HERE, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr


def check_killed(folder, place, kills):
    seed = secrets.randbelow(2**32)
    print(f"seed {seed}")
    run_processes("killed", folder, place, kills, seed)
    found = json.loads((folder / "kills.json").read_text())
    assert len(found) == kills
    assert all(kill["lost"] == 0 and kill["doubled"] == 0 for kill in found), found
    assert any(kill["after"] > kill["before"] for kill in found)
    assert (folder / "killed.json").read_text() == (folder / "whole.json").read_text()


def check_together(folder, place, processes, kills):
    run_processes("together", folder, place, processes, kills)
    whole = (folder / "whole.json").read_text()
    finished = [path.read_text() for path in folder.glob("together*.json")]
    assert finished == [whole] * processes
    calls = Counter(line for path in folder.glob("together*.log") for line in evaluated(path))
    assert set(calls) == set(evaluated(folder / "whole.log"))
    # A member that a killed process was at is evaluated again, and no other.
    assert sum(calls.values()) - len(calls) <= kills
    assert sum(bool(evaluated(path)) for path in folder.glob("together*.log")) > 1


def test_a_killed_search_loses_nothing_and_ends_as_one_that_was_not(tmp_path):
    check_killed(tmp_path, tmp_path / "study.sqlite", 10)


@pytest.mark.slow
def test_a_search_that_is_killed_hundreds_of_times_ends_as_one_that_was_not(tmp_path):
    check_killed(tmp_path, tmp_path / "study.sqlite", 200)


def test_processes_that_share_a_study_may_be_killed(tmp_path):
    check_together(tmp_path, tmp_path / "study.sqlite", 4, 2)


@pytest.mark.slow
def test_many_processes_that_share_a_study_may_be_killed(tmp_path):
    check_together(tmp_path, tmp_path / "study.sqlite", 8, 20)
