"""Devices that measure: where a target's programs run and are timed, this machine or another one.

Measuring never happens in the process that asks. What measures may die, hang or lie: that costs a try, never a wrong
figure. This file alone decides how often it is tried.
"""

import time
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Callable, Generator, Sequence
from types import TracebackType
from typing import Self, TypeVar

from supple.cost.answer import LieError, checked_energies, checked_latencies
from supple.cost.channel import Message
from supple.cost.energy import Energy, NoCounter
from supple.cost.latency import DEFAULT_EFFORT, Effort, Latency
from supple.cost.patience import Limits, TryError, limits_for
from supple.cost.request import Kind, Quantity, Request
from supple.errors import SuppleError
from supple.machine import Machine
from supple.runtime.program import Program
from supple.runtime.runtimes import BACKENDS
from supple.runtime.target import Target

TRIES = 3

T = TypeVar("T")


class MeasurementFailed(SuppleError):  # noqa: N818 - it says what happened
    """A measurement failed; `reasons` has one entry for each try."""

    def __init__(self, message: str, reasons: Sequence[str]) -> None:
        super().__init__(message)
        self.reasons = tuple(reasons)


class ProgramRefused(MeasurementFailed):
    """The device said that it cannot measure a program, with this `digest`: no further try would change that."""

    def __init__(self, message: str, reason: str, digest: str) -> None:
        super().__init__(message, [reason])
        self.digest = digest


class MeasuringDevice(ABC):
    """Measures the programs of one target, one measurement at a time; close it, or use it in a `with` statement.

    A subclass says how one try goes (`messages`) and what must be thrown away when it went wrong (`reset`).
    """

    target: Target

    @property
    @abstractmethod
    def machine(self) -> Machine:
        """The machine that measures. Raises `MeasurementFailed` where it cannot be asked."""

    @property
    @abstractmethod
    def runtime_version(self) -> str:
        """The version of the runtime there. Raises `MeasurementFailed` where it cannot be asked."""

    @abstractmethod
    def messages(self, request: Request, content_of: Callable[[str], bytes]) -> Generator[Message]:
        """Yield what the other side says to a request; the last message is the one that ends it.

        `content_of` gives the content of a program by its digest. Raises `TryError`. Whoever stops reading closes the
        iterator, which ends the measurement.
        """

    @abstractmethod
    def reset(self) -> None:
        """Give up what is left of a try that went wrong."""

    @abstractmethod
    def close(self) -> None:
        """End what measures. Doing it twice does no harm."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def measure(
        self,
        reference: Program | None,
        programs: Sequence[Program],
        effort: Effort,
        reference_ms: float | None = None,
    ) -> list[Latency]:
        """Measure how long programs take for one batch, in interleaved rounds with a reference.

        Latencies are as if the reference took `reference_ms` in each round, by default what it takes in these rounds;
        without a reference they are what they are.
        Raises `ProgramRefused` where a program cannot run there, `MeasurementFailed` with the reasons where three tries
        failed, `SuppleError` where there is nothing to measure or a program has another runtime's form.
        """
        digests = tuple(program.digest for program in programs)
        unit = None if reference is None else reference.digest
        request = Request(self.target, unit, digests, effort, reference_ms)
        given = programs if reference is None else (reference, *programs)
        return self._asked(request, given, checked_latencies)

    def measure_energy(self, programs: Sequence[Program]) -> list[Energy] | NoCounter:
        """Measure the energy that programs take for one batch, or return why that machine cannot tell.

        Raises as `measure` does.
        """
        digests = tuple(program.digest for program in programs)
        request = Request(self.target, None, digests, DEFAULT_EFFORT, None, quantity=Quantity.ENERGY)
        return self._asked(request, programs, lambda answer, asked, _: checked_energies(answer, asked))

    def _asked(
        self, request: Request, programs: Sequence[Program], checked: Callable[[Message, Request, float], T]
    ) -> T:
        """Return what `checked` makes of the answer, the request, and the seconds that it took."""
        if not request.programs:
            raise SuppleError("There is nothing to measure: give at least one model.")
        expected = BACKENDS[self.target.runtime].format
        for program in programs:
            if program.format is not expected:
                raise SuppleError(f'Target "{self.target}" runs programs of the form {expected}, not {program.format}.')
        contents = {program.digest: program.content for program in programs}
        return self.tried(lambda: self._ask_once(request, contents.__getitem__, checked), "measure")

    def tried(self, action: Callable[[], T], verb: str) -> T:
        """Return what an action returns, tried up to three times. Raises `MeasurementFailed` with the reasons."""
        reasons: list[str] = []
        for _ in range(TRIES):
            try:
                return action()
            except (TryError, LieError) as error:
                reasons.append(str(error))
                self.reset()
        told = "; ".join(f"{number}. it {reason}" for number, reason in enumerate(reasons, start=1))
        raise MeasurementFailed(f'Target "{self.target}" did not {verb} in {TRIES} tries: {told}.', reasons)

    def _ask_once(
        self,
        request: Request,
        content_of: Callable[[str], bytes],
        checked: Callable[[Message, Request, float], T],
    ) -> T:
        tried = request.renewed()
        start = time.monotonic()
        (last,) = deque(self.messages(tried, content_of), maxlen=1) or ({},)
        kind = last.get("kind")
        if kind == Kind.ANSWER:
            return checked(last, tried, time.monotonic() - start)
        if kind == Kind.REFUSED:
            raise self._refusal(last, tried)
        if kind == Kind.FAILED:
            raise TryError(f"said: {_one_line(last.get('reason'))}")
        raise TryError("stopped without an answer")

    def _refusal(self, message: Message, request: Request) -> ProgramRefused:
        digest, reason = message.get("digest"), _one_line(message.get("reason"))
        if not isinstance(digest, str) or digest not in request.digests:
            raise TryError("refused a program that it was not given")
        name = "The reference" if digest == request.reference else f"Program {request.programs.index(digest) + 1}"
        text = f'{name} of {len(request.programs)} cannot be measured on "{self.target}": {reason}'
        return ProgramRefused(text, reason, digest)


def open_device(target: Target, limits: Limits | None = None) -> MeasuringDevice:
    """Return what measures a target's programs: a process of its own here, or the target's worker.

    Raises `SuppleError` where this machine lacks the runtime, with what adds it, and where there is no token for the
    worker. A worker is first asked when something is measured. Without `limits` they are those that suit the runtime.
    """
    limits = limits_for(target) if limits is None else limits
    if target.worker is not None:
        from supple.cost.remote_device import RemoteDevice

        return RemoteDevice(target, limits)
    from supple.cost.local_device import LocalDevice

    return LocalDevice(target, limits)


def _one_line(text: object) -> str:
    return " ".join(str(text).split())[:500]
