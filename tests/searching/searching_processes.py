"""Searches in processes of their own, which leave behind what they evaluated: killed, and side by side.

`searching_processes.py killed FOLDER PLACE KILLS SEED` searches once to the end and once with kills at random moments,
and writes `kills.json`: for each kill how many outcomes were known before the attempt and after it, how many of those
known before were lost, and how many of them were evaluated again. `searching_processes.py together FOLDER PLACE
PROCESSES KILLS` lets several processes search one study, kills some of them and starts others in their place. Each
attempt is a child forked from this process, which has loaded everything: it is up in milliseconds.
"""

import json
import math
import os
import random
import signal
import sys
import time
import traceback
from collections.abc import Callable
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path

import sqlalchemy
from search_cases import evaluation_of, make_problem, make_space

from supple.progress import Silent
from supple.searching import SearchConfig
from supple.searching.engine import run_search
from supple.searching.opening import opened_studies
from supple.storage.database import open_database
from supple.storage.places import Place

TOGETHER = 4
# Long enough that several processes have something to do, short enough that kills fall between evaluations, too.
_EVALUATION_S = 0.03
# An attempt that is to be killed begins no more members, however fast the machine: so many kills never end a search.
_MEMBERS_A_KILL = 3
# So many kills come early: while the attempt opens the study, or before it has evaluated a member.
_EARLY_ONE_IN = 4
_EARLY_S = 0.3
_PATIENCE_S = 120


def config_of(kills: int) -> SearchConfig:
    """Return a search that is long enough for so many kills."""
    return SearchConfig(budget=max(24, _MEMBERS_A_KILL * kills), searcher="random", seed=3, together=TOGETHER)


@dataclass(frozen=True)
class Kill:
    """What was known before an attempt and after it was killed, and what of the former was lost or done again."""

    before: int
    after: int
    lost: int
    doubled: int
    is_early: bool


def attempt(place: str, config: SearchConfig, log: Path, result: Path, members: float = math.inf) -> None:
    """Search to the end; the log names what is evaluated, the result what came of the search.

    With a number of members, an attempt that is to be killed: it begins so many, and waits at the last one.
    """
    # Each dimension takes the database a while.
    problem = make_problem(make_space(widths=2))
    begun = 0

    def evaluate(configs):
        nonlocal begun
        for member in configs:
            with log.open("a") as file:
                file.write(f"{member.to_json()}\n")
            begun += 1
            time.sleep(_EVALUATION_S)
            if begun >= members:
                time.sleep(_PATIENCE_S)
            yield evaluation_of(member)

    with opened_studies(problem, config, place) as opened:
        found = run_search(problem, evaluate, opened, config, Silent())
    result.write_text(written(found))


def written(result) -> str:
    """Return what two searches that are the same have in common."""
    (run,) = result.runs
    return json.dumps([[entry.to_json() for entry in members] for members in (run.searched, run.baseline)])


def forked(work: Callable[[], None]) -> int:
    """Start a child that does the work and ends; return its process id."""
    child = os.fork()
    if child == 0:
        code = 1
        try:
            work()
            code = 0
        finally:
            # Not through the exit handlers, which are the parent's; an error is on its way to nobody.
            if code:
                traceback.print_exc()
            os._exit(code)
    return child


def status_of(child: int) -> int:
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def known_outcomes(place: str) -> dict[str, str]:
    """Return the outcomes in the database, by the member's name there; none while there is no such table."""
    engine = open_database(Place.of(place))
    try:
        if not sqlalchemy.inspect(engine).has_table("supple_claims"):
            return {}
        with engine.connect() as connection:
            rows = connection.execute(
                sqlalchemy.text("SELECT name, outcome FROM supple_claims WHERE outcome IS NOT NULL")
            )
            return dict(rows.all())
    finally:
        engine.dispose()


def evaluated(log: Path) -> list[str]:
    """Return what the processes of a log began to evaluate, in order; a line that a kill cut short is none."""
    text = log.read_text() if log.exists() else ""
    return [line for line in text.splitlines() if line.endswith("}")]


def kill_at_random(start: Callable[[], int], place: str, log: Path, rng: random.Random) -> Kill:
    """Start an attempt, and kill it: mostly after it has evaluated something, else as soon as it begins."""
    before = known_outcomes(place)
    done = {json.dumps(json.loads(outcome)["config"]) for outcome in before.values()}
    begun = len(evaluated(log))
    child = start()
    is_early = rng.randrange(_EARLY_ONE_IN) == 0
    patience = time.monotonic() + _PATIENCE_S
    while not is_early and len(evaluated(log)) < begun + 2:
        assert time.monotonic() < patience, "the attempt does nothing"
        time.sleep(0.002)
    time.sleep(rng.uniform(0, _EARLY_S if is_early else 2 * _EVALUATION_S))
    os.kill(child, signal.SIGKILL)
    assert status_of(child) == -signal.SIGKILL, "the attempt came to its end by itself"
    after = known_outcomes(place)
    lost = sum(after.get(name) != outcome for name, outcome in before.items())
    doubled = sum(json.dumps(json.loads(line)) in done for line in evaluated(log)[begun:])
    return Kill(len(before), len(after), lost, doubled, is_early)


def killed(folder: Path, place: str, kills: int, seed: int) -> None:
    """Search once without kills and once with them."""
    config, rng = config_of(kills), random.Random(seed)
    log = folder / "killed.log"
    assert status_of(forked(partial(attempt, None, config, folder / "whole.log", folder / "whole.json"))) == 0
    go = partial(attempt, place, config, log, folder / "killed.json")
    to_kill = partial(forked, partial(go, members=_MEMBERS_A_KILL))
    found = [asdict(kill_at_random(to_kill, place, log, rng)) for _ in range(kills)]
    assert status_of(forked(go)) == 0
    (folder / "kills.json").write_text(json.dumps(found))


def together(folder: Path, place: str, processes: int, kills: int) -> None:
    """Search once by one process, and once by several, of which some are killed and replaced."""
    config, rng = config_of(4 * kills), random.Random(kills)
    assert status_of(forked(partial(attempt, None, config, folder / "whole.log", folder / "whole.json"))) == 0
    logs = [folder / f"together{number}.log" for number in range(processes + kills)]
    starts = [partial(attempt, place, config, log, log.with_suffix(".json")) for log in logs]
    children = [forked(start) for start in starts[:processes]]
    for number, start in enumerate(starts[processes:], start=1):
        patience = time.monotonic() + _PATIENCE_S
        while len(known_outcomes(place)) <= number * config.budget // (kills + 2):
            assert time.monotonic() < patience, "the processes do nothing"
            time.sleep(0.01)
        victim = children.pop(rng.randrange(len(children)))
        os.kill(victim, signal.SIGKILL)
        assert status_of(victim) == -signal.SIGKILL, "the search came to its end: search longer for so many kills"
        children.append(forked(start))
    assert [status_of(child) for child in children] == [0] * processes


if __name__ == "__main__":
    {"killed": killed, "together": together}[sys.argv[1]](Path(sys.argv[2]), sys.argv[3], *map(int, sys.argv[4:]))
