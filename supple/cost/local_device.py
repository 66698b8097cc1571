"""This machine as a device: programs are measured in a process of their runtime, which is kept between measurements."""

from collections.abc import Callable, Generator
from functools import cached_property

from supple.cost.channel import Message
from supple.cost.child import Child
from supple.cost.device import MeasuringDevice
from supple.cost.patience import DEFAULT_LIMITS, Limits, Patience
from supple.cost.request import Kind, Request
from supple.machine import Machine, describe_machine
from supple.runtime.runtimes import backend_for
from supple.runtime.target import Device, Target


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

    def messages(self, request: Request, content_of: Callable[[str], bytes]) -> Generator[Message]:
        """Yield what the measuring process says to a request. Raises `TryError`."""
        child = self._ready_child()
        patience = Patience(request, self._limits)
        try:
            yield from self._conversation(child, request, patience, content_of)
        finally:
            if not patience.is_over:
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
            self._child = Child(self.target, self._limits, self._memory_bytes())
        return self._child

    def _memory_bytes(self) -> int:
        """Return the memory that the process may use, 0 where there is no limit."""
        if self._limits.memory_bytes is not None:
            return self._limits.memory_bytes
        # A GPU's driver reserves far more address space than there is memory, and uses little of it.
        return 0 if self.target.device in (Device.CUDA, Device.TENSORRT) else self.machine.memory_bytes

    def _conversation(
        self, child: Child, request: Request, patience: Patience, content_of: Callable[[str], bytes]
    ) -> Generator[Message]:
        child.send(request.to_json(), b"", patience.seconds)
        while not patience.is_over:
            message = child.receive(patience.seconds)
            patience.hear(message)
            yield message
            if patience.wanted and not patience.is_over:
                digest = patience.wanted[0]
                child.send({"kind": Kind.PROGRAM, "digest": digest}, content_of(digest), patience.seconds)
