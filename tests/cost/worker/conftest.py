"""A worker on a device without PyTorch, as a process of its own, and machines that only pretend to be one."""

import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest
from worker_cases import BLOCKER, REPOSITORY, TOKEN, Pretender, Reply, Worker, not_needed

from supple.cost import Limits, open_device
from supple.runtime import parse_target


@pytest.fixture(scope="session")
def token_file(tmp_path_factory) -> Path:
    file = tmp_path_factory.mktemp("token") / "token"
    file.touch(mode=0o600)
    file.write_text(f"{TOKEN}\n")
    return file


@pytest.fixture(scope="session")
def start_worker(token_file, tmp_path_factory) -> Iterator[Callable[..., Worker]]:
    """Return what starts workers for which PyTorch, ONNX and the rest are not installed."""
    blocker = tmp_path_factory.mktemp("device")
    (blocker / "sitecustomize.py").write_text(BLOCKER.format(blocked=not_needed()))
    started = []

    def start(*options: str) -> Worker:
        command = [sys.executable, "-m", "supple", "worker", "--listen", "127.0.0.1:0", "--token-file", str(token_file)]
        temporary = tmp_path_factory.mktemp("worker")
        process = subprocess.Popen(
            [*command, *options],
            stderr=subprocess.PIPE,
            text=True,
            env={"PYTHONPATH": f"{blocker}:{REPOSITORY}", "PATH": "/usr/bin:/bin", "TMPDIR": str(temporary)},
        )
        started.append(process)
        line = process.stderr.readline()
        found = re.search(r"listens on 127\.0\.0\.1:(\d+)", line)
        assert found, line + process.stderr.read()
        return Worker(psutil.Process(process.pid), int(found[1]), temporary)

    yield start
    for process in started:
        process.kill()
        process.wait()
        process.stderr.close()


@pytest.fixture(scope="session")
def worker(start_worker) -> Worker:
    return start_worker()


@pytest.fixture
def open_remote(token_file, monkeypatch):
    """Return what opens a worker as a device, from its address or its port."""
    monkeypatch.setenv("SUPPLE_WORKER_TOKEN_FILE", str(token_file))

    def opened(place: Worker | int, limits: Limits = Limits()):
        port = place.port if isinstance(place, Worker) else place
        return open_device(parse_target(f"remote+onnxruntime:cpu@127.0.0.1:{port}"), limits)

    return opened


@pytest.fixture
def pretend() -> Iterator[Callable[..., Pretender]]:
    made = []

    def make(*replies: Reply | bytes) -> Pretender:
        made.append(Pretender(list(replies)))
        return made[-1]

    yield make
    for pretender in made:
        pretender.close()
