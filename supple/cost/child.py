"""The measuring process as its parent holds it: starting it, talking to it within limits, ending it."""

import os
import signal
import subprocess
import sys
import tempfile
import weakref
from pathlib import Path
from typing import IO

from supple.cost.channel import Channel, ChannelError, Message
from supple.cost.patience import Limits, TryError
from supple.cost.request import PROTOCOL, Kind
from supple.runtime.target import Target

_LAST_WORDS_BYTES = 2000


class Child:
    """A measuring process. It is ended with this object, and ends by itself when this process is gone."""

    def __init__(self, target: Target, limits: Limits, memory_bytes: int) -> None:
        """Start it and wait until it says what it is. Raises `TryError` where it does not."""
        to_child, from_parent = os.pipe()
        to_parent, from_child = os.pipe()
        self._channel = Channel(to_parent, from_parent)
        # What the runtime prints is kept for the case that the process dies of it.
        self._printed = tempfile.TemporaryFile()  # noqa: SIM115 - it is open as long as the process lives
        module = [sys.executable, "-P", "-m", "supple.cost.measuring_process"]
        self._process = subprocess.Popen(
            [*module, str(to_child), str(from_child), str(target.local), str(memory_bytes)],
            stdin=subprocess.DEVNULL,
            stdout=self._printed,
            stderr=self._printed,
            pass_fds=(to_child, from_child),
            # In a group of its own it is spared the terminal's Ctrl-C, which this process answers for both; and should
            # it be stopped when this process dies, the system ends it, as it does with groups that nobody cares for.
            process_group=0,
            env={**os.environ, "PYTHONPATH": _with_supple(os.environ.get("PYTHONPATH", ""))},
        )
        os.close(to_child)
        os.close(from_child)
        self.end = weakref.finalize(self, _end, self._process, self._channel, self._printed)
        try:
            hello = self.receive(limits.starting_seconds)
        except TryError:
            self.end()
            raise
        self.runtime_version = str(hello.get("runtime_version"))
        if (hello.get("kind"), hello.get("protocol")) != (Kind.HELLO, PROTOCOL):
            self.end()
            raise TryError("is of another version of supple")

    @property
    def pid(self) -> int:
        """The number of the process."""
        return self._process.pid

    @property
    def is_alive(self) -> bool:
        """Whether the process still runs."""
        return self._process.poll() is None

    def send(self, message: Message, content: bytes, seconds: float) -> None:
        """Send a message. Raises `TryError` where the process does not take it in time."""
        try:
            self._channel.send(message, content, seconds)
        except ChannelError as error:
            raise TryError(self._reason(error)) from error

    def receive(self, seconds: float) -> Message:
        """Wait for a message. Raises `TryError` where none comes in time."""
        try:
            message, _ = self._channel.receive(seconds)
        except ChannelError as error:
            raise TryError(self._reason(error)) from error
        return message

    def _reason(self, error: ChannelError) -> str:
        try:
            # A process that has closed its pipe is about to end, and how it did tells more.
            status = self._process.wait(0.5)
        except subprocess.TimeoutExpired:
            return str(error)
        if status == -signal.SIGKILL:
            return "was killed (by the system, where memory ran out)"
        ended = f"was ended by {signal.Signals(-status).name}" if status < 0 else f"ended with status {status}"
        return f"{ended}{self._last_words()}"

    def _last_words(self) -> str:
        size = self._printed.seek(0, os.SEEK_END)
        self._printed.seek(max(0, size - _LAST_WORDS_BYTES))
        lines = self._printed.read().decode(errors="replace").split("\n")
        words = [line.strip() for line in lines if line.strip()]
        return f" ({words[-1][:200]})" if words else ""


def _with_supple(path: str) -> str:
    """Return a search path on which the process finds the same `supple` as this one."""
    own = str(Path(__file__).parents[2])
    return f"{own}{os.pathsep}{path}" if path else own


def _end(process: "subprocess.Popen[bytes]", channel: Channel, printed: IO[bytes]) -> None:
    process.kill()
    process.wait()
    channel.close()
    printed.close()
