"""Start a worker: read its token, listen, and serve until it is told to stop."""

import ipaddress
import re
import socket
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from supple.cost.patience import Limits
from supple.cost.worker.token_file import read_token
from supple.errors import MissingExtraError, SuppleError, first_line

_ADDRESS = re.compile(r"(?:\[([0-9A-Fa-f:.%]+)\]|([\w.-]+)):(\d{1,5})")
_ENDING_SECONDS = 5
_MOST_CONNECTIONS = 32


@dataclass(frozen=True)
class WorkerOptions:
    """What `supple worker` is given: `listen` is HOST:PORT, sizes are in bytes (None: what the machine has)."""

    listen: str
    token_file: Path
    largest_program_bytes: int
    memory_bytes: int | None = None


def serve(options: WorkerOptions, tell: Callable[[str], None]) -> None:
    """Serve measurements until the process is told to stop; `tell` shows a line to the person who started it.

    Raises `SuppleError` where the extra is missing, the token file is not safe, or the address cannot be had.
    """
    try:
        import fastapi  # noqa: F401
        import uvicorn
    except ModuleNotFoundError as error:
        raise MissingExtraError(str(error.name), "worker", "supple worker") from error
    from supple.cost.worker.app import WorkerSettings, make_app

    settings = WorkerSettings(
        read_token(options.token_file),
        options.largest_program_bytes,
        limits=Limits(memory_bytes=options.memory_bytes),
    )
    listener = _listen(options.listen)
    host, port = listener.getsockname()[:2]
    tell(f"The worker listens on {f'[{host}]' if ':' in host else host}:{port}; Ctrl-C ends it.")
    if not ipaddress.ip_address(host).is_loopback:
        tell(
            "Others on the network can reach it. The token is sent as it is: where others can read the network, "
            "listen on 127.0.0.1 and come through SSH (ssh -L)."
        )
    config = uvicorn.Config(
        make_app(settings),
        # The one that refuses headers of more than 64 KiB.
        http="h11",
        ws="none",
        log_level="warning",
        access_log=False,
        limit_concurrency=_MOST_CONNECTIONS,
        timeout_graceful_shutdown=_ENDING_SECONDS,
        server_header=False,
    )
    try:
        uvicorn.Server(config).run(sockets=[listener])
    finally:
        listener.close()


def _listen(address: str) -> socket.socket:
    match = _ADDRESS.fullmatch(address)
    if match is None or int(match[3]) > 65535:
        raise SuppleError(f'"{address}" is no address to listen on: write HOST:PORT, as 0.0.0.0:8765.')
    host = match[1] or match[2]
    try:
        family, _, _, _, place = socket.getaddrinfo(host, int(match[3]), type=socket.SOCK_STREAM)[0]
        return socket.create_server(place[:2], family=family)
    except OSError as error:
        raise SuppleError(f'The worker cannot listen on "{address}": {first_line(error)}.') from error
