"""The catalogue of runtimes: a line each."""

from supple.errors import SuppleError
from supple.runtime.backend import Backend
from supple.runtime.onnxruntime_backend import OnnxRuntimeBackend
from supple.runtime.target import Runtime, Target

BACKENDS: dict[Runtime, Backend] = {backend.runtime: backend for backend in (OnnxRuntimeBackend(),)}


def backend_for(target: Target) -> Backend:
    """Return the runtime of a target. Raises `SuppleError` where this machine lacks it, with what adds it."""
    backend = BACKENDS[target.runtime]
    if target.worker is None and (missing := backend.missing(target.device)):
        raise SuppleError(f'Target "{target}" cannot be used here: {missing}')
    return backend
