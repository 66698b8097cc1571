"""IDX files: exact, and bounded whatever the bytes are."""

import contextlib
import gzip
import struct
import tracemalloc
from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from supple.data.idx import read_idx, write_idx
from supple.errors import SuppleError

VALUES = torch.arange(2 * 3 * 4, dtype=torch.uint8).reshape(2, 3, 4)
HEADER = struct.pack(">HBBIII", 0, 8, 3, 2, 3, 4)
CONTENT = HEADER + bytes(range(24))


@pytest.mark.parametrize("name", ["values", "values.gz"])
def test_what_is_written_is_read(tmp_path: Path, name: str) -> None:
    write_idx(tmp_path / name, VALUES)
    assert torch.equal(read_idx(tmp_path / name), VALUES)


def test_the_format_is_the_one_of_mnist(tmp_path: Path) -> None:
    write_idx(tmp_path / "values", VALUES)
    assert (tmp_path / "values").read_bytes() == CONTENT


def test_gzip_is_known_by_content_and_not_by_name(tmp_path: Path) -> None:
    (tmp_path / "values").write_bytes(gzip.compress(CONTENT))
    assert torch.equal(read_idx(tmp_path / "values"), VALUES)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "is no IDX file: expected it to begin with .* found nothing"),
        (b"\x89PNG\r\n", "is no IDX file: .* found 89 50 4e 47"),
        (b"\0\0\x08\x09" + bytes(60), "is no IDX file"),
        (b"\0\0\x0d\x01" + bytes(60), "holds IDX values of type 0x0d: expected unsigned bytes"),
        (HEADER[:9], "is truncated: it ends within its header"),
        (struct.pack(">HBBII", 0, 8, 2, 0, 4), "is empty: its header declares 0 x 4 values"),
        (CONTENT[:-1], "is truncated: its header declares 2 x 3 x 4 bytes, it holds 23"),
        (CONTENT + b"\0", "is damaged: its header declares 2 x 3 x 4 bytes, it holds more"),
        (struct.pack(">HBBIII", 0, 8, 3, *[2**32 - 1] * 3), "is truncated: its header declares 4294967295 x"),
        (gzip.compress(CONTENT[:-1], mtime=0), "is truncated: its header declares 2 x 3 x 4 bytes, it holds 23"),
        (gzip.compress(CONTENT + b"\0", mtime=0), "is damaged: its header declares 2 x 3 x 4 bytes, it holds more"),
        (gzip.compress(CONTENT, mtime=0)[:-9], "Cannot read .*end-of-stream"),
        (gzip.compress(CONTENT, mtime=0)[:-8] + bytes(8), "Cannot read .*CRC check failed"),
        (
            gzip.compress(struct.pack(">HBBII", 0, 8, 2, 2**32 - 1, 2**32 - 1), mtime=0),
            "more than .* gzipped bytes can hold",
        ),
    ],
)
def test_a_file_that_is_not_exactly_right_is_refused(tmp_path: Path, content: bytes, message: str) -> None:
    (tmp_path / "values").write_bytes(content)
    with pytest.raises(SuppleError, match=message) as caught:
        read_idx(tmp_path / "values")
    assert "\n" not in str(caught.value)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(SuppleError, match=r'There is no file ".*values"'):
        read_idx(tmp_path / "values")


def test_a_gzip_bomb_is_not_unpacked(tmp_path: Path) -> None:
    (tmp_path / "bomb.gz").write_bytes(gzip.compress(CONTENT + bytes(1 << 27)))
    tracemalloc.start()
    with pytest.raises(SuppleError, match="holds more"):
        read_idx(tmp_path / "bomb.gz")
    _, peak_bytes = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak_bytes < 1 << 23


def test_a_tensor_that_is_no_bytes_is_not_written(tmp_path: Path) -> None:
    with pytest.raises(SuppleError, match=r"holds a uint8 tensor of 1 to 4 dimensions, not torch.float32"):
        write_idx(tmp_path / "values", torch.zeros(2))


@settings(deadline=None)
@given(st.one_of(st.binary(max_size=64), st.binary(max_size=40).map(lambda tail: b"\0\0\x08" + tail)), st.booleans())
def test_any_bytes_are_a_tensor_or_a_clear_refusal(
    tmp_path_factory: pytest.TempPathFactory, content: bytes, zipped: bool
) -> None:
    path = tmp_path_factory.mktemp("idx") / "values"
    path.write_bytes(gzip.compress(content) if zipped else content)
    try:
        values = read_idx(path)
    except SuppleError:
        return
    assert content.endswith(bytes(values.flatten().tolist()))


@settings(deadline=None)
@given(st.integers(0, len(gzip.compress(CONTENT, mtime=0)) * 8 - 1))
def test_a_flipped_bit_of_a_gzipped_file_never_gives_other_values(
    tmp_path_factory: pytest.TempPathFactory, bit: int
) -> None:
    content = bytearray(gzip.compress(CONTENT, mtime=0))
    content[bit // 8] ^= 1 << bit % 8
    path = tmp_path_factory.mktemp("idx") / "values.gz"
    path.write_bytes(content)
    with contextlib.suppress(SuppleError):
        assert torch.equal(read_idx(path), VALUES)
