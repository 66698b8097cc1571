"""The process that measures: it runs programs of one target and times them, as its parent asks over a pair of pipes.

`python -m supple.cost.measuring_process READING WRITING TARGET MEMORY_BYTES`, which `supple.cost.child` starts. Each
runtime has a process of its own, because thread pools of several in one were seen to make medians six times worse.
Programs stay loaded, so that a search measures its reference and its best members again without loading. The process
ends with its parent: when the pipe from it is closed, even in the middle of a measurement.
"""

import hashlib
import os
import resource
import select
import sys
import threading
import time
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import asdict, dataclass

from supple.cost.channel import Channel, ChannelError, Message
from supple.cost.cores import pin
from supple.cost.energy import NoCounter, energy_of, find_counter
from supple.cost.latency import Effort, Run, Sign, time_against_reference, time_interleaved
from supple.cost.request import PROTOCOL, Kind, Quantity
from supple.errors import SuppleError, class_and_first_line
from supple.runtime.backend import Backend
from supple.runtime.runtimes import backend_for
from supple.runtime.target import Target, parse_target

_LARGEST_PROGRAM = 2**33
_MOST_KEPT_BYTES = 2**30
_MOST_KEPT = 256
_SIGN_SECONDS = 1.0
_REPEATED = ("identity", "target", "reference", "programs", "quantity")


class RefusalError(Exception):
    """A program cannot be measured here."""

    def __init__(self, digest: str, reason: str) -> None:
        super().__init__(reason)
        self.digest = digest


@dataclass(frozen=True)
class Loaded:
    """A program that is ready to be timed, and the size of its file."""

    run: Run
    size: int


class Programs:
    """The programs that are loaded, by digest: those used last, as many as there is room for."""

    def __init__(self, backend: Backend, target: Target) -> None:
        self._backend = backend
        self._target = target
        self._loaded: OrderedDict[str, Loaded] = OrderedDict()

    def lacking(self, digests: Sequence[str]) -> list[str]:
        """Return which of these are not loaded; the others count as used now."""
        for digest in digests:
            if digest in self._loaded:
                self._loaded.move_to_end(digest)
        return [digest for digest in digests if digest not in self._loaded]

    def load(self, digest: str, content: bytes) -> None:
        """Load a program and run it once. Raises `RefusalError` where it cannot run here."""
        if hashlib.sha256(content).hexdigest() != digest:
            raise RefusalError(digest, "its content is not what its digest says")
        try:
            session = self._backend.open(content, self._target)
            run = session.prepared(*session.random_inputs(self._target.batch))
            run()
        except Exception as error:  # a runtime raises whatever it likes, and the next program may be a good one
            raise RefusalError(digest, _why(error)) from error
        self._loaded[digest] = Loaded(run, len(content))

    def runs(self, digests: Sequence[str]) -> list[Run]:
        """Return the calls to be timed."""
        return [self._loaded[digest].run for digest in digests]

    def make_room(self, keep: Sequence[str]) -> None:
        """Give up what was used longest ago, where there are too many; never those to `keep`."""
        for digest in [digest for digest in self._loaded if digest not in keep]:
            size = sum(entry.size for entry in self._loaded.values())
            if len(self._loaded) <= _MOST_KEPT and size <= _MOST_KEPT_BYTES:
                break
            del self._loaded[digest]


def main(reading: str, writing: str, address: str, memory_bytes: str) -> None:
    """Answer requests until the parent closes its end."""
    channel = Channel(int(reading), int(writing), _LARGEST_PROGRAM)
    threading.Thread(target=_end_with_parent, args=[channel.reading], daemon=True).start()
    _limit_memory(int(memory_bytes))
    target = parse_target(address)
    pin(target.threads)
    backend = backend_for(target)
    programs = Programs(backend, target)
    channel.send({"kind": Kind.HELLO, "protocol": PROTOCOL, "runtime_version": backend.version()})
    while True:
        request, _ = channel.receive()
        try:
            answer = _answer(request, programs, channel)
        except RefusalError as refusal:
            answer = {"kind": Kind.REFUSED, "digest": refusal.digest, "reason": str(refusal)}
        channel.send(answer)


