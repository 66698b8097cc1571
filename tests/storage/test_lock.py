"""The lock of a run directory: one holder, named to the second, gone with its owner."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from supple.errors import SuppleError
from supple.storage import RunLock
from supple.storage.files import TEMPORARY_PREFIX

HOLD = (
    "import sys, os, time; from supple.storage.lock import RunLock\n"
    "with RunLock(sys.argv[1]):\n"
    "    print('held', flush=True)\n"
    "    sys.stdin.read()"
)


def holder(folder: Path, program: str = HOLD) -> "subprocess.Popen[str]":
    process = subprocess.Popen(
        [sys.executable, "-c", program, str(folder)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "held\n"
    return process


def end(process: "subprocess.Popen[str]") -> None:
    process.communicate("")


def test_a_second_process_is_refused_and_told_the_first(tmp_path: Path) -> None:
    process = holder(tmp_path)
    with pytest.raises(SuppleError, match=f'^".*" is in use by process {process.pid}: wait until it ends'):
        RunLock(tmp_path).__enter__()
    end(process)
    with RunLock(tmp_path):
        pass


def test_the_lock_dies_with_a_killed_owner(tmp_path: Path) -> None:
    process = holder(tmp_path)
    process.send_signal(signal.SIGKILL)
    process.wait()
    with RunLock(tmp_path):
        pass
    end(process)


def test_a_worker_that_outlives_its_killed_parent_does_not_keep_the_lock(tmp_path: Path) -> None:
    program = (
        "import os, sys, time; from supple.storage.lock import RunLock\n"
        "with RunLock(sys.argv[1]):\n"
        "    child = os.fork()\n"
        "    if not child: print('held', flush=True); sys.stdin.read(); os._exit(0)\n"
        "    time.sleep(60)"
    )
    process = holder(tmp_path, program)
    process.send_signal(signal.SIGKILL)
    process.wait()
    with RunLock(tmp_path):
        pass
    end(process)


def test_a_second_holder_in_the_same_process_is_refused(tmp_path: Path) -> None:
    with RunLock(tmp_path), pytest.raises(SuppleError, match=f"in use by process {os.getpid()}"):
        RunLock(tmp_path).__enter__()


def test_the_lock_can_be_taken_again_also_after_an_error(tmp_path: Path) -> None:
    lock = RunLock(tmp_path)
    with pytest.raises(ZeroDivisionError), lock:
        raise ZeroDivisionError
    with lock:
        pass


def test_a_forked_child_that_leaves_the_block_does_not_free_the_lock(tmp_path: Path) -> None:
    program = (
        "import os, sys; from supple.storage.lock import RunLock\n"
        "with RunLock(sys.argv[1]):\n"
        "    child = os.fork()\n"
        "    if child: os.waitpid(child, 0); print('held', flush=True); sys.stdin.read()"
    )
    process = holder(tmp_path, program)
    with pytest.raises(SuppleError, match=f"in use by process {process.pid}"):
        RunLock(tmp_path).__enter__()
    end(process)


def test_a_damaged_lock_file_is_no_obstacle(tmp_path: Path) -> None:
    (tmp_path / ".lock").write_bytes(b"\xff" * 1000)
    with RunLock(tmp_path):
        assert (tmp_path / ".lock").read_text() == str(os.getpid())


def test_a_missing_folder_and_a_linked_lock_are_refused(tmp_path: Path) -> None:
    with pytest.raises(SuppleError, match=r'Could not lock ".*missing": No such file or directory'):
        RunLock(tmp_path / "missing").__enter__()
    (tmp_path / "precious").write_text("precious")
    (tmp_path / ".lock").symlink_to(tmp_path / "precious")
    with pytest.raises(SuppleError, match="Could not lock"):
        RunLock(tmp_path).__enter__()
    assert (tmp_path / "precious").read_text() == "precious"


def test_whoever_gets_the_lock_clears_what_a_killed_writer_left(tmp_path: Path) -> None:
    (tmp_path / "deep").mkdir()
    leftover = tmp_path / "deep" / f"{TEMPORARY_PREFIX}0123"
    leftover.write_text("half")
    (tmp_path / "deep" / "whole").write_text("whole")
    with RunLock(tmp_path):
        assert [path.name for path in (tmp_path / "deep").iterdir()] == ["whole"]
