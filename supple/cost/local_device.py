"""This machine as a device: programs are measured in a process of their runtime, which is kept between measurements."""

import time
from collections.abc import Callable, Iterator
from functools import cached_property

from supple.cost.channel import Message
from supple.cost.child import Child
from supple.cost.device import DEFAULT_LIMITS, Limits, MeasuringDevice, TryError
from supple.cost.request import Kind, Request
from supple.machine import Machine, describe_machine
from supple.runtime.runtimes import backend_for
from supple.runtime.target import Target

_MOST_TIMES_LONGER = 10


class LocalDevice(MeasuringDevice):
    """Measures on this machine, in a process of its own for the target."""

    def __init__(self, target: Target, limits: Limits = DEFAULT_LIMITS) -> None:
        """Check that the runtime is there; the process starts when it is first used.

        Raises `SuppleError` where this machine lacks the runtime, with what adds it.
        """
        backend_for(target)
        self.target = target
        self._limits = limits
        self._child: Child | None = None

    @cached_property
    def machine(self) -> Machine:
        """This machine."""
        return describe_machine()

    @property
    def runtime_version(self) -> str:
        """The version of the runtime, as the measuring process has it."""
        return self.tried(self._ready_child, "start").runtime_version

    @property
    def process_id(self) -> int | None:
        """The number of the measuring process, None where there is none."""
        return None if self._child is None else self._child.pid

    def messages(self, request: Request, content_of: Callable[[str], bytes]) -> Iterator[Message]:
        """Yield what the measuring process says to a request. Raises `TryError`."""
        child = self._ready_child()
        is_over = False
        try:
            for message in self._conversation(child, request, content_of):
                is_over = message.get("kind") in (Kind.ANSWER, Kind.REFUSED)
                yield message
        finally:
            if not is_over:
                self.reset()

    def reset(self) -> None:
        """End the measuring process; the next measurement starts another."""
        if self._child is not None:
            self._child.end()
            self._child = None

    def close(self) -> None:
        """End the measuring process."""
        self.reset()

    def _ready_child(self) -> Child:
        if self._child is None or not self._child.is_alive:
            self.reset()
            memory_bytes = self._limits.memory_bytes or self.machine.memory_bytes
            self._child = Child(self.target, self._limits, memory_bytes)
        return self._child

    def _conversation(self, child: Child, request: Request, content_of: Callable[[str], bytes]) -> Iterator[Message]:
        limits = self._limits
        child.send(request.to_json(), b"", limits.silent_seconds)
        wanted = child.receive(limits.silent_seconds, Kind.WANTED)
        for digest in _known(wanted.get("digests"), request):
            message: Message = {"kind": Kind.PROGRAM, "digest": digest}
            child.send(message, content_of(digest), limits.loading_seconds)
            message = child.receive(limits.loading_seconds, Kind.LOADED, Kind.REFUSED)
            yield message
            if message["kind"] == Kind.REFUSED:
                return
        # Slow programs are run a few times each even where that takes longer than the effort; not for ever.
        deadline = time.monotonic() + _MOST_TIMES_LONGER * (request.effort.max_seconds + limits.silent_seconds)
        while time.monotonic() < deadline:
            message = child.receive(limits.silent_seconds, Kind.ALIVE, Kind.ANSWER)
            yield message
            if message["kind"] == Kind.ANSWER:
                return
        raise TryError(f"measured for much longer than {request.effort.max_seconds:g} s")


def _known(digests: object, request: Request) -> list[str]:
    """Return the digests that the process wants. Raises `TryError` where it asks for what it cannot lack."""
    if not isinstance(digests, list) or len(set(map(str, digests))) < len(digests):
        raise TryError("did not say which programs it lacks")
    if any(digest not in request.digests for digest in digests):
        raise TryError("asked for a program that is none of this measurement")
    return digests
