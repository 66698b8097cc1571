"""Data configs: told apart by their kind, strict about their keys, read without torch."""

import subprocess
import sys

import pytest
from pydantic import TypeAdapter, ValidationError

from supple.data import DataConfig, FashionMnistConfig, FolderConfig, IdxConfig, PythonConfig

ADAPTER: TypeAdapter[DataConfig] = TypeAdapter(DataConfig)


@pytest.mark.parametrize(
    ("given", "kind"),
    [
        ({"kind": "fashion-mnist"}, FashionMnistConfig),
        ({"kind": "idx", "path": "x"}, IdxConfig),
        ({"kind": "folder", "path": "x", "image_size": 32}, FolderConfig),
        ({"kind": "python", "function": "a.b:c", "arguments": {"n": [1, "two"]}}, PythonConfig),
    ],
)
def test_the_kind_decides_and_survives_json(given: dict[str, object], kind: type) -> None:
    config = ADAPTER.validate_python(given)
    assert type(config) is kind
    assert ADAPTER.validate_json(ADAPTER.dump_json(config)) == config


@pytest.mark.parametrize(
    "given",
    [
        {"kind": "idx", "path": "x", "pth": "y"},
        {"kind": "idx"},
        {"kind": "folder", "path": "x", "valid_fraction": 1.0},
        {"kind": "folder", "path": "x", "image_size": 0},
        {"kind": "python", "function": "a:b", "valid_fraction": 0.1},
        {"kind": "python", "function": "a:b", "classes": 1},
        {"kind": "zip"},
    ],
)
def test_what_makes_no_sense_is_refused(given: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        ADAPTER.validate_python(given)


def test_a_config_is_read_without_torch() -> None:
    code = "import sys, supple.data; supple.data.IdxConfig(path='x'); sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
