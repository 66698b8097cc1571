"""Save a latency predictor to a folder and load it again: what it is as JSON, what it has seen as safetensors.

The fitted regression is not saved but conditioned again on the measurements, with the kernel's values that were found:
the same arithmetic on the same numbers gives the same predictions, bit for bit on the same machine.
"""

import math
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from supple.cost.predictors.columns import Columns, Form, Scale
from supple.cost.predictors.descriptions import Array, Descriptions, checked_latencies
from supple.cost.predictors.held_out import HeldOut
from supple.cost.predictors.predictor import FittedTarget, LatencyPredictor
from supple.cost.predictors.process import Process
from supple.errors import SuppleError
from supple.storage import read_json, seal, verify, write_json
from supple.storage.arrays import load_arrays, save_arrays

ARTIFACT_KIND = "latency predictor"
PREDICTOR_FILE = "predictor.json"
MEASUREMENTS_FILE = "measurements.safetensors"
_TABLES = ("features", "costs", "sources")


def save(predictor: LatencyPredictor, folder: Path | str) -> None:
    """Write a predictor to a folder and seal it with SHA-256 sums. Raises `SuppleError` where writing fails."""
    target = Path(folder)
    try:
        target.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise SuppleError(f'The folder "{target}" cannot be made: {error.strerror}.') from None
    process = predictor.process
    write_json(
        target / PREDICTOR_FILE,
        {
            "target": asdict(predictor.target),
            "form": asdict(process.columns.form),
            "kernel": process.kernel.values.tolist(),
            "held_out": asdict(predictor.held_out),
            "stretch": predictor.stretch,
        },
    )
    measured = process.columns.reference
    tables = {name: getattr(measured, name) for name in _TABLES}
    save_arrays(target / MEASUREMENTS_FILE, {**tables, "latency_ms": process.latency_ms})
    seal(target, ARTIFACT_KIND)


def load(folder: Path | str) -> LatencyPredictor:
    """Return the predictor saved in a folder.

    Raises `SuppleError` where a file is missing or damaged, or where the folder holds something else.
    """
    manifest = verify(folder, ARTIFACT_KIND)
    content = read_json(manifest.path(PREDICTOR_FILE))
    arrays = load_arrays(manifest.path(MEASUREMENTS_FILE))
    try:
        measured = Descriptions.of(*(_float64(arrays[name]) for name in _TABLES))
        latency_ms = checked_latencies(_float64(arrays["latency_ms"]), len(measured))
        form = Form(Scale(content["form"]["scale"]), bool(content["form"]["features"]))
        return LatencyPredictor(
            FittedTarget(str(content["target"]["address"]), str(content["target"]["machine"])),
            Process.with_values(form, measured, latency_ms, _kernel_values(content["kernel"], form, measured)),
            _held_out(content["held_out"]),
            float(content["stretch"]),
        )
    except (SuppleError, KeyError, TypeError, ValueError) as error:
        raise SuppleError(
            f'"{folder}" holds no latency predictor that this version of supple reads: {error}.'
        ) from None


def _float64(array: Any) -> Array:
    if array.dtype != np.float64:
        raise ValueError(f"an array holds {array.dtype}, not float64")
    return np.asarray(array)


def _held_out(content: Any) -> HeldOut:
    count = content.pop("count")
    return HeldOut(int(count), **{name: float(value) for name, value in content.items()})


def _kernel_values(values: object, form: Form, measured: Descriptions) -> Array:
    expected = len(Columns(form, measured).kernel().values)
    if not isinstance(values, list) or len(values) != expected:
        raise ValueError(f"the kernel needs {expected} values")
    return np.array([_positive(value) for value in values])


def _positive(value: object) -> float:
    if not isinstance(value, float) or not 0 < value < math.inf:
        raise ValueError(f"{value!r:.40} is no positive number")
    return value
