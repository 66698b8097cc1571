"""Evaluating members in parallel processes: one that dies or hangs costs a retry, never a wrong number."""

import time
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from signal import Signals

import torch
import torch.multiprocessing

from supple.errors import SuppleError, class_and_first_line
from supple.searching.evaluation import Failure
from supple.searching.judging import Qualities
from supple.searching.networks import Networks
from supple.searching.process_facts import computed
from supple.space import Config
from supple.training.evaluating_process import EvaluateGroup, Refused, work
from supple.training.evaluator import Evaluator

TRIES = 3
"""How often a member is evaluated whose process dies."""

PATIENCE_SECONDS = 300.0
"""A process that computes nothing for so long while it evaluates is taken for hung."""

_STARTING_SECONDS = 600.0
_LOOK_SECONDS = 1.0


@dataclass
class _Group:
    """Members that are evaluated together, and how often that was tried."""

    configs: tuple[Config, ...]
    tries: int = 0


class Workers:
    """Processes that evaluate members, each with the family and the data, and a share of the threads.

    `evaluate` is sent to each of them once, with all that it holds; tensors are shared.
    """

    def __init__(self, evaluate: EvaluateGroup, count: int, patience_seconds: float = PATIENCE_SECONDS) -> None:
        self._evaluate = evaluate
        self._patience_seconds = patience_seconds
        self._threads = max(1, torch.get_num_threads() // count)
        self._workers: list[_Worker] = []
        try:
            self._start(count)
        except BaseException:
            self.close()
            raise
        self._count = count

    def __call__(self, configs: Sequence[Config]) -> list[float | Failure]:
        """Return the quality of each member, or why it has none. Raises `SuppleError` as evaluating one would."""
        found: dict[Config, float | Failure] = {}
        waiting = deque(_groups(configs, self._count))
        while waiting or any(worker.group for worker in self._workers):
            self._start(min(self._count - len(self._workers), len(waiting)))
            for worker in self._workers:
                if worker.group is None and waiting:
                    worker.take(waiting.popleft())
            busy = {worker.connection: worker for worker in self._workers if worker.group}
            ready = wait(list(busy), timeout=_LOOK_SECONDS)
            for connection, worker in busy.items():
                if connection in ready:
                    self._hear(worker, waiting, found)
                elif worker.idle_seconds() > self._patience_seconds:
                    worker.end()
                    self._lose(worker, f"did nothing for {self._patience_seconds:g} s", waiting, found)
        return [found[config] for config in configs]

    def _start(self, count: int) -> None:
        """Start so many processes; they load at the same time."""
        new = [_Worker(self._threads) for _ in range(count)]
        self._workers += new
        for worker in new:
            worker.equip(self._evaluate)

    def close(self) -> None:
        """End all processes."""
        for worker in self._workers:
            worker.end()

    def _hear(self, worker: "_Worker", waiting: deque[_Group], found: dict[Config, float | Failure]) -> None:
        group = worker.group
        assert group is not None
        try:
            answer = worker.connection.recv()
        except (EOFError, OSError):
            self._lose(worker, worker.end(), waiting, found)
            return
        if isinstance(answer, Refused):
            raise SuppleError(answer.reason)
        worker.group = None
        found |= dict(zip(group.configs, answer, strict=True))

    def _lose(
        self, worker: "_Worker", reason: str, waiting: deque[_Group], found: dict[Config, float | Failure]
    ) -> None:
        """Do without a process that has ended; what it was at is tried again, each member alone."""
        group = worker.group
        assert group is not None
        self._workers.remove(worker)
        if group.tries + 1 == TRIES:
            told = f"Evaluating it failed {TRIES} times: the process {reason}."
            found |= {config: Failure(config, told) for config in group.configs}
        else:
            waiting.extend(_Group((config,), group.tries + 1) for config in group.configs)


class _Worker:
    """One process, as its parent holds it."""

    def __init__(self, threads: int) -> None:
        context = torch.multiprocessing.get_context("spawn")
        self.connection: Connection
        self.connection, other = context.Pipe()
        self.group: _Group | None = None
        # Not a daemon: the user's data may be loaded by processes of its own.
        self._process = context.Process(target=work, args=(other, threads), daemon=False)
        self._process.start()
        other.close()
        self._computed = ""
        self._since = time.monotonic()

    @property
    def pid(self) -> int:
        return int(self._process.pid or 0)

    def equip(self, evaluate: EvaluateGroup) -> None:
        """Send the family and the data, and wait until they are there. Raises `SuppleError` where they cannot be."""
        try:
            self.connection.send(evaluate)
            is_there = self.connection.poll(_STARTING_SECONDS)
            answer = self.connection.recv() if is_there else Refused("it does not answer")
        except (EOFError, ConnectionError):
            raise SuppleError(
                f"A process that evaluates members {self.end()} as it started. In a script of your own, what starts "
                'the search must stand below  if __name__ == "__main__":  or give workers=1.'
            ) from None
        except Exception as error:  # Objects of any class say in their own way that they cannot be sent.
            raise _cannot_be_sent(class_and_first_line(error)) from error
        if isinstance(answer, Refused):
            raise _cannot_be_sent(answer.reason)

    def take(self, group: _Group) -> None:
        """Give the process something to do. Where it is lost already, that shows when its answer is read."""
        self.group = group
        self._since = time.monotonic()
        try:
            self.connection.send(group.configs)
        except (BrokenPipeError, ConnectionError):
            return

    def idle_seconds(self) -> float:
        """Return for how long the process has computed nothing, as far as can be seen from outside."""
        now = computed(self.pid)
        if now != self._computed:
            self._computed, self._since = now, time.monotonic()
        return time.monotonic() - self._since

    def end(self) -> str:
        """End the process, and return how it had ended before, if it had."""
        self._process.join(0.5)
        status = self._process.exitcode
        self._process.kill()
        self._process.join()
        self.connection.close()
        if status is None:
            return "closed its end"
        return f"was ended by {Signals(-status).name}" if status < 0 else f"ended with status {status}"


@contextmanager
def opened_workers(networks: Networks, count: int) -> Iterator[Qualities]:
    """Yield what evaluates members: this process, or several, which start when there is something to do.

    Raises `SuppleError` where the family or the data cannot be sent to other processes.
    """
    evaluate = Evaluator(networks.family, networks.valid_data, networks.task, networks.calibration)
    workers: list[Workers] = []

    def by_workers(configs: Sequence[Config]) -> list[float | Failure]:
        if not workers:
            workers.append(Workers(evaluate, count))
        return workers[0](configs)

    try:
        yield evaluate if count == 1 else by_workers
    finally:
        for entry in workers:
            entry.close()


def _groups(configs: Sequence[Config], count: int) -> list[_Group]:
    """Return the distinct configs in so many groups, neighbours together: they share the most work."""
    ordered = sorted(dict.fromkeys(configs), key=lambda config: tuple(config.values()))
    size = -(-len(ordered) // count)
    return [_Group(tuple(ordered[start : start + size])) for start in range(0, len(ordered), size)]


def _cannot_be_sent(reason: str) -> SuppleError:
    return SuppleError(
        f"The family, the data or the task cannot be sent to another process ({reason}): let their classes and "
        "functions stand in a module, or give workers=1."
    )
