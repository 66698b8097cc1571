"""Tensors on disk: what is saved is loaded bit for bit, and what is no whole file is refused."""

import errno
import json
import os
import random
import resource
import struct
from pathlib import Path

import pytest
import torch

from supple.errors import SuppleError
from supple.storage import load_metadata, load_tensors, save_tensors


def raw(path: Path, header: object, data: bytes = b"", length: int | None = None) -> Path:
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    path.write_bytes(struct.pack("<Q", len(text) if length is None else length) + text + data)
    return path


def test_tensors_of_every_sort_come_back_bit_for_bit(tmp_path: Path) -> None:
    weight = torch.randn(8, 8, generator=torch.Generator().manual_seed(0))
    tensors = {
        "whole": weight,
        "prefix": weight[:4],
        "not contiguous": weight[:, :3],
        "tied": weight,
        "half": weight.half(),
        "bfloat16": weight.bfloat16(),
        "integers": torch.arange(5),
        "bool": weight > 0,
        "scalar": torch.tensor(3),
        "empty": torch.zeros(0, 3),
        "not finite": torch.tensor([float("nan"), float("inf")]),
        "channels last": torch.randn(2, 3, 4, 5).to(memory_format=torch.channels_last),
        "parameter": torch.nn.Parameter(weight.clone()),
    }
    save_tensors(tmp_path / "weights", tensors)
    loaded = load_tensors(tmp_path / "weights")
    assert loaded.keys() == tensors.keys()
    for name, tensor in tensors.items():
        assert loaded[name].dtype == tensor.dtype
        assert torch.equal(torch.nan_to_num(loaded[name]), torch.nan_to_num(tensor.detach())), name


def test_no_tensors_are_a_file_too(tmp_path: Path) -> None:
    save_tensors(tmp_path / "weights", {})
    assert load_tensors(tmp_path / "weights") == {}
    save_tensors(tmp_path / "weights", {}, {"step": "12"})
    assert load_metadata(tmp_path / "weights") == {"step": "12"}


def test_the_same_tensors_give_the_same_bytes(tmp_path: Path) -> None:
    tensors = {f"layer.{index}": torch.full((2,), float(index)) for index in range(20)}
    save_tensors(tmp_path / "first", tensors)
    save_tensors(tmp_path / "second", dict(reversed(tensors.items())))
    assert (tmp_path / "first").read_bytes() == (tmp_path / "second").read_bytes()


def test_notes_come_back(tmp_path: Path) -> None:
    save_tensors(tmp_path / "weights", {"a": torch.ones(1)}, {"config": '{"width": 3}', "step": "12"})
    assert load_metadata(tmp_path / "weights") == {"config": '{"width": 3}', "step": "12"}
    save_tensors(tmp_path / "weights", {"a": torch.ones(1)})
    assert load_metadata(tmp_path / "weights") == {}


def test_loaded_tensors_do_not_change_with_the_file(tmp_path: Path) -> None:
    path = tmp_path / "weights"
    save_tensors(path, {"a": torch.ones(10_000)})
    loaded = load_tensors(path)
    with path.open("r+b") as file:
        file.seek(0, os.SEEK_END)
        size = file.tell()
        file.seek(0)
        file.write(bytes(size))
    assert torch.equal(loaded["a"], torch.ones(10_000))


def test_a_limit_on_the_file_size_leaves_the_earlier_file(tmp_path: Path) -> None:
    path = tmp_path / "weights"
    save_tensors(path, {"a": torch.zeros(3)})
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    try:
        for limit in (0, 8, 100, 4096, 39_999):
            resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limits[1]))
            with pytest.raises(SuppleError, match=r'^Could not write the tensors to ".*weights": .*File too large'):
                save_tensors(path, {"a": torch.ones(10_000)})
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert [entry.name for entry in tmp_path.iterdir()] == ["weights"]
    assert torch.equal(load_tensors(path)["a"], torch.zeros(3))


