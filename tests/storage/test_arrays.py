"""NumPy arrays in safetensors files, and the files that are refused."""

import subprocess
import sys

import numpy as np
import pytest

from supple.errors import SuppleError
from supple.storage.arrays import load_arrays, save_arrays


def test_arrays_come_back_as_they_were(tmp_path):
    arrays = {"a": np.arange(6.0).reshape(2, 3).T, "none": np.zeros((3, 0)), "whole": np.array([1, -2])}
    save_arrays(tmp_path / "x.safetensors", arrays)
    loaded = load_arrays(tmp_path / "x.safetensors")
    assert loaded.keys() == arrays.keys()
    for name, array in arrays.items():
        assert (loaded[name].dtype, loaded[name].tolist()) == (array.dtype, array.tolist())


@pytest.mark.parametrize("content", [b"", b"\x10", b"\xff" * 64, b"\x02" + bytes(7) + b"[]"])
def test_what_is_no_file_of_arrays_is_refused(tmp_path, content):
    (tmp_path / "x").write_bytes(content)
    with pytest.raises(SuppleError, match=r"safetensors file|is not valid JSON"):
        load_arrays(tmp_path / "x")


def test_a_truncated_file_is_refused(tmp_path):
    save_arrays(tmp_path / "x", {"a": np.arange(100.0)})
    (tmp_path / "x").write_bytes((tmp_path / "x").read_bytes()[:-1])
    with pytest.raises(SuppleError, match=r'/x" is no whole safetensors file: '):
        load_arrays(tmp_path / "x")


def test_no_torch_is_needed(tmp_path):
    code = (
        "import sys, numpy; from supple.storage.arrays import load_arrays, save_arrays\n"
        f"save_arrays({str(tmp_path / 'x')!r}, {{'a': numpy.ones(3)}}); load_arrays({str(tmp_path / 'x')!r})\n"
        "sys.exit('torch' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
