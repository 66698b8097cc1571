"""Files of one network in several precisions: how far their outputs are from full precision, their size, their latency.

All are ONNX files, opened by ONNX Runtime and OpenVINO alike; what other tools make comes in as such a file too.
"""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from supple.bench.form import Cell
from supple.bench.precision_judge import TARGETS
from supple.cost import MeasurementStore, open_device
from supple.cost.latency import DEFAULT_EFFORT
from supple.cost.program_meter import ProgramMeter
from supple.family import Family
from supple.runtime import OnnxSession, Program, parse_target
from supple.runtime.openvino_backend import without_telemetry
from supple.runtime.parity import decibels
from supple.runtime.program import Format
from supple.space import Config

_SECONDS = 3.0

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Subject:
    """A network's inputs in batches, its outputs in full precision, and the labels of samples that have one."""

    batches: Sequence[tuple[torch.Tensor, ...]]
    exact: Floats
    labels: NDArray[np.int64] | None = None

    def outputs(self, content: bytes) -> Floats:
        """Return what a file computes for all inputs, (samples, ...)."""
        session = OnnxSession(content, 1)
        found = [session.run(*(tensor.numpy() for tensor in batch)) for batch in self.batches]
        outputs: Floats = np.concatenate(found).astype(np.float64)
        return outputs

    def row(self, content: bytes) -> dict[str, Cell]:
        """Return how far a file's outputs are from full precision, and its size."""
        outputs = self.outputs(content)
        row: dict[str, Cell] = {
            "signal_to_noise_db": decibels(np.square(self.exact).sum(), np.square(self.exact - outputs).sum()),
            "same_class_%": 100 * float(np.mean(outputs.argmax(-1) == self.exact.argmax(-1))),
        }
        if self.labels is not None:
            row["top1_%"] = 100 * float(np.mean(outputs.argmax(-1) == self.labels))
        return row | {"file_kb": len(content) / 1000}


def installed_nncf() -> Any | None:
    """Return NNCF, which then tells its makers nothing, or None where it is not installed."""
    try:
        with without_telemetry():
            import nncf
    except ImportError:
        return None
    nncf.set_log_level(logging.ERROR)
    return nncf


def weight_bytes(family: Family, config: Config) -> float:
    """Return the bytes of the weights whose precision can be chosen, without scales: what a choice of bits changes."""
    assert family.quantization is not None
    total = 0.0
    for name, choice in family.quantization.choices.items():
        for layer in choice.layers:
            weight = family.model.get_submodule(layer.path).get_parameter("weight")
            total += weight.numel() * config[name] / 8
    return total


def number(cell: Cell) -> float:
    """Return a cell that is a number."""
    assert isinstance(cell, int | float)
    return float(cell)


def latencies(files: Mapping[str, bytes], quick: bool) -> dict[str, dict[str, float]]:
    """Return the milliseconds of one sample by target and file, all files of a target in the same rounds."""
    found: dict[str, dict[str, float]] = {}
    programs = {name: Program(content, Format.ONNX) for name, content in files.items()}
    for address in TARGETS:
        with MeasurementStore.opened(None) as store, open_device(parse_target(address)) as device:
            meter = ProgramMeter(next(iter(programs.values())), device, store)
            measured = meter.measure(list(programs.values()), DEFAULT_EFFORT, 0.2 if quick else _SECONDS)
            found[address] = {name: entry.median_ms for name, entry in zip(programs, measured, strict=True)}
    return found
