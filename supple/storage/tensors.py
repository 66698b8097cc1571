"""Tensors in safetensors files: written atomically, and read so that every damage is a `SuppleError`.

A file that is whole in form can still hold changed numbers: only an artifact's sums (`supple.storage.verify`) show it.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from supple.errors import SuppleError
from supple.storage.files import open_regular, replaced_atomically
from supple.storage.json_files import MAX_BYTES, parse_json

if TYPE_CHECKING:
    from torch import Tensor


def save_tensors(path: Path | str, tensors: Mapping[str, Tensor], metadata: Mapping[str, str] = {}) -> None:
    """Write tensors by name, wholly or not at all. Tensors that share memory are written out one by one.

    The same tensors give the same bytes, unless there are several notes in `metadata`: their order is arbitrary.
    Raises `SuppleError` where the file cannot be written, or where a tensor is of a kind that safetensors cannot hold.
    """
    import safetensors
    from safetensors.torch import save_file

    with replaced_atomically(path) as temporary:
        try:
            save_file(_independent(tensors), temporary, dict(metadata) or None)
        except (safetensors.SafetensorError, ValueError, KeyError, RuntimeError) as error:
            raise SuppleError(f'Could not write the tensors to "{path}": {error}.') from error


def load_tensors(path: Path | str) -> dict[str, Tensor]:
    """Return the tensors of a safetensors file, on the CPU, each with memory of its own.

    Raises `SuppleError` where the file is missing, truncated, or no well-formed safetensors file.
    """
    import safetensors

    check_header(Path(path))
    try:
        with safetensors.safe_open(path, framework="pt", device="cpu") as file:
            # The tensors that it returns lie in the mapped file and would change with it.
            return {name: file.get_tensor(name).clone() for name in file.keys()}  # noqa: SIM118 (it is no mapping)
    except (safetensors.SafetensorError, OSError, ValueError, KeyError, RuntimeError) as error:
        raise SuppleError(f'"{path}" is no whole safetensors file: {error}.') from error


def load_metadata(path: Path | str) -> dict[str, str]:
    """Return the text notes that were saved with the tensors. Raises `SuppleError` as `load_tensors` does."""
    notes = check_header(Path(path)).get("__metadata__", {})
    if not isinstance(notes, dict) or not all(isinstance(value, str) for value in notes.values()):
        raise SuppleError(f'"{path}" is no whole safetensors file: its notes are not text.')
    return notes


def check_header(path: Path) -> dict[str, object]:
    """Read the header before anything trusts the length that it claims: 8 bytes little-endian, then that much JSON."""
    with open_regular(path) as file:
        size = os.fstat(file.fileno()).st_size
        length = int.from_bytes(file.read(8), "little")
        if size < 8 or length > min(size - 8, MAX_BYTES):
            raise SuppleError(
                f'"{path}" is no whole safetensors file: it has {size:,} bytes and claims a header of {length:,}.'
            )
        header = parse_json(file.read(length), f'The header of "{path}"')
    if not isinstance(header, dict):
        raise SuppleError(f'"{path}" is no whole safetensors file: its header is no JSON object.')
    return header


def _independent(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    result: dict[str, Tensor] = {}
    storages: set[int] = set()
    for name, tensor in tensors.items():
        plain = tensor.detach().cpu().contiguous()
        if plain.untyped_storage().data_ptr() in storages:
            plain = plain.clone()
        storages.add(plain.untyped_storage().data_ptr())
        result[name] = plain
    return result
