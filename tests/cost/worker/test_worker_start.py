"""Tests of starting a worker: its token file, its address, and what it tells the person who starts it."""

import subprocess
import sys
from types import SimpleNamespace

import pytest
from typer.testing import CliRunner
from worker_cases import TOKEN

from supple.cli import app
from supple.cost.worker import serving
from supple.cost.worker.program_store import ProgramStore
from supple.cost.worker.serving import WorkerOptions, serve
from supple.cost.worker.token_file import read_token, token_of_environment
from supple.errors import SuppleError


def test_a_token_is_the_line_in_its_file(token_file, monkeypatch):
    assert read_token(token_file) == TOKEN
    monkeypatch.setenv("SUPPLE_WORKER_TOKEN_FILE", str(token_file))
    assert token_of_environment("127.0.0.1:9") == TOKEN


def test_a_missing_token_file_is_told_with_what_makes_one(tmp_path):
    with pytest.raises(SuppleError, match=r"no token file .*openssl rand -hex 32 > FILE"):
        read_token(tmp_path / "token")


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o620, 0o602])
def test_a_token_file_that_others_can_use_is_refused(tmp_path, mode):
    file = tmp_path / "token"
    file.write_text(TOKEN)
    file.chmod(mode)
    with pytest.raises(SuppleError, match=f"Other users can use the token file .*: run  chmod 600 {file}"):
        read_token(file)


@pytest.mark.parametrize(
    "content", ["", "short", "two words in one line", "two-lines-of-text\ntwo-lines-of-text", "ä" * 20]
)
def test_a_file_that_holds_no_token_is_refused(tmp_path, content):
    file = tmp_path / "token"
    file.touch(mode=0o600)
    file.write_text(content)
    with pytest.raises(SuppleError, match="holds no token"):
        read_token(file)


@pytest.mark.parametrize("listen", ["", "8765", "localhost", "127.0.0.1:", "127.0.0.1:99999", "http://127.0.0.1:80"])
def test_an_address_that_is_none_is_refused(token_file, listen):
    with pytest.raises(SuppleError, match=f'"{listen}" is no address to listen on: write HOST:PORT'):
        serve(WorkerOptions(listen, token_file, 1), print)


def test_an_address_in_use_is_told(worker, token_file):
    with pytest.raises(SuppleError, match=rf'cannot listen on "127\.0\.0\.1:{worker.port}": .*[Aa]ddress'):
        serve(WorkerOptions(f"127.0.0.1:{worker.port}", token_file, 1), print)


@pytest.mark.parametrize(
    ("place", "shown", "warnings"),
    [
        (("127.0.0.1", 8765), "127.0.0.1:8765", 0),
        (("::1", 8765, 0, 0), "[::1]:8765", 0),
        (("0.0.0.0", 8765), "0.0.0.0:8765", 1),
    ],
)
def test_a_worker_that_others_can_reach_is_told(token_file, monkeypatch, place, shown, warnings):
    served, told = [], []
    listener = SimpleNamespace(getsockname=lambda: place, close=lambda: served.append("closed"))
    monkeypatch.setattr(serving, "_listen", lambda address: listener)
    monkeypatch.setattr("uvicorn.Server.run", lambda server, sockets: served.append(sockets))
    serve(WorkerOptions(shown, token_file, 1), told.append)
    assert served == [[listener], "closed"]
    assert told[0] == f"The worker listens on {shown}; Ctrl-C ends it."
    assert [line.startswith("Others on the network can reach it.") for line in told[1:]] == [True] * warnings


def test_the_command_tells_a_mistake_in_one_line(tmp_path):
    result = CliRunner().invoke(app, ["worker", "--listen", "127.0.0.1:0", "--token-file", str(tmp_path / "none")])
    assert result.exit_code == 1
    assert result.stderr.startswith("Error: There is no token file")
    assert result.stderr.count("\n") == 1


def test_a_missing_extra_is_told_with_what_adds_it(token_file):
    script = (
        "import sys\nsys.modules['uvicorn'] = None\nfrom supple.cost.worker.serving import WorkerOptions, serve\n"
        f"from pathlib import Path\nserve(WorkerOptions('127.0.0.1:0', Path({str(token_file)!r}), 1), print)"
    )
    result = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert 'supple worker needs the package "uvicorn": run  pip install "supple[worker]"' in result.stderr


async def chunks(*parts):
    for part in parts:
        yield part


def test_the_programs_used_longest_ago_make_room_for_new_ones():
    import asyncio
    import hashlib

    store = ProgramStore(most_bytes=25)
    contents = {hashlib.sha256(content).hexdigest(): content for content in (b"a" * 10, b"b" * 10, b"c" * 10)}
    first, second, third = contents
    try:
        for digest in (first, second):
            asyncio.run(store.add(digest, chunks(contents[digest][:3], contents[digest][3:]), 10))
        assert store.lacking([first]) == []
        asyncio.run(store.add(third, chunks(contents[third]), 10))
        assert store.lacking([first, second, third]) == [second]
        assert store.content(first) == contents[first]
    finally:
        store.close()
