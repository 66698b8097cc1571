"""A small family to profile, and a device whose latencies follow a law that is known."""

import functools
from collections.abc import Sequence

import onnx
import torch
from torch import nn

from supple.cost import Effort, Latency, MeasuringDevice
from supple.family import convert
from supple.machine import Machine, describe_machine
from supple.runtime import OnnxTemplate, Program, Target

CALL_MS = 0.01


class Block(nn.Module):
    def __init__(self, channels: int) -> None:
        super().__init__()
        self.expand, self.norm = nn.Conv2d(channels, 32, 1, bias=False), nn.BatchNorm2d(32)
        self.spatial = nn.Conv2d(32, 32, 3, padding=1, groups=32)
        self.project = nn.Conv2d(32, channels, 1)

    def forward(self, x):
        return x + self.project(torch.relu(self.spatial(torch.relu(self.norm(self.expand(x))))))


class Network(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, 16, 3, padding=1)
        self.blocks = nn.Sequential(Block(16), Block(16), Block(16))
        self.head = nn.Linear(16, 4)

    def forward(self, x):
        return self.head(self.blocks(torch.relu(self.stem(x))).mean((2, 3)))


@functools.cache
def template() -> OnnxTemplate:
    torch.set_num_threads(1)
    torch.manual_seed(0)
    inputs = torch.randn(2, 3, 8, 8)
    return OnnxTemplate(convert(Network(), inputs), inputs)


class KnownDevice(MeasuringDevice):
    """Takes a known time for a call, and for every convolution and matrix product by the size of its weight."""

    def __init__(self, target: Target, reference_factor: float = 1.0) -> None:
        self.target = target
        self.measured: list[str] = []
        self.reference_factor = reference_factor

    @property
    def machine(self) -> Machine:
        return describe_machine()

    @property
    def runtime_version(self) -> str:
        return "1.0"

    def messages(self, request, content_of):
        raise NotImplementedError

    def reset(self) -> None:
        pass

    def close(self) -> None:
        pass

    def measure(
        self, reference: Program, programs: Sequence[Program], effort: Effort, reference_ms: float | None
    ) -> list[Latency]:
        self.measured += [program.digest for program in programs]
        unit = known_ms(reference) if reference_ms is None else reference_ms
        return [
            Latency(ms, ms, ms, ms, ms, 7, 0.0, True, unit, 1.0) for ms in (known_ms(program) for program in programs)
        ]


def known_ms(program: Program) -> float:
    graph = onnx.load_from_string(program.content).graph
    shapes = {entry.name: tuple(entry.dims) for entry in graph.initializer}
    total = CALL_MS
    for node in graph.node:
        if node.op_type in ("Conv", "Gemm", "MatMul"):
            weight = next(shapes[name] for name in node.input if len(shapes.get(name, ())) > 1)
            total += 0.002 + 1e-5 * torch.Size(weight).numel()
    return total
