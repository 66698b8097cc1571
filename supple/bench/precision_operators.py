"""What int8 is worth on this machine, by runtime, kind of layer and shape: three layers in a row in int8 and in fp32.

Where int8 takes longer, rounding and its undoing cost more than integer products save, or the runtime has no integer
kernel for the layer.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import torch
from torch import nn

from supple.bench.form import Cell, Options, Outcome
from supple.bench.precision_judge import TARGETS
from supple.bench.timing import one_thread
from supple.cost import MeasurementStore, open_device
from supple.cost.latency import DEFAULT_EFFORT
from supple.cost.program_meter import ProgramMeter
from supple.family import convert, quantize
from supple.progress import Progress, Silent
from supple.runtime import backend_for, parse_target
from supple.searching.corners import in_fewest_bits

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
    """Time every case on every target, int8 and fp32 in the same rounds."""
    cases = CASES[:1] if options.quick else CASES
    rows: list[dict[str, Cell]] = []
    progress.start("Operators", len(cases) * len(TARGETS), "cases")
    with one_thread():
        for address in TARGETS:
            for case in cases:
                fp32, int8 = _milliseconds(case, address, options)
                rows.append(
                    {
                        "target": address,
                        "layers": case.kind,
                        "input": case.shape,
                        "fp32_ms": fp32,
                        "int8_ms": int8,
                        "times_as_fast": fp32 / int8,
                    }
                )
                progress.advance()
    progress.finish()
    return Outcome(tuple(rows), ())


def _milliseconds(case: Case, address: str, options: Options) -> tuple[float, float]:
    torch.manual_seed(options.seed)
    inputs, target = case.inputs(), parse_target(address)
    family = quantize(convert(case.build(), inputs, prove=False)).eval()
    full = family.space.max()
    configs = [full, in_fewest_bits(family.space, full)]
    family.calibrate(configs[1], [inputs])
    emitter = backend_for(target).emitter(family, inputs, target, Silent())
    programs = [emitter.emit(config) for config in configs]
    with MeasurementStore.opened(None) as store, open_device(target) as device:
        meter = ProgramMeter(programs[0], device, store)
        found = meter.measure(programs, DEFAULT_EFFORT, 0.1 if options.quick else _SECONDS)
    return found[0].median_ms, found[1].median_ms