def _answer(request: Message, programs: Programs, channel: Channel) -> Message:
    """Do what a request asks. It comes from the process that started this one, which has checked it."""
    reference, others = request["reference"], [str(digest) for digest in request["programs"]]  # type: ignore[attr-defined]
    digests = list(dict.fromkeys(others if reference is None else [str(reference), *others]))
    wanted = programs.lacking(digests)
    channel.send({"kind": Kind.WANTED, "digests": wanted})
    for digest in wanted:
        _, content = channel.receive()
        programs.load(digest, content)
        del content
        programs.make_room(keep=digests)
        channel.send({"kind": Kind.LOADED, "digest": digest})
    runs, sign = programs.runs(others), _SignOfLife(channel)
    answer: Message = {"kind": Kind.ANSWER, **{name: request[name] for name in _REPEATED}}
    if request["quantity"] == Quantity.ENERGY:
        return {**answer, **_energies(runs, parse_target(str(request["target"])), sign)}
    effort = Effort(**request["effort"])  # type: ignore[arg-type]
    if reference is None:
        latencies = time_interleaved(runs, effort, sign)
    else:
        (unit,) = programs.runs([str(reference)])
        latencies = time_against_reference(unit, runs, effort, request["reference_ms"], sign)  # type: ignore[arg-type]
    return {**answer, "latencies": [asdict(latency) for latency in latencies]}


def _energies(runs: Sequence[Run], target: Target, sign: Sign) -> Message:
    counter = find_counter(target.device)
    if isinstance(counter, NoCounter):
        return {"energies": None, "reason": counter.reason}
    return {"energies": [asdict(energy_of(run, counter, sign)) for run in runs], "reason": None}


class _SignOfLife:
    """Tells the parent between blocks, at most once in a second, that measuring goes on."""

    def __init__(self, channel: Channel) -> None:
        self._channel = channel
        self._last = time.monotonic()

    def __call__(self) -> None:
        now = time.monotonic()
        if now - self._last > _SIGN_SECONDS:
            self._channel.send({"kind": Kind.ALIVE})
            self._last = now


def _why(error: Exception) -> str:
    text = str(error) if isinstance(error, SuppleError) else class_and_first_line(error)
    if isinstance(error, MemoryError) or "bad_alloc" in text or "llocate memory" in text:
        limit, _ = resource.getrlimit(_MEMORY)
        room = "the memory that there is" if limit == resource.RLIM_INFINITY else f"{limit / 2**30:.2f} GiB of memory"
        return f"it does not fit into {room} ({text})"
    return text


# What a process asks for and can write to. Its address space (RLIMIT_AS) is far larger: thread stacks and reserved
# arenas that are never touched. Where the system does not count the one, it limits the other.
_MEMORY = resource.RLIMIT_DATA if sys.platform == "linux" else resource.RLIMIT_AS


def _limit_memory(memory_bytes: int) -> None:
    if memory_bytes:
        _, hard = resource.getrlimit(_MEMORY)
        most = memory_bytes if hard == resource.RLIM_INFINITY else min(memory_bytes, hard)
        resource.setrlimit(_MEMORY, (most, hard))


def _end_with_parent(reading: int) -> None:
    """Wait until the parent closes its end of the pipe, and end at once then, whatever the runtime is doing."""
    poll = select.poll()
    poll.register(reading, 0)
    while not any(event & (select.POLLHUP | select.POLLERR) for _, event in poll.poll()):
        pass
    os._exit(0)


if __name__ == "__main__":
    try:
        main(*sys.argv[1:])
    except ChannelError:
        sys.exit(0)  # The parent has gone; there is nobody to tell.
