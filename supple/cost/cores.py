"""Keep a process on some of the processor's cores, so that its threads do not wander while they are timed."""

import os
from collections.abc import Iterable
from pathlib import Path

_CPUS = Path("/sys/devices/system/cpu")


def pin(threads: int) -> tuple[int, ...]:
    """Keep this process, before it starts further threads, on as many cores as threads; return their numbers.

    Nothing is done, and no numbers are returned, where it has fewer cores than threads or the system has no such
    setting: then the system shares the cores out. The fastest cores come first, and of two threads of one core the
    second comes last. Of equal cores one is taken by this process's number, so that processes side by side spread.
    """
    if not hasattr(os, "sched_setaffinity"):
        return ()
    usable = sorted(os.sched_getaffinity(0))
    if threads > len(usable):
        return ()
    chosen = choose(usable, threads, turn=os.getpid())
    os.sched_setaffinity(0, chosen)
    return chosen


def choose(usable: Iterable[int], threads: int, turn: int = 0, cpus: Path = _CPUS) -> tuple[int, ...]:
    """Return the numbers of the cores to take, in order; `turn` says with which of several equal ones to begin."""
    ranks: dict[tuple[int, int], list[int]] = {}
    threads_of_core: dict[object, int] = {}
    for number in sorted(usable):
        core = (_number(cpus, number, "topology/physical_package_id", 0), _number(cpus, number, "topology/core_id", -1))
        sibling = 0 if core[1] < 0 else threads_of_core.get(core, 0)
        threads_of_core[core] = sibling + 1
        # `cpu_capacity` tells big from little cores on ARM; the highest frequency does where that is missing.
        speed = _number(cpus, number, "cpu_capacity", _number(cpus, number, "cpufreq/cpuinfo_max_freq", 0))
        ranks.setdefault((sibling, -speed), []).append(number)
    ordered: list[int] = []
    for rank in sorted(ranks):
        equal = ranks[rank]
        first = turn % len(equal)
        ordered += equal[first:] + equal[:first]
    return tuple(sorted(ordered[:threads]))


def _number(cpus: Path, number: int, name: str, default: int) -> int:
    try:
        return int((cpus / f"cpu{number}" / name).read_text())
    except (OSError, ValueError):
        return default
