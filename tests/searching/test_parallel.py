"""Members that are evaluated in parallel processes have the figures that they have in one, whatever befalls those."""

import signal
from collections import Counter
from dataclasses import dataclass

import pytest
import torch
from parallel_cases import EndingItsProcess, FailingWhereItIsRead, Refusing, Scored, TinyNet, batches
from search_cases import make_space

from supple import search
from supple.errors import SuppleError
from supple.family import convert
from supple.searching import Failure, SearchConfig
from supple.searching.parallel import TRIES, Workers


@dataclass(frozen=True)
class Trouble:
    """What came of members of which some end their process, or stop it, and how often each was tried, by width."""

    found: dict[int, float | Failure]
    tries: dict[int, int]


@pytest.fixture(scope="module")
def trouble(tmp_path_factory):
    folder = tmp_path_factory.mktemp("trouble")
    space = make_space()
    configs = [space.config({"width0": width}) for width in (8, 16, 24, 32, 40, 48)]
    signals = {16: (signal.SIGSTOP, 1), 24: (signal.SIGKILL, 1000), 40: (signal.SIGKILL, 1)}
    workers = Workers(Scored(folder, signals), 2, patience_seconds=2.0)
    try:
        found = workers(configs)
    finally:
        workers.close()
    tries = Counter(int(path.name.partition("-")[0]) for path in folder.iterdir())
    return Trouble({config["width0"]: entry for config, entry in zip(configs, found, strict=True)}, tries)


def test_a_search_has_the_same_history_with_any_number_of_workers():
    torch.manual_seed(0)
    family = convert(TinyNet(), torch.randn(2, 1, 8, 8))
    config = SearchConfig(
        budget=8, objectives=["accuracy", "macs"], searcher="random", together=4, seconds_per_latency=0.001
    )
    data = batches(4, seed=1), batches(4, seed=2)
    found = [search(family, *data, config.model_copy(update={"workers": workers})) for workers in (1, 3)]
    assert [entry["accuracy"] for entry in found[0].searched] == [entry["accuracy"] for entry in found[1].searched]
    assert found[0].searched[0].config == found[1].searched[0].config == family.space.max()
    assert [entry.config for entry in found[0].baseline] == [entry.config for entry in found[1].baseline]


def test_members_in_the_company_of_those_that_end_their_process_are_evaluated(trouble):
    assert {width: trouble.found[width] for width in (8, 32, 48)} == {8: 8.0, 32: 32.0, 48: 48.0}


def test_a_member_whose_process_is_killed_once_is_tried_again(trouble):
    assert trouble.found[40] == 40
    assert trouble.tries[40] == 1


def test_a_member_whose_process_hangs_is_tried_again(trouble):
    assert trouble.found[16] == 16
    assert trouble.tries[16] == 1


def test_a_member_whose_process_is_killed_each_time_fails_with_the_reason(trouble):
    assert trouble.found[24].reason == "Evaluating it failed 3 times: the process was ended by SIGKILL."
    # The first time its process was stopped before it came to this member.
    assert trouble.tries[24] == TRIES - 1


@pytest.mark.parametrize(
    ("error", "message"),
    [
        ("SuppleError", "^There is no data.$"),
        ("ValueError", "A member cannot be evaluated: ValueError: This is a mistake."),
    ],
)
def test_a_mistake_is_told_as_without_processes(space, error, message):
    workers = Workers(Refusing(error), 1)
    try:
        with pytest.raises(SuppleError, match=message):
            workers([space.max()])
    finally:
        workers.close()


def test_what_cannot_be_sent_is_refused():
    with pytest.raises(SuppleError, match=r"cannot be sent to another process \(.*lambda.*or give workers=1"):
        Workers(lambda configs: [], 1)
    with pytest.raises(
        SuppleError, match=r"cannot be sent to another process \(AttributeError: there is no such class"
    ):
        Workers(FailingWhereItIsRead(), 1)


def test_a_process_that_cannot_start_is_told():
    with pytest.raises(SuppleError, match=r'ended with status 3 as it started.*if __name__ == "__main__"'):
        Workers(EndingItsProcess(), 1)


def test_more_workers_than_members_in_a_round_are_refused():
    family = convert(TinyNet(), torch.randn(2, 1, 8, 8))
    config = SearchConfig(budget=16, objectives=["accuracy", "macs"], searcher="random", together=4, workers=5)
    with pytest.raises(SuppleError, match=r"5 workers have no use: .* rounds of 4.*Give workers=4, or together=5"):
        search(family, batches(1, seed=1), batches(1, seed=2), config)


def test_a_space_has_no_use_for_workers(space):
    with pytest.raises(SuppleError, match=r"The measures of a space run in this process.*Leave workers at 1"):
        search(space, config=SearchConfig(workers=2), measures={"accuracy": float})
