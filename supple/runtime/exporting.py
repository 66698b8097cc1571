"""Export an ordinary module for a runtime, and call it done only where the file's outputs agree with the module's."""

from functools import partial
from pathlib import Path

from torch import nn

from supple.errors import SuppleError
from supple.family.quantized.quantizers import precisions_of
from supple.runtime.parity import Parity, check_export
from supple.runtime.program import Format
from supple.runtime.runtimes import BACKENDS, backend_for
from supple.runtime.target import Target, parse_target
from supple.runtime.target_formats import check_precisions
from supple.runtime.target_inputs import with_samples
from supple.storage import write_atomically
from supple.trace import Inputs, ModelInputs


def export(
    member: nn.Module,
    example_inputs: Inputs,
    path: Path | str,
    check_inputs: Inputs | None = None,
    target: Target | str = "onnxruntime:cpu",
    are_classes: bool = True,
) -> Parity:
    """Write a module to a file that the target's runtime opens, and return how well the two agree.

    `example_inputs` are inputs as the module takes them; ONNX files (opset 20) then take any batch size, others the
    target's. The file is run on `check_inputs`, by default the example inputs (give real ones, some hundreds), in that
    runtime; where only the target's own machine has it, an ONNX file is run in ONNX Runtime. `are_classes` says
    whether outputs (batch, n) are scores of classes; for embeddings, say no. Raises `SuppleError`, and writes nothing,
    where the target cannot run the format of a layer, and where the module cannot be exported or the outputs do not
    agree.
    """
    place = target if isinstance(target, Target) else parse_target(target)
    judge = judging_target(place)
    backend = BACKENDS[place.runtime]
    if Path(path).suffix != f".{backend.format}":
        raise SuppleError(f'"{path}": the name of a program for "{place}" ends in ".{backend.format}".')
    check_precisions(precisions_of(member), place)
    inputs = ModelInputs.of(example_inputs)
    if backend.format is not Format.ONNX:
        inputs = inputs.map(partial(with_samples, place.batch))
    program = backend.export(member, inputs)
    session = backend_for(judge).open(program.content, judge)
    parity = check_export(member, session, example_inputs if check_inputs is None else check_inputs, are_classes)
    write_atomically(path, program.content)
    return parity


def judging_target(target: Target) -> Target:
    """Return the target of this machine that shows what a program for a target computes.

    Raises `SuppleError` where there is none, with what adds it.
    """
    backend = BACKENDS[target.runtime]
    if target.worker is not None and backend.format is Format.ONNX and backend.missing(target.device):
        return Target(batch=target.batch, resolution=target.resolution)
    backend_for(target.local)
    return target.local
