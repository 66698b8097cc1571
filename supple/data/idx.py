"""IDX files, the format of MNIST: reading them within bounds, plain or gzipped, and writing them.

A file is `00 00 08 d`, then `d` big-endian 32-bit sizes, then the unsigned bytes. The format is described at the foot
of the MNIST page (LeCun, Cortes, Burges: "The MNIST database of handwritten digits").
"""

import gzip
import math
import os
import struct
import zlib
from pathlib import Path
from typing import BinaryIO, cast

import torch
from torch import Tensor

from supple.errors import SuppleError

_UNSIGNED_BYTE = 0x08
_MOST_DIMENSIONS = 4
_GZIP_MAGIC = b"\x1f\x8b"
# Deflate cannot shrink data more than this: a file that declares more holds less than it says.
_DEFLATE_MAX_RATIO = 1032
_CHUNK_BYTES = 1 << 20


def read_idx(path: Path) -> Tensor:
    """Read an IDX file of unsigned bytes, gzipped or not, as a uint8 tensor of the shape in its header.

    What the header declares is compared with the file's size before anything is allocated, and no more is
    decompressed than it declares. Raises SuppleError for whatever is not exactly such a file.
    """
    try:
        if not path.is_file():  # A pipe or a device, which might never end, is none.
            raise SuppleError(f'There is no file "{path}"')
        with path.open("rb") as file:
            size = os.fstat(file.fileno()).st_size
            zipped = file.read(len(_GZIP_MAGIC)) == _GZIP_MAGIC
            file.seek(0)
            if not zipped:
                return _read(path, file, size, zipped=False)
            with gzip.GzipFile(fileobj=file) as unzipped:
                return _read(path, cast("BinaryIO", unzipped), size, zipped=True)
    except (OSError, EOFError, zlib.error) as error:
        raise SuppleError(f'Cannot read "{path}": {error}; copy or download it again') from error


def write_idx(path: Path, values: Tensor) -> None:
    """Write a uint8 tensor as an IDX file, gzipped if the name ends in `.gz`; equal tensors give equal files."""
    if values.dtype != torch.uint8 or not 1 <= values.dim() <= _MOST_DIMENSIONS:
        raise SuppleError(
            f"An IDX file holds a uint8 tensor of 1 to {_MOST_DIMENSIONS} dimensions, "
            f"not {values.dtype} of shape {tuple(values.shape)}"
        )
    header = struct.pack(f">HBB{values.dim()}I", 0, _UNSIGNED_BYTE, values.dim(), *values.shape)
    content = header + values.contiguous().numpy().tobytes()
    path.write_bytes(gzip.compress(content, compresslevel=9, mtime=0) if path.suffix == ".gz" else content)


def _read(path: Path, file: BinaryIO, file_bytes: int, *, zipped: bool) -> Tensor:
    shape = _read_header(path, file)
    declared = math.prod(shape)
    held = file_bytes - 4 - 4 * len(shape)
    sizes = " x ".join(map(str, shape))
    if zipped and declared > _DEFLATE_MAX_RATIO * file_bytes:
        raise SuppleError(
            f'"{path}" is truncated: its header declares {sizes} bytes, more than {file_bytes} gzipped bytes can hold'
        )
    if not zipped and declared != held:
        raise SuppleError(_wrong_size(path, sizes, held, declared))
    content = bytearray()
    while len(content) < declared and (chunk := file.read(min(_CHUNK_BYTES, declared - len(content)))):
        content += chunk
    # Reading on past the declared end also makes gzip check its checksum.
    if len(content) < declared or file.read(1):
        raise SuppleError(_wrong_size(path, sizes, len(content), declared))
    return torch.frombuffer(content, dtype=torch.uint8).reshape(shape)


def _read_header(path: Path, file: BinaryIO) -> tuple[int, ...]:
    start = file.read(4)
    if len(start) < 4 or start[:2] != b"\0\0" or not 1 <= start[3] <= _MOST_DIMENSIONS:
        raise SuppleError(
            f'"{path}" is no IDX file: expected it to begin with the bytes 00 00 08 and a number of dimensions '
            f"from 1 to {_MOST_DIMENSIONS}, found {start.hex(' ') or 'nothing'}"
        )
    if start[2] != _UNSIGNED_BYTE:
        raise SuppleError(f'"{path}" holds IDX values of type 0x{start[2]:02x}: expected unsigned bytes, type 0x08')
    sizes = file.read(4 * start[3])
    if len(sizes) < 4 * start[3]:
        raise SuppleError(f'"{path}" is truncated: it ends within its header')
    shape = struct.unpack(f">{start[3]}I", sizes)
    if 0 in shape:
        raise SuppleError(f'"{path}" is empty: its header declares {" x ".join(map(str, shape))} values')
    return shape


def _wrong_size(path: Path, sizes: str, held: int, declared: int) -> str:
    if held < declared:
        return f'"{path}" is truncated: its header declares {sizes} bytes, it holds {max(held, 0)}'
    return f'"{path}" is damaged: its header declares {sizes} bytes, it holds more'
