"""A process that evaluates members: it gets what evaluates them once, and answers groups of configs with qualities.

It ends with its parent, even in the middle of an evaluation. It imports nothing that evaluating does not need: each
process waits for that.
"""

import os
import signal
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from multiprocessing.process import parent_process

import torch

from supple.errors import SuppleError, class_and_first_line
from supple.space import Config

EvaluateGroup = Callable[[Sequence[Config]], list[float]]
"""Returns the quality of each member of a group."""


@dataclass(frozen=True)
class Refused:
    """What could not be done, and why."""

    reason: str


def work(connection: Connection, threads: int) -> None:
    """Answer until the parent closes its end: first what evaluates members, with None, then each group of configs."""
    # The terminal's Ctrl-C is for the parent, which ends this process.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with_parent, daemon=True).start()
    torch.set_num_threads(threads)
    evaluate: EvaluateGroup | None = None
    while True:
        try:
            message = connection.recv()
        except EOFError:
            return
        except Exception as error:  # What was sent may be of any class, which raises whatever it likes.
            connection.send(Refused(class_and_first_line(error)))
            continue
        if evaluate is None:
            evaluate = message
            connection.send(None)
        else:
            connection.send(_answer(evaluate, message))


def _answer(evaluate: EvaluateGroup, configs: Sequence[Config]) -> list[float] | Refused:
    try:
        return evaluate(configs)
    except SuppleError as error:
        return Refused(str(error))
    except Exception as error:  # The user's own code raises whatever it likes.
        return Refused(f"A member cannot be evaluated: {class_and_first_line(error)}")


def _end_with_parent() -> None:
    parent = parent_process()
    if parent is not None:
        wait([parent.sentinel])
        os._exit(1)
