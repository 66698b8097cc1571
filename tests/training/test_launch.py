"""What torchrun tells a process about itself."""

import pytest

from supple.errors import SuppleError
from supple.training.launch import Launch

STARTED = {
    "WORLD_SIZE": "4",
    "RANK": "3",
    "LOCAL_RANK": "1",
    "LOCAL_WORLD_SIZE": "2",
    "MASTER_ADDR": "a",
    "MASTER_PORT": "1",
}


def test_torchrun_is_understood():
    launch = Launch.from_environment(STARTED)
    assert launch == Launch(rank=3, world=4, local_rank=1, local_world=2)
    assert not launch.is_main
    assert Launch.from_environment({**STARTED, "RANK": "0"}).is_main


@pytest.mark.parametrize("environment", [{}, {"WORLD_SIZE": "1", "RANK": "0"}])
def test_a_process_of_its_own(environment):
    assert Launch.from_environment(environment) == Launch(0, 1, 0, 1)


def test_half_an_environment_is_refused():
    with pytest.raises(SuppleError) as caught:
        Launch.from_environment({"WORLD_SIZE": "2", "RANK": "0", "LOCAL_RANK": "0"})
    assert str(caught.value) == (
        "WORLD_SIZE is 2, but MASTER_ADDR is not set: start several processes with torchrun --nproc-per-node 2 ..., "
        "or unset WORLD_SIZE."
    )


def test_what_is_no_number_is_refused():
    with pytest.raises(SuppleError) as caught:
        Launch.from_environment({**STARTED, "RANK": "first"})
    assert str(caught.value) == (
        'The environment variable RANK is "first": expected a whole number, as torchrun sets it.'
    )


@pytest.mark.parametrize(
    ("local_world", "chosen", "threads"), [(1, "1", 8), (2, "1", 4), (3, "1", 2), (16, "1", 1), (2, "3", 3), (2, "", 4)]
)
def test_processes_on_one_machine_share_its_cores(local_world, chosen, threads):
    launch = Launch(world=16, local_world=local_world)
    assert launch.threads(8, {"OMP_NUM_THREADS": chosen}) == threads