def test_a_disk_that_is_full_when_flushed_leaves_the_earlier_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "weights"
    save_tensors(path, {"a": torch.zeros(3)})

    def full(descriptor: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(SuppleError, match=r'Could not write ".*weights": No space left on device'):
        save_tensors(path, {"a": torch.ones(3)})
    monkeypatch.undo()
    assert [entry.name for entry in tmp_path.iterdir()] == ["weights"]
    assert torch.equal(load_tensors(path)["a"], torch.zeros(3))


@pytest.mark.parametrize("tensor", [torch.ones(2).to_sparse(), torch.ones(2, device="meta")])
def test_tensors_that_have_no_plain_memory_are_refused(tmp_path: Path, tensor: torch.Tensor) -> None:
    with pytest.raises(SuppleError, match="Could not write the tensors to"):
        save_tensors(tmp_path / "weights", {"a": tensor})
    assert list(tmp_path.iterdir()) == []


def test_missing_files_and_folders_are_named(tmp_path: Path) -> None:
    with pytest.raises(SuppleError, match=r'Could not read ".*missing": No such file or directory'):
        load_tensors(tmp_path / "missing")
    with pytest.raises(SuppleError, match="is not a file"):
        load_tensors(tmp_path)


def test_every_truncation_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "weights"
    save_tensors(path, {"a": torch.arange(4), "b": torch.ones(2, 2)})
    whole = path.read_bytes()
    for length in reversed(range(len(whole))):
        os.truncate(path, length)
        with pytest.raises(SuppleError):
            load_tensors(path)


def test_random_damage_loads_or_is_refused_but_never_crashes(tmp_path: Path) -> None:
    path = tmp_path / "weights"
    save_tensors(path, {"a": torch.arange(4), "b": torch.ones(2, 2)}, {"config": "x"})
    whole = path.read_bytes()
    rng = random.Random(5)
    refused = 0
    with path.open("r+b", buffering=0) as file:
        for _ in range(2_000):
            damaged = bytearray(whole)
            for _ in range(rng.randint(1, 4)):
                damaged[rng.randrange(len(whole))] ^= 1 << rng.randrange(8)
            os.pwrite(file.fileno(), damaged, 0)
            try:
                load_tensors(path)
            except SuppleError:
                refused += 1
    assert refused > 1_000


def one(dtype: object = "F32", shape: object = (2,), offsets: object = (0, 8)) -> dict[str, object]:
    return {"dtype": dtype, "shape": shape, "data_offsets": offsets}


@pytest.mark.parametrize(
    "header",
    [
        {"a": one(), "b": one()},
        {"a": one(), "b": one(offsets=(4, 12))},
        {"a": one(offsets=(8, 0))},
        {"a": one(offsets=(-8, 0))},
        {"a": one(offsets=(8, 16))},
        {"a": one(offsets=(0, 2**64))},
        {"a": one(shape=(3,))},
        {"a": one(shape=(2**62, 4))},
        {"a": one(shape=(-2,))},
        {"a": one(dtype="F99")},
        {"a": one(dtype=7)},
        {"a": {"dtype": "F32"}},
        {"a": 7},
        {},
        [],
        7,
        b"",
        b"{",
        b"\x80\x04\x95.",
        b'{"a":' * 10_000,
        b"[" * 1_000_000,
        b'{"a": 1e999}',
    ],
)
def test_hostile_headers_are_refused(tmp_path: Path, header: object) -> None:
    with pytest.raises(SuppleError, match=r"weights"):
        load_tensors(raw(tmp_path / "weights", header, bytes(8)))


@pytest.mark.parametrize("length", [1_000_000_000, 2**63, 2**64 - 1])
def test_a_header_that_claims_more_than_there_is_is_refused(tmp_path: Path, length: int) -> None:
    with pytest.raises(SuppleError, match=f"claims a header of {length:,}"):
        load_tensors(raw(tmp_path / "weights", {"a": one()}, bytes(8), length))


def test_a_header_of_1_gigabyte_is_refused_unread(tmp_path: Path) -> None:
    path = raw(tmp_path / "weights", b"", length=10**9)
    os.truncate(path, 10**9 + 8)  # Sparse: it takes no room on the disk.
    with pytest.raises(SuppleError, match="claims a header of 1,000,000,000"):
        load_tensors(path)


@pytest.mark.parametrize("notes", [7, [], {"a": 7}, {"a": None}])
def test_notes_that_are_no_text_are_refused(tmp_path: Path, notes: object) -> None:
    with pytest.raises(SuppleError, match="its notes are not text"):
        load_metadata(raw(tmp_path / "weights", {"__metadata__": notes}))
