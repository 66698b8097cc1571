"""Which process something belongs to, and whether it is alive: its number and its start tell, or a sign of life."""

import os
import threading
import uuid
from collections.abc import Callable
from dataclasses import dataclass

from supple.searching.process_facts import started, this_system

HEARTBEAT_SECONDS = 5.0
LEASE_SECONDS = 30.0
"""A process of another machine that gave no sign of life for so long is taken for dead."""

_ACTIVE_HERE: set[str] = set()
"""The names of the owners of this process that have not retired."""


@dataclass(frozen=True)
class Owner:
    """A process: what it calls itself, the system that it runs under, its number there, and when it was started."""

    name: str
    system: str
    pid: int
    started: str

    @classmethod
    def this_process(cls) -> "Owner":
        """Return a new owner, which dies with this process, or when it retires."""
        owner = cls(uuid.uuid4().hex, this_system(), os.getpid(), started(os.getpid()))
        _ACTIVE_HERE.add(owner.name)
        return owner

    def retire(self) -> None:
        """End before the process does."""
        _ACTIVE_HERE.discard(self.name)

    def is_alive(self, seconds_silent: float) -> bool:
        """Say whether the process may still be at work, which gave no sign of life for so many seconds."""
        if self.system == this_system():
            is_here = self.pid == os.getpid()
            return started(self.pid) == self.started and (not is_here or self.name in _ACTIVE_HERE)
        return seconds_silent < LEASE_SECONDS


class Heartbeat:
    """Calls a function every few seconds, in a thread of its own, until it is stopped."""

    def __init__(self, beat: Callable[[], None]) -> None:
        self._beat = beat
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._go, name="supple-heartbeat", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Stop, and wait until it has stopped."""
        self._stopped.set()
        self._thread.join()

    def _go(self) -> None:
        while not self._stopped.wait(HEARTBEAT_SECONDS):
            self._beat()
