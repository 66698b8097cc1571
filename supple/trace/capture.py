"""Capture a model as an ATen graph with `torch.export`, and name where each node comes from."""

import warnings
from dataclasses import dataclass

import torch
from torch import fx, nn
from torch.export.graph_signature import InputKind

from supple.errors import SuppleError


@dataclass(frozen=True)
class Captured:
    """A model's graph. `tensors` maps a placeholder's name to the state-dict key of its parameter or buffer."""

    graph: fx.Graph
    tensors: dict[str, str]
    inputs: frozenset[str]


def capture(model: nn.Module, example_inputs: tuple[torch.Tensor, ...]) -> Captured:
    """Export the model in eval mode (non-strict: the user's Python runs as it is).

    Raises `SuppleError` where the model cannot be exported, with what PyTorch says of the reason.
    """
    training = {module: module.training for module in model.modules()}
    model.eval()
    try:
        with warnings.catch_warnings(), torch.no_grad():
            warnings.simplefilter("ignore")
            program = torch.export.export(model, example_inputs, strict=False)
    except Exception as error:  # whatever the user's forward raises
        first_line = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        raise SuppleError(
            f"{type(model).__name__} cannot be captured with the example inputs "
            f"{[list(tensor.shape) for tensor in example_inputs]}: {type(error).__name__}: {first_line}"
        ) from error
    finally:
        for module, mode in training.items():
            module.training = mode
    tensors: dict[str, str] = {}
    inputs: set[str] = set()
    for spec in program.graph_signature.input_specs:
        if spec.kind in (InputKind.PARAMETER, InputKind.BUFFER) and spec.target is not None:
            tensors[spec.arg.name] = spec.target
        else:
            inputs.add(spec.arg.name)
    return Captured(program.graph, tensors, frozenset(inputs))


def module_path(node: fx.Node) -> str:
    """Return the path of the innermost module that the node belongs to, or "" for the model itself."""
    stack = node.meta.get("nn_module_stack")
    return list(stack.values())[-1][0] if stack else ""


def module_paths(node: fx.Node) -> tuple[str, ...]:
    """Return the paths of all modules that the node lies in, the outermost first."""
    stack = node.meta.get("nn_module_stack")
    return tuple(path for path, _ in stack.values()) if stack else ()


def output_shapes(node: fx.Node) -> list[tuple[int, ...]]:
    """Return the shapes of the node's output tensors."""
    value = node.meta.get("val")
    values = value if isinstance(value, list | tuple) else [value]
    return [tuple(int(size) for size in entry.shape) for entry in values if isinstance(entry, torch.Tensor)]
