"""What formats are worth on this machine, by runtime, kind of layer and shape: three layers in a row, next to fp32.

Where int8 takes longer, rounding and its undoing cost more than integer products save, or the runtime has no integer
kernel for the layer. Weights alone in fewer bits make a file smaller; whether they make it slower is the runtime's
affair.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import torch
from torch import nn

from supple.bench.form import Cell, Options, Outcome
from supple.bench.targets import targets_here
from supple.bench.timing import one_thread
from supple.cost import MeasurementStore, open_device
from supple.cost.latency import DEFAULT_EFFORT
from supple.cost.program_meter import ProgramMeter
from supple.family import Family, QuantizationConfig, convert, quantize
from supple.family.quantized.formats import Format
from supple.family.quantized.layers import LayerKind
from supple.progress import Progress, Silent
from supple.runtime import Program, Runtime, Target, backend_for
from supple.searching.corners import in_fewest_bits

_TARGETS = ("onnxruntime:cpu", "openvino:cpu", "executorch:xnnpack", "torch-compile:cpu")
_FORMATS = (Format.INT8, Format.INT8_WEIGHTS, Format.INT4_WEIGHTS)
_LAYERS = 3
_SECONDS = 1.0
_POSITIONS = 49


@dataclass(frozen=True)
class Case:
    """A kind of layer of some channels, and the height and width of its images (None: 49 positions in a row)."""

    kind: str
    channels: int
    side: int | None = None

    @property
    def shape(self) -> str:
        """The shape of what the layer takes, for people."""
        return f"{self.channels} x {self.side} x {self.side}" if self.side else f"{_POSITIONS} x {self.channels}"

    def build(self) -> nn.Module:
        """Return three such layers, each with what usually follows it."""
        return nn.Sequential(*(part for _ in range(_LAYERS) for part in _PARTS[self.kind](self.channels)))

    def inputs(self) -> torch.Tensor:
        """Return two random samples."""
        size = (2, self.channels, self.side, self.side) if self.side else (2, _POSITIONS, self.channels)
        return torch.randn(size)


def _convolution(channels: int, kernel: int, groups: int = 1) -> list[nn.Module]:
    layer = nn.Conv2d(channels, channels, kernel, padding=kernel // 2, groups=groups, bias=False)
    return [layer, nn.BatchNorm2d(channels), nn.ReLU()]


_PARTS: Mapping[str, Callable[[int], list[nn.Module]]] = {
    "convolution 3 x 3": lambda channels: _convolution(channels, 3),
    "convolution 1 x 1": lambda channels: _convolution(channels, 1),
    "depthwise 3 x 3": lambda channels: [*_convolution(channels, 1), *_convolution(channels, 3, channels)],
    "linear": lambda channels: [nn.Linear(channels, channels), nn.GELU()],
}
# A depthwise convolution alone has nothing that could become narrower: a pointwise one stands before it.

CASES = (
    Case("convolution 3 x 3", 16, 28),
    Case("convolution 3 x 3", 32, 14),
    Case("convolution 3 x 3", 64, 14),
    Case("convolution 3 x 3", 128, 14),
    Case("convolution 3 x 3", 256, 7),
    Case("convolution 1 x 1", 32, 14),
    Case("convolution 1 x 1", 128, 14),
    Case("convolution 1 x 1", 512, 7),
    Case("depthwise 3 x 3", 32, 28),
    Case("depthwise 3 x 3", 128, 14),
    Case("depthwise 3 x 3", 512, 7),
    Case("linear", 48),
    Case("linear", 192),
    Case("linear", 384),
    Case("linear", 768),
)


def run(options: Options, progress: Progress) -> Outcome:
    """Time every case on every target that is there, all its formats in the same rounds."""
    cases = CASES[:1] if options.quick else CASES
    targets = targets_here(_TARGETS)
    rows: list[dict[str, Cell]] = []
    progress.start("Operators", len(cases) * len(targets), "cases")
    with one_thread():
        for target in targets:
            for case in cases:
                found = _milliseconds(case, target, options)
                fp32 = found.pop(Format.FP32)
                for name, milliseconds in found.items():
                    rows.append(
                        {
                            "target": target.place,
                            "layers": case.kind,
                            "input": case.shape,
                            "format": name.value,
                            "fp32_ms": fp32,
                            "format_ms": milliseconds,
                            "times_as_fast": fp32 / milliseconds,
                        }
                    )
                progress.advance()
    progress.finish()
    return Outcome(tuple(rows), ())


def _milliseconds(case: Case, target: Target, options: Options) -> dict[Format, float]:
    """Return the median latency by format; weights alone are of interest in linear layers."""
    torch.manual_seed(options.seed)
    inputs = case.inputs()
    shapes = convert(case.build(), inputs, prove=False).eval()
    formats = [Format.INT8] if case.side else list(_FORMATS)
    runs = backend_for(target).formats(target.device, LayerKind.CONVOLUTION if case.side else LayerKind.LINEAR)
    programs = {Format.FP32: backend_for(target).emitter(shapes, inputs, target, Silent()).emit(shapes.space.max())}
    programs |= {name: _program(shapes, name, inputs, target) for name in formats if name in runs}
    with MeasurementStore.opened(None) as store, open_device(target) as device:
        meter = ProgramMeter(programs[Format.FP32], device, store)
        found = meter.measure(list(programs.values()), DEFAULT_EFFORT, 0.1 if options.quick else _SECONDS)
    return {name: latency.median_ms for name, latency in zip(programs, found, strict=True)}


def _program(shapes: Family, name: Format, inputs: torch.Tensor, target: Target) -> Program:
    """Return the full network with all layers in a format as a program."""
    # XNNPACK rounds what its integer layers give.
    rounds_results = target.runtime is Runtime.EXECUTORCH
    family = quantize(shapes, QuantizationConfig(formats={"*": [name]}, round_linear_results=rounds_results)).eval()
    config = in_fewest_bits(family.space, family.space.max())
    family.calibrate(config, [inputs])
    return backend_for(target).emitter(family, inputs, target, Silent()).emit(config)
