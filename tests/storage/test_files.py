"""Atomic writes: either the earlier file or the whole new one, whatever goes wrong."""

import errno
import hashlib
import os
import resource
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from supple.errors import SuppleError
from supple.storage import replaced_atomically, sha256_of, write_atomically
from supple.storage.files import TEMPORARY_PREFIX, read_bounded


def names(folder: Path) -> list[str]:
    return [path.name for path in folder.iterdir()]


def test_bytes_and_text_are_written(tmp_path: Path) -> None:
    write_atomically(tmp_path / "bytes", b"\x00\xff")
    write_atomically(str(tmp_path / "text"), "müde")
    assert (tmp_path / "bytes").read_bytes() == b"\x00\xff"
    assert (tmp_path / "text").read_bytes() == "müde".encode()


def test_the_earlier_file_is_replaced_and_nothing_else_stays(tmp_path: Path) -> None:
    write_atomically(tmp_path / "a", "earlier and longer")
    write_atomically(tmp_path / "a", "later")
    assert (tmp_path / "a").read_text() == "later"
    assert names(tmp_path) == ["a"]


def test_content_is_on_the_disk_before_it_gets_its_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    events: list[str] = []
    replace, fsync = Path.replace, os.fsync

    def recorded_fsync(descriptor: int) -> None:
        events.append("flush " + Path(f"/proc/self/fd/{descriptor}").readlink().name[: len(TEMPORARY_PREFIX)])
        fsync(descriptor)

    def recorded_replace(path: Path, target: Path) -> Path:
        events.append("rename")
        return replace(path, target)

    monkeypatch.setattr(os, "fsync", recorded_fsync)
    monkeypatch.setattr(Path, "replace", recorded_replace)
    write_atomically(tmp_path / "a", "x")
    assert events == [f"flush {TEMPORARY_PREFIX}", "rename", f"flush {tmp_path.name[: len(TEMPORARY_PREFIX)]}"]


@pytest.mark.parametrize("step", ["write_bytes", "fsync", "replace"])
def test_a_full_disk_at_any_step_leaves_the_earlier_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    write_atomically(tmp_path / "a", "earlier")

    def full(*arguments: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os if step == "fsync" else Path, step, full)
    with pytest.raises(SuppleError) as caught:
        write_atomically(tmp_path / "a", "later")
    monkeypatch.undo()
    assert str(caught.value) == f'Could not write "{tmp_path / "a"}": No space left on device.'
    assert (tmp_path / "a").read_text() == "earlier"
    assert names(tmp_path) == ["a"]


def test_a_limit_on_the_file_size_at_any_level_leaves_the_earlier_file(tmp_path: Path) -> None:
    write_atomically(tmp_path / "a", "earlier")
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    try:
        for limit in (0, 1, 4095, 4096, 9999):
            resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limits[1]))
            with pytest.raises(SuppleError, match="File too large"):
                write_atomically(tmp_path / "a", bytes(10_000))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert (tmp_path / "a").read_text() == "earlier"
    assert names(tmp_path) == ["a"]


def test_no_permission_is_one_clear_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # Simulated: the root user may write anywhere.
    def refused(*arguments: object) -> None:
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))

    monkeypatch.setattr(Path, "write_bytes", refused)
    with pytest.raises(SuppleError, match=r'^Could not write ".*a": Permission denied\.$'):
        write_atomically(tmp_path / "a", "later")


def test_a_missing_folder_and_a_folder_in_the_way_are_named(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    with pytest.raises(SuppleError, match=r'Could not write ".*missing/a": No such file or directory'):
        write_atomically(tmp_path / "missing" / "a", "x")
    with pytest.raises(SuppleError, match=r'Could not write ".*folder": Is a directory'):
        write_atomically(tmp_path / "folder", "x")
    assert names(tmp_path) == ["folder"]


def test_an_error_of_the_writer_passes_through_and_leaves_nothing(tmp_path: Path) -> None:
    def fail_halfway() -> None:
        with replaced_atomically(tmp_path / "a") as temporary:
            temporary.write_text("half")
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail_halfway()
    assert names(tmp_path) == []


def test_a_writer_killed_at_any_moment_leaves_a_whole_file(tmp_path: Path) -> None:
    target = tmp_path / "a"
    program = (
        "import sys; from supple.storage.files import write_atomically\n"
        "for count in range(10**9): write_atomically(sys.argv[1], str(count % 10) * 300_000)"
    )
    for turn in range(10):
        writer = subprocess.Popen([sys.executable, "-c", program, str(target)])
        target.unlink(missing_ok=True)
        while not target.exists():
            assert writer.poll() is None
            time.sleep(0.001)
        time.sleep(0.0013 * turn)
        writer.send_signal(signal.SIGKILL)
        writer.wait()
        text = target.read_text()
        assert text == text[0] * 300_000


def test_sha256_agrees_with_the_standard(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"abc" * 100_000)
    assert sha256_of(tmp_path / "a") == hashlib.sha256(b"abc" * 100_000).hexdigest()


def test_what_cannot_be_read_is_named(tmp_path: Path) -> None:
    with pytest.raises(SuppleError, match=r'Could not read ".*missing": No such file or directory'):
        sha256_of(tmp_path / "missing")
    with pytest.raises(SuppleError, match=r'".*" is not a file'):
        sha256_of(tmp_path)
    with pytest.raises(SuppleError, match=r"Could not read .*null"):
        sha256_of("a\0b")


@pytest.mark.parametrize("special", ["pipe", "/dev/zero"])
def test_pipes_and_devices_are_refused_without_waiting(tmp_path: Path, special: str) -> None:
    path = tmp_path / special
    if special == "pipe":
        os.mkfifo(path)
    with pytest.raises(SuppleError, match="is not a file"):
        read_bounded(path, 10)


def test_a_file_over_the_bound_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(bytes(11))
    assert read_bounded(tmp_path / "a", 11) == bytes(11)
    with pytest.raises(SuppleError, match="larger than the 10 bytes"):
        read_bounded(tmp_path / "a", 10)
