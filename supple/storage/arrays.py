"""NumPy arrays in safetensors files, for rooms that need no torch: as safe to read as `supple.storage.tensors`."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from supple.errors import SuppleError
from supple.storage.files import replaced_atomically
from supple.storage.tensors import check_header


def save_arrays(path: Path | str, arrays: Mapping[str, NDArray[Any]]) -> None:
    """Write arrays by name, wholly or not at all; the same arrays give the same bytes.

    Raises `SuppleError` where the file cannot be written.
    """
    from safetensors.numpy import save_file

    with replaced_atomically(path) as temporary:
        save_file({name: np.ascontiguousarray(array) for name, array in arrays.items()}, temporary)


def load_arrays(path: Path | str) -> dict[str, NDArray[Any]]:
    """Return the arrays of a safetensors file.

    Raises `SuppleError` where the file is missing, truncated, or no well-formed safetensors file of NumPy's types.
    """
    import safetensors
    from safetensors.numpy import load_file

    check_header(Path(path))
    try:
        return load_file(path)
    except (safetensors.SafetensorError, OSError, ValueError, KeyError, TypeError) as error:
        raise SuppleError(f'"{path}" is no whole safetensors file: {error}.') from error
