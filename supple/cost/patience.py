"""How long to wait for what a measuring process says next, and which message may come when."""

import math
import time
from dataclasses import dataclass, replace

from supple.cost.channel import Message
from supple.cost.request import Kind, Request
from supple.runtime.target import Runtime, Target

_MOST_TIMES_LONGER = 10
_ENDS = (Kind.ANSWER, Kind.REFUSED, Kind.FAILED)


class TryError(Exception):
    """One try failed; the text says what the other side did, as in "was killed"."""


@dataclass(frozen=True)
class Limits:
    """What a measuring process may take before it counts as lost.

    Seconds to start, to load one program and run it once, between two signs of life while it measures, and to wait for
    other measurements of a worker. `memory_bytes` is the memory that it may use (None: as much as the machine has).
    """

    starting_seconds: float = 120.0
    loading_seconds: float = 300.0
    silent_seconds: float = 60.0
    waiting_seconds: float = 3600.0
    memory_bytes: int | None = None


DEFAULT_LIMITS = Limits()
_COMPILING_SECONDS = 1800.0


def limits_for(target: Target) -> Limits:
    """Return the limits of a target where none are given: torch.compile takes minutes to load a program."""
    if target.runtime is Runtime.TORCH_COMPILE:
        return replace(DEFAULT_LIMITS, loading_seconds=_COMPILING_SECONDS)
    return DEFAULT_LIMITS


class Patience:
    """Follows one request's messages: `seconds` is how long to wait for the next, `hear` takes it.

    They are, in this order: a worker may say that it waits for its other measurements; what is wanted; each wanted
    program is loaded, or refused, which is the end; signs of life; the answer.
    """

    def __init__(self, request: Request, limits: Limits) -> None:
        self.wanted: list[str] | None = None
        """The programs that are still to be loaded, None before that is known."""
        self.is_over = False
        self._request = request
        self._limits = limits
        self._deadline = time.monotonic() + limits.waiting_seconds

    @property
    def seconds(self) -> float:
        """How long to wait for the next message."""
        most = self._limits.loading_seconds if self.wanted else self._limits.silent_seconds
        return max(0.0, min(most, self._deadline - time.monotonic()))

    def hear(self, message: Message) -> None:
        """Take a message. Raises `TryError` where it comes out of turn or too late."""
        kind = message.get("kind")
        if time.monotonic() > self._deadline:
            raise TryError("was busy for much longer than it was given")
        if kind in _ENDS and (self.wanted is not None or kind == Kind.FAILED):
            self.is_over = True
        elif kind == Kind.WAITING and self.wanted is None:
            pass
        elif kind == Kind.WANTED and self.wanted is None:
            self._want(_digests(message, self._request))
        elif kind == Kind.LOADED and self.wanted and message.get("digest") == self.wanted[0]:
            self._want(self.wanted[1:])
        elif kind != Kind.ALIVE or self.wanted != []:
            raise TryError("sent a message out of turn")

    def _want(self, digests: list[str]) -> None:
        self.wanted = digests
        # Slow programs run a few times each even where that takes longer than the effort says; not for ever.
        measuring = _MOST_TIMES_LONGER * (self._request.effort.max_seconds + self._limits.silent_seconds)
        self._deadline = math.inf if digests else time.monotonic() + measuring


def _digests(message: Message, request: Request) -> list[str]:
    """Return the digests that a process wants. Raises `TryError` where it asks for what it cannot lack."""
    digests = message.get("digests")
    if not isinstance(digests, list) or not all(isinstance(digest, str) for digest in digests):
        raise TryError("did not say which programs it lacks")
    if len(set(digests)) < len(digests) or not set(digests) <= set(request.digests):
        raise TryError("asked for programs that are none of this measurement")
    return digests
