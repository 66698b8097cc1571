"""Talk to a worker over HTTP, within limits, believing nothing that it says."""

import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from http.client import HTTPConnection, HTTPException, HTTPResponse
from urllib.parse import quote

from supple.cost.channel import ChannelError, Message, parse_message
from supple.cost.patience import Limits, Patience, TryError
from supple.cost.request import PROTOCOL, PROTOCOL_HEADER, Request
from supple.errors import SuppleError, first_line

_LONGEST_LINE = 2**20
_CONNECTING_SECONDS = 10.0
_BUSY_SECONDS = 1.0


@dataclass(frozen=True)
class Lacking:
    """What a worker says instead of measuring: programs that it lacks, and how large one may be."""

    digests: tuple[str, ...]
    largest_bytes: int


class WorkerClient:
    """One worker, by its HOST:PORT. Every call opens a connection of its own."""

    def __init__(self, worker: str, token: str, limits: Limits) -> None:
        host, _, port = worker.rpartition(":")
        self._worker = worker
        self._host = host.strip("[]")
        self._port = int(port)
        self._headers = {"Authorization": f"Bearer {token}", PROTOCOL_HEADER: str(PROTOCOL), "Connection": "close"}
        self._limits = limits

    def describe(self, target: str) -> Message:
        """Return what the worker says of itself and of one target's runtime. Raises `TryError`."""
        seconds = self._limits.starting_seconds
        with self._call("GET", f"/device?target={quote(target)}", b"", seconds) as (response, connection):
            return _content(response, connection, seconds)

    def upload(self, digest: str, content: bytes) -> None:
        """Send a program. Raises `TryError`."""
        deadline = time.monotonic() + self._limits.waiting_seconds
        while True:
            with self._call("PUT", f"/programs/{digest}", content, self._limits.loading_seconds) as (response, _):
                if response.status != 503:
                    return
            if time.monotonic() > deadline:
                raise TryError("was busy for too long")
            time.sleep(_BUSY_SECONDS)

    def messages(self, request: Request, patience: Patience) -> Iterator[Message | Lacking]:
        """Yield the messages about a request, as `patience` allows them, or one thing that says which programs lack.

        Raises `TryError`.
        """
        body = json.dumps(request.to_json()).encode()
        with self._call("POST", "/measurements", body, self._limits.silent_seconds) as (response, connection):
            if response.status == 409:
                yield _lacking(_content(response, connection, self._limits.silent_seconds), request)
                return
            while not patience.is_over:
                with _within(patience.seconds, connection):
                    line = response.readline(_LONGEST_LINE)
                if not line.endswith(b"\n"):
                    raise TryError("cut the connection" if len(line) < _LONGEST_LINE else "sent a line without an end")
                message = _parsed(line)
                patience.hear(message)
                yield message

    @contextmanager
    def _call(
        self, method: str, path: str, body: bytes, seconds: float
    ) -> Iterator[tuple[HTTPResponse, "_Connection"]]:
        """Send a request and wait for the head of its answer."""
        connection = _Connection(self._host, self._port, timeout=_CONNECTING_SECONDS)
        try:
            connection.connect()
            with _within(seconds, connection):
                # A worker that refuses by the head does not read the rest; what it answered is there nevertheless.
                with suppress(BrokenPipeError, ConnectionResetError):
                    connection.request(method, path, body, self._headers)
                response = connection.getresponse()
            if response.status not in (200, 204, 409, 503):
                self._refuse(response.status, _reason(response, connection))
            yield response, connection
        except (OSError, HTTPException) as error:
            raise TryError(f"could not be reached or cut the connection ({first_line(error)})") from error
        finally:
            connection.close()

    def _refuse(self, status: int, reason: str) -> None:
        """Raise what a refusal means: trying again helps where the worker failed, not where it was asked wrongly."""
        if status in (401, 411, 413, 422, 426):
            raise SuppleError(f"The worker {self._worker} refuses: {reason}")
        raise TryError(f"answered with status {status}: {reason}")


class _Connection(HTTPConnection):
    """A connection that can be cut from another thread."""

    is_cut = False

    def connect(self) -> None:
        super().connect()
        self._cuttable = self.sock
        # From now on `_within` limits what is waited for, however slowly it comes.
        self.sock.settimeout(None)

    def cut(self) -> None:
        self.is_cut = True
        self._cuttable.shutdown(2)


@contextmanager
def _within(seconds: float, connection: _Connection) -> Iterator[None]:
    """Cut the connection unless what is done is done in time, and raise `TryError` then."""
    timer = threading.Timer(seconds, connection.cut)
    timer.daemon = True
    timer.start()
    try:
        yield
    except (OSError, HTTPException):
        if connection.is_cut:
            raise TryError("was silent for too long") from None
        raise
    finally:
        timer.cancel()
    if connection.is_cut:
        raise TryError("was silent for too long")


def _content(response: HTTPResponse, connection: _Connection, seconds: float) -> Message:
    with _within(seconds, connection):
        text = response.read(_LONGEST_LINE)
    return _parsed(text)


def _lacking(content: Message, request: Request) -> Lacking:
    wanted, largest = content.get("wanted"), content.get("largest_bytes")
    if not isinstance(wanted, list) or not wanted or not all(digest in request.digests for digest in wanted):
        raise TryError("asked for programs that are none of this measurement")
    if not isinstance(largest, int):
        raise TryError("did not say how large a program may be")
    return Lacking(tuple(dict.fromkeys(wanted)), largest)


def _reason(response: HTTPResponse, connection: _Connection) -> str:
    try:
        reason = _content(response, connection, _CONNECTING_SECONDS).get("reason")
    except TryError:
        reason = None
    return " ".join(reason.split())[:300] if isinstance(reason, str) else "no reason"


def _parsed(text: bytes) -> Message:
    try:
        return parse_message(text)
    except ChannelError as error:
        raise TryError(str(error)) from error
