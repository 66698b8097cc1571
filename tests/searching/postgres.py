"""A PostgreSQL server of a test's own, on a Unix socket, where its programs are installed."""

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

# A server refuses to run as root.
_USERS = ("postgres", "nobody")


def find_program(name: str) -> str | None:
    """Return the path of one of the server's programs; Debian keeps them out of the search path."""
    folders = sorted(map(str, Path("/usr/lib/postgresql").glob("*/bin")), reverse=True)
    return shutil.which(name, path=os.pathsep.join([*folders, os.environ.get("PATH", "")]))


@contextmanager
def postgres_server() -> Iterator[str]:
    """Run a server while the context lasts; yield the URL of an empty database."""
    folder = Path(tempfile.mkdtemp(prefix="supple-pg-"))
    user = _user()
    try:
        if user is not None:
            shutil.chown(folder, user)
        _run(user, "initdb", "--pgdata", str(folder / "data"), "--auth", "trust", "--username", "tester", "--no-sync")
        settings = f"-c listen_addresses='' -c unix_socket_directories='{folder}'"
        log = str(folder / "log")
        _run(user, "pg_ctl", "--pgdata", str(folder / "data"), "--log", log, "--wait", "--options", settings, "start")
        try:
            yield f"postgresql://tester@/postgres?host={folder}"
        finally:
            _run(user, "pg_ctl", "--pgdata", str(folder / "data"), "--mode", "immediate", "stop")
    finally:
        shutil.rmtree(folder)


def _run(user: str | None, program: str, *arguments: str) -> None:
    # A server would hold a pipe open: what the programs say goes to a file.
    with tempfile.TemporaryFile() as said:
        done = subprocess.run(
            [find_program(program), *arguments], stdin=subprocess.DEVNULL, stdout=said, stderr=said,
            user=user, extra_groups=None if user is None else [], cwd="/", check=False,
        )  # fmt: skip
        said.seek(0)
        assert done.returncode == 0, said.read().decode(errors="replace")


def _user() -> str | None:
    if os.getuid() != 0:
        return None
    names = [line.partition(":")[0] for line in Path("/etc/passwd").read_text().splitlines()]
    return next(name for name in _USERS if name in names)
