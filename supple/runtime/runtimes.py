"""The catalogue of runtimes: a line each."""

from collections.abc import Sequence
from dataclasses import dataclass

from supple.errors import SuppleError
from supple.machine import describe_machine
from supple.runtime.backend import Backend
from supple.runtime.executorch_backend import ExecuTorchBackend
from supple.runtime.onnxruntime_backend import OnnxRuntimeBackend
from supple.runtime.openvino_backend import OpenVinoBackend
from supple.runtime.target import PLACES, Runtime, Target
from supple.runtime.torch_backend import TorchBackend
from supple.runtime.torch_compile_backend import TorchCompileBackend
from supple.text_table import text_table

BACKENDS: dict[Runtime, Backend] = {
    backend.runtime: backend
    for backend in (
        OnnxRuntimeBackend(),
        OpenVinoBackend(),
        ExecuTorchBackend(),
        TorchBackend(),
        TorchCompileBackend(),
    )
}


@dataclass(frozen=True)
class Availability:
    """Whether a target, as "openvino:cpu", can be used on this machine: its runtime's version, or what adds it."""

    target: str
    version: str | None
    missing: str | None


def backend_for(target: Target) -> Backend:
    """Return the runtime of a target.

    Raises `SuppleError` where this machine lacks it, with what adds it, or has fewer cores than the target threads.
    """
    backend = BACKENDS[target.runtime]
    if target.worker is not None:
        return backend
    if missing := backend.missing(target.device):
        raise SuppleError(f'Target "{target}" cannot be used here: {missing}')
    cores = describe_machine().logical_cores
    if target.threads > cores:
        raise SuppleError(
            f'Target "{target}" asks for {target.threads} threads, but this process has {cores} cores: give at most '
            f"threads={cores}."
        )
    return backend


def availability() -> list[Availability]:
    """Return for every target that there is, without its settings, whether this machine has it."""
    found = []
    for place, (runtime, device) in PLACES.items():
        backend = BACKENDS[runtime]
        missing = backend.missing(device)
        found.append(Availability(place, None if missing else backend.version(), missing))
    return found


def availability_table(found: Sequence[Availability]) -> str:
    """Return a table for people, and how to write a target."""
    rows = [
        (entry.target, "yes" if entry.missing is None else "no", entry.version or "", entry.missing or "")
        for entry in found
    ]
    lines = text_table(("target", "here", "version", "what is missing"), rows)
    return "\n".join(
        [*lines, "", "Settings: ?threads=1&batch=1&resolution=96. Another machine: remote+TARGET@HOST:PORT."]
    )
