"""Tests of what a machine has: the catalogue of runtimes, and what people are told where one is missing."""

import json
import re
import subprocess
import sys
from dataclasses import asdict, replace

import pytest
from typer.testing import CliRunner

from supple import machine
from supple.cli import app
from supple.errors import SuppleError
from supple.runtime import (
    Device,
    availability,
    backend_for,
    executorch_backend,
    nvidia,
    onnxruntime_backend,
    openvino_backend,
    parse_target,
    runtimes,
    torch_compile_backend,
)
from supple.runtime.onnxruntime_backend import OnnxRuntimeBackend
from supple.runtime.target import PLACES
from supple.runtime.torch_backend import TorchBackend
from supple.runtime.torch_compile_backend import TorchCompileBackend


def test_every_target_is_told_with_its_version_or_what_adds_it():
    found = availability()
    assert [entry.target for entry in found] == list(PLACES)
    assert all((entry.version is None) != (entry.missing is None) for entry in found)


def test_the_command_lists_targets_as_a_table_and_as_json():
    table = CliRunner().invoke(app, ["targets"]).output
    assert re.search(r"^onnxruntime:cpu +yes +\d+\.\d+", table, re.MULTILINE)
    assert "?threads=1&batch=1&resolution=96" in table
    told = json.loads(CliRunner().invoke(app, ["targets", "--json"]).output)
    assert told == [asdict(entry) for entry in availability()]


def test_more_threads_than_cores_are_refused(monkeypatch):
    two = replace(machine.describe_machine(), logical_cores=2)
    monkeypatch.setattr(runtimes, "describe_machine", lambda: two)
    assert backend_for(parse_target("onnxruntime:cpu?threads=2")).runtime == "onnxruntime"
    with pytest.raises(SuppleError, match=r"asks for 3 threads, but this process has 2 cores: give at most threads=2"):
        backend_for(parse_target("onnxruntime:cpu?threads=3"))
    assert backend_for(parse_target("remote+onnxruntime:cpu@board:80?threads=64")).runtime == "onnxruntime"


@pytest.mark.parametrize(
    ("module", "address", "message"),
    [
        (openvino_backend, "openvino:cpu", r'OpenVINO is not installed: pip install "supple\[openvino\]"'),
        (executorch_backend, "executorch:xnnpack", r'ExecuTorch is not installed: pip install "supple\[executorch\]"'),
    ],
)
def test_a_runtime_that_is_not_installed_is_told_with_what_adds_it(module, address, message, monkeypatch):
    monkeypatch.setattr(module, "find_spec", lambda _: None)
    with pytest.raises(SuppleError, match=f'Target "{re.escape(address)}.*" cannot be used here: {message}'):
        backend_for(parse_target(address))


@pytest.mark.parametrize("backend", [OnnxRuntimeBackend(), TorchBackend(), TorchCompileBackend()])
def test_a_machine_without_a_gpu_is_told_so(backend, monkeypatch):
    monkeypatch.setattr(nvidia, "_DEVICE_FILES", ())
    monkeypatch.setattr(nvidia.shutil, "which", lambda _: None)
    assert backend.missing(Device.CUDA) == "it needs an NVIDIA GPU with its driver, and this machine shows none."


def test_a_build_without_gpus_is_told_with_the_one_that_has_them(monkeypatch):
    monkeypatch.setattr(onnxruntime_backend, "missing_gpu", lambda: None)
    monkeypatch.setattr("onnxruntime.get_available_providers", lambda: ["CPUExecutionProvider"])
    told = OnnxRuntimeBackend().missing(Device.TENSORRT)
    assert told is not None
    assert 'pip uninstall -y onnxruntime && pip install "onnxruntime-gpu[cuda,cudnn]"' in told


def test_a_compiler_that_is_missing_is_told(monkeypatch):
    monkeypatch.setenv("CXX", "no-such-compiler")
    told = torch_compile_backend.TorchCompileBackend().missing(Device.CPU)
    assert told is not None
    assert 'there is no "no-such-compiler": apt-get install g++' in told


def test_openvino_is_imported_without_its_telemetry():
    pytest.importorskip("openvino")
    script = (
        "import sys\nfrom supple.runtime import parse_target\n"
        "from supple.runtime.openvino_backend import OpenVinoSession\n"
        "try:\n    OpenVinoSession(b'', parse_target('openvino:cpu'))\nexcept Exception:\n    pass\n"
        "print('openvino' in sys.modules, any(name.startswith('openvino_telemetry') for name in sys.modules))"
    )
    told = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True).stdout
    assert told.split() == ["True", "False"]
