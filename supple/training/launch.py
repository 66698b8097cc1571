"""Which of several processes this one is, as torchrun tells it by environment variables; no torch is needed to know."""

import os
from collections.abc import Mapping
from dataclasses import dataclass

from supple.errors import SuppleError

_NEEDED = ("RANK", "LOCAL_RANK", "MASTER_ADDR", "MASTER_PORT")


@dataclass(frozen=True)
class Launch:
    """One process of `world` that were started together; `rank` counts them, `local_rank` those on this machine."""

    rank: int = 0
    world: int = 1
    local_rank: int = 0
    local_world: int = 1

    @property
    def is_main(self) -> bool:
        """Whether this is the process that writes files and talks to the user."""
        return self.rank == 0

    @classmethod
    def from_environment(cls, environment: Mapping[str, str] | None = None) -> "Launch":
        """Read what torchrun has set (default: in this process's environment); a process of its own where it did not.

        Raises `SuppleError` where only a part is set, or anything but a number.
        """
        given = os.environ if environment is None else environment
        world = _number(given, "WORLD_SIZE", "1")
        if world == 1:
            return cls()
        missing = [name for name in _NEEDED if name not in given]
        if missing:
            raise SuppleError(
                f"WORLD_SIZE is {world}, but {missing[0]} is not set: start several processes with "
                f"torchrun --nproc-per-node {world} ..., or unset WORLD_SIZE."
            )
        local_world = _number(given, "LOCAL_WORLD_SIZE", str(world))
        return cls(_number(given, "RANK"), world, _number(given, "LOCAL_RANK"), local_world)

    def threads(self, cores: int, environment: Mapping[str, str] | None = None) -> int:
        """Return how many threads this process should take of a machine's cores, which the others there share.

        The user's OMP_NUM_THREADS holds for several processes; not 1, which torchrun sets where the user did not.
        """
        if self.local_world == 1:
            return cores
        chosen = (os.environ if environment is None else environment).get("OMP_NUM_THREADS", "1")
        if chosen.isdecimal() and int(chosen) > 1:
            return int(chosen)
        return max(1, cores // self.local_world)


def _number(environment: Mapping[str, str], name: str, default: str = "") -> int:
    text = environment.get(name, default)
    if not text.isdecimal():
        raise SuppleError(f'The environment variable {name} is "{text}": expected a whole number, as torchrun sets it.')
    return int(text)
