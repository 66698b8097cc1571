"""A device whose latencies follow a law that is known."""

import math
from collections.abc import Sequence

import onnx

from supple.cost import Effort, Latency, MeasuringDevice
from supple.machine import Machine, describe_machine
from supple.runtime import Program, Target

CALL_MS = 0.01


class KnownDevice(MeasuringDevice):
    """Takes a known time for a call, and for every convolution and matrix product by the size of its weight."""

    def __init__(self, target: Target) -> None:
        self.target = target
        self.measured: list[str] = []

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
            total += 0.002 + 1e-5 * math.prod(weight)
    return total
