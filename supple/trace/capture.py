"""Capture a model as an ATen graph with `torch.export`, and name where each node comes from."""

import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import chain

import torch
from torch import fx, nn
from torch.export.graph_signature import InputKind

from supple.errors import SuppleError
from supple.trace.caches import emptied_afterwards
from supple.trace.inlining import inlined
from supple.trace.inputs import ModelInputs
from supple.trace.modes import evaluating
from supple.trace.obstacles import what_is_in_the_way
from supple.trace.outputs import seen_outputs_only
from supple.trace.silence import silenced


@dataclass(frozen=True)
class Captured:
    """A model's graph.

    `tensors` maps a placeholder's name to the state-dict key of its parameter or buffer: the first one where modules
    share the tensor, because the graph uses any one of its placeholders.
    """

    graph: fx.Graph
    tensors: dict[str, str]
    inputs: frozenset[str]


def capture(model: nn.Module, example_inputs: ModelInputs) -> Captured:
    """Export the model in eval mode (non-strict: the user's Python runs as it is).

    Raises `SuppleError` where the model cannot be exported, with what PyTorch says of the reason.
    """
    try:
        with warnings.catch_warnings(), evaluating(model):
            warnings.simplefilter("ignore")
            # A mistake that has nothing to do with the export gets plainer words here.
            with emptied_afterwards(model):
                example_inputs.run(model)
            with silenced(), emptied_afterwards(model), seen_outputs_only(model):
                program = torch.export.export(model, example_inputs.args, dict(example_inputs.kwargs), strict=False)
    except Exception as error:  # whatever the user's forward raises
        raise SuppleError(
            f"{type(model).__name__} cannot be captured with inputs of shape {example_inputs.shapes}: "
            f"{what_is_in_the_way(error)}"
        ) from error
    shared = first_keys(model)
    tensors: dict[str, str] = {}
    inputs: set[str] = set()
    for spec in program.graph_signature.input_specs:
        if spec.kind in (InputKind.PARAMETER, InputKind.BUFFER) and spec.target is not None:
            tensors[spec.arg.name] = shared[spec.target]
        else:
            inputs.add(spec.arg.name)
    return Captured(inlined(program.graph_module), tensors, frozenset(inputs))


def first_keys(model: nn.Module) -> dict[str, str]:
    """Map the state-dict key of every tensor to its first key: another one only where modules share the tensor."""
    first: dict[int, str] = {}
    return {key: first.setdefault(id(tensor), key) for key, tensor in _named_tensors(model)}


def _named_tensors(model: nn.Module) -> Iterator[tuple[str, torch.Tensor]]:
    return chain(model.named_parameters(remove_duplicate=False), model.named_buffers(remove_duplicate=False))


def module_path(node: fx.Node) -> str:
    """Return the path of the innermost module that the node belongs to, or "" for the model itself."""
    stack = node.meta.get("nn_module_stack")
    return list(stack.values())[-1][0] if stack else ""


def module_paths(node: fx.Node) -> tuple[str, ...]:
    """Return the paths of all modules that the node lies in, the outermost first."""
    stack = node.meta.get("nn_module_stack")
    return tuple(path for path, _ in stack.values()) if stack else ()


def container_of(nodes: list[fx.Node]) -> str | None:
    """Return the path of the container whose children 0, 1, 2, ... made these nodes, in this order, or None."""
    containers = [
        {path.rpartition(".")[0] for path in module_paths(node) if path.rpartition(".")[2] == str(number)}
        for number, node in enumerate(nodes)
    ]
    return max(set.intersection(*containers), key=len, default=None)


def output_shapes(node: fx.Node) -> list[tuple[int, ...]]:
    """Return the shapes of the node's output tensors."""
    value = node.meta.get("val")
    values = value if isinstance(value, list | tuple) else [value]
    return [tuple(int(size) for size in entry.shape) for entry in values if isinstance(entry, torch.Tensor)]
