"""What tests of the worker share: a running worker, and a machine that only pretends to be one."""

import contextlib
import json
import re
import socket
import threading
import tomllib
from collections.abc import Callable
from dataclasses import asdict, dataclass
from http.client import HTTPConnection
from pathlib import Path

import psutil

from supple.cost import Latency
from supple.cost.request import PROTOCOL

REPOSITORY = Path(__file__).parents[3]
TOKEN = "a-token-of-some-length"

# What supple depends on and a device that measures need not have.
NEEDED = {"onnxruntime", "numpy", "pydantic", "typer", "rich"}
MODULES = {"lightning-fabric": "lightning_fabric", "scikit-learn": "sklearn", "pyyaml": "yaml", "pillow": "PIL"}
BLOCKER = """
import sys

class Blocker:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {blocked}:
            raise ModuleNotFoundError(f"No module named {{name!r}}", name=name)

sys.meta_path.insert(0, Blocker())
"""


def not_needed() -> set[str]:
    """Return the modules of the packages that supple depends on and a device that measures need not have."""
    dependencies = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["project"]["dependencies"]
    packages = {re.split(r"[<>=~! ;\[]", entry)[0] for entry in dependencies}
    assert packages >= NEEDED
    return {MODULES.get(package, package) for package in packages - NEEDED}


@dataclass(frozen=True)
class Worker:
    """A running worker, and the folder of its temporary files."""

    process: psutil.Process
    port: int
    temporary: Path

    @property
    def address(self) -> str:
        return f"remote+onnxruntime:cpu@127.0.0.1:{self.port}"

    def call(self, method: str, path: str, body: bytes | None = None, **headers: str) -> tuple[int, dict[str, object]]:
        """Make one request as a client with the token would; return the status and what the answer says."""
        given = {"Authorization": f"Bearer {TOKEN}", "Supple-Protocol": str(PROTOCOL)}
        given |= {name.replace("_", "-"): value for name, value in headers.items()}
        connection = HTTPConnection("127.0.0.1", self.port, timeout=20)
        try:
            connection.request(method, path, body, given)
            response = connection.getresponse()
            text = response.read()
            return response.status, json.loads(text) if text else {}
        finally:
            connection.close()


Reply = Callable[[dict[str, object]], bytes]
"""What a pretended worker sends back for a request, whose JSON it gets; then it closes the connection."""


class Pretender:
    """Takes connections, reads a request from each, and sends the next reply, the last one again and again."""

    def __init__(self, replies: list[Reply | bytes]) -> None:
        self.replies = replies
        self.served = 0
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def _serve(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            with connection:
                connection.settimeout(20)
                try:
                    self._answer(connection)
                except OSError:
                    continue  # The client has had enough.

    def _answer(self, connection: socket.socket) -> None:
        with connection.makefile("rb") as stream:
            head = [line.decode() for line in iter(stream.readline, b"\r\n")]
            length = next((int(line.split(":")[1]) for line in head if line.lower().startswith("content-length")), 0)
            body = stream.read(length)
            reply = self.replies[min(self.served, len(self.replies) - 1)]
            self.served += 1
            connection.sendall(reply if isinstance(reply, bytes) else reply(json.loads(body)))

    def close(self) -> None:
        with contextlib.suppress(OSError):  # It may be closed already.
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._thread.join(30)


def http(body: bytes, status: str = "200 OK") -> bytes:
    """Return a response that ends with the connection."""
    return f"HTTP/1.1 {status}\r\nConnection: close\r\n\r\n".encode() + body


def lines(*messages: dict[str, object]) -> bytes:
    return b"".join(json.dumps(message).encode() + b"\n" for message in messages)


def truth(request: dict[str, object], **changes: object) -> dict[str, object]:
    """Return an answer that fits a request, but for the changes."""
    latency = Latency(2.0, 1.9, 2.1, 1.8, 2.2, 3, 0.0, True, reference_ms=0.001, drift=1.0)
    names = ("identity", "target", "reference", "programs", "quantity")
    return {
        "kind": "answer",
        **{name: request[name] for name in names},
        "latencies": [asdict(latency)] * len(request["programs"]),
        **changes,
    }


def told(*middle: dict[str, object], **changes: object) -> Reply:
    """Return the reply with a whole measurement, of which the answer has some changes."""
    return lambda request: http(lines({"kind": "wanted", "digests": []}, *middle, truth(request, **changes)))
