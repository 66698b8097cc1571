"""Tests of the choice of cores: the fastest, no two threads of one core, and not always the same ones."""

import os

import pytest

from supple.cost.cores import choose, pin


def processor(folder, cores, name="cpu_capacity"):
    """Lay out a processor as Linux shows it: the physical core and the speed of each of its numbers."""
    for number, (core, speed) in enumerate(cores):
        place = folder / f"cpu{number}"
        (place / "topology").mkdir(parents=True)
        (place / "topology/physical_package_id").write_text("0\n")
        (place / "topology/core_id").write_text(f"{core}\n")
        file = place / name
        file.parent.mkdir(exist_ok=True)
        file.write_text(f"{speed}\n")
    return folder


@pytest.mark.parametrize("name", ["cpu_capacity", "cpufreq/cpuinfo_max_freq"])
def test_the_fastest_cores_come_first(tmp_path, name):
    cpus = processor(tmp_path, [(0, 400), (1, 400), (2, 1024), (3, 1024)], name)
    assert choose(range(4), 2, cpus=cpus) == (2, 3)
    assert choose(range(4), 3, cpus=cpus) == (0, 2, 3)


def test_the_second_thread_of_a_core_comes_last(tmp_path):
    cpus = processor(tmp_path, [(0, 1), (1, 1), (0, 1), (1, 1)])
    assert choose(range(4), 2, cpus=cpus) == (0, 1)
    assert choose(range(4), 3, cpus=cpus) == (0, 1, 2)


def test_only_usable_cores_are_taken(tmp_path):
    cpus = processor(tmp_path, [(0, 1), (1, 1), (2, 9)])
    assert choose([0, 1], 1, cpus=cpus) == (0,)


def test_equal_cores_take_turns(tmp_path):
    cpus = processor(tmp_path, [(0, 1), (1, 1), (2, 1)])
    assert {choose(range(3), 1, turn=turn, cpus=cpus) for turn in range(6)} == {(0,), (1,), (2,)}
    assert choose(range(3), 2, turn=2, cpus=cpus) == (0, 2)


def test_a_system_that_does_not_tell_its_cores_is_taken_as_it_counts_them(tmp_path):
    assert choose([4, 5, 6], 2, cpus=tmp_path) == (4, 5)


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="the system has no such setting")
def test_a_process_is_kept_on_its_cores_unless_it_has_too_few():
    usable = os.sched_getaffinity(0)
    try:
        assert pin(len(usable) + 1) == ()
        assert os.sched_getaffinity(0) == usable
        (core,) = pin(1)
        assert os.sched_getaffinity(0) == {core}
    finally:
        os.sched_setaffinity(0, usable)
