"""Find which integer attributes of the user's modules are sizes of which axes, by running with tagged integers.

A module's code holds sizes that tracing bakes into the graph: `x.reshape(b, n, 3, self.num_heads, self.head_dim)`. So
the model runs once more with every integer attribute replaced by an integer that knows where it came from. A
torch-function mode sees the calls as the user wrote them, before PyTorch turns their arguments into plain numbers; the
same call is found in the graph, whose axes are labelled. What arithmetic makes of a tagged integer is a plain one: the
user's code will compute it anew from the attributes of a member.
"""

from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import fx, nn
from torch.overrides import TorchFunctionMode

from supple.trace.capture import Captured, module_path
from supple.trace.inputs import ModelInputs
from supple.trace.modes import in_mode

SIZE_CALLS = frozenset({"reshape", "view", "expand", "unflatten", "broadcast_to"})


@dataclass(frozen=True)
class Source:
    """An integer attribute of a module; `position` is its index within a tuple, or None."""

    module: str
    name: str
    position: int | None = None


@dataclass(frozen=True)
class Use:
    """A tagged integer reached a call: as the size of an axis of one of the node's outputs, times `scale`."""

    source: Source
    node: fx.Node
    output: int
    axis: int
    scale: int


class TaggedInt(int):
    """An integer that knows its source; a product with a plain integer knows the factor too."""

    source: Source
    scale: int

    def __new__(cls, value: int, source: Source, scale: int = 1) -> "TaggedInt":
        """Tag a value."""
        self = super().__new__(cls, value)
        self.source = source
        self.scale = scale
        return self

    def __mul__(self, other: Any) -> Any:
        if type(other) is int:
            return TaggedInt(int(self) * other, self.source, self.scale * other)
        return int(self) * int(other) if isinstance(other, int) else NotImplemented

    __rmul__ = __mul__

    def __deepcopy__(self, memo: Any) -> int:
        return int(self)


@dataclass(frozen=True)
class _Call:
    path: str
    name: str
    arguments: tuple[Any, ...]
    shapes: tuple[tuple[int, ...], ...]


class _Recorder(TorchFunctionMode):
    """Records every call of a torch function, with the path of the module that makes it."""

    def __init__(self) -> None:
        super().__init__()
        self.paths = [""]
        self.calls: list[_Call] = []

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = func(*args, **(kwargs or {}))
        results = result if isinstance(result, list | tuple) else (result,)
        shapes = tuple(tuple(entry.shape) for entry in results if isinstance(entry, torch.Tensor))
        arguments = (*args, *(kwargs or {}).values())
        self.calls.append(_Call(self.paths[-1], getattr(func, "__name__", ""), arguments, shapes))
        return result


def find_uses(model: nn.Module, example_inputs: ModelInputs, captured: Captured) -> list[Use]:
    """Return where integer attributes of the model's modules reach the sizes of axes. The model is left as it was."""
    recorder = _Recorder()
    with in_mode(model, training=False), _tagged(model), _followed(model, recorder), torch.no_grad(), recorder:
        example_inputs.run(model)
    nodes: dict[tuple[str, str], list[fx.Node]] = defaultdict(list)
    for node in captured.graph.nodes:
        if node.op == "call_function" and isinstance(node.target, torch._ops.OpOverload):
            nodes[module_path(node), node.target._opname].append(node)
    calls: dict[tuple[str, str], list[_Call]] = defaultdict(list)
    for call in recorder.calls:
        calls[call.path, _operator_name(call)].append(call)
    return [
        use
        for key, made in calls.items()
        if len(made) == len(nodes[key])
        for call, node in zip(made, nodes[key], strict=True)
        for use in _uses_of(call, node)
    ]


def _operator_name(call: _Call) -> str:
    has_sizes = call.name == "split" and isinstance(call.arguments[1], list | tuple)
    return "split_with_sizes" if has_sizes else call.name.strip("_")


def _uses_of(call: _Call, node: fx.Node) -> Iterator[Use]:
    if call.name in SIZE_CALLS:
        for axis, size in enumerate(_integers(call.arguments[1:])):
            if isinstance(size, TaggedInt):
                yield Use(size.source, node, 0, axis, size.scale)
    elif call.name == "split":
        dim: Any = node.args[2] if len(node.args) > 2 else 0
        given = call.arguments[1]
        for output, size in enumerate(given if isinstance(given, list | tuple) else [given]):
            if isinstance(size, TaggedInt) and output < len(call.shapes):
                yield Use(size.source, node, output, int(dim) % len(call.shapes[output]), size.scale)
    elif call.name in ("layer_norm", "rms_norm"):
        sizes = _integers(call.arguments[1:2])
        for position, size in enumerate(sizes):
            if isinstance(size, TaggedInt):
                yield Use(size.source, node, 0, len(call.shapes[0]) - len(sizes) + position, size.scale)


def _integers(arguments: Any) -> list[int]:
    flat: list[int] = []
    for argument in arguments:
        if isinstance(argument, list | tuple):
            flat.extend(_integers(argument))
        elif isinstance(argument, int):
            flat.append(argument)
    return flat


@contextmanager
def _tagged(model: nn.Module) -> Iterator[None]:
    before: list[tuple[dict[str, Any], str, Any]] = []
    for path, module in model.named_modules():
        attributes = vars(module)
        for name, value in list(attributes.items()):
            if name.startswith("_"):
                continue
            if type(value) is int and value > 1:
                before.append((attributes, name, value))
                attributes[name] = TaggedInt(value, Source(path, name))
            elif type(value) is tuple and value and all(type(entry) is int for entry in value):
                before.append((attributes, name, value))
                attributes[name] = tuple(
                    TaggedInt(entry, Source(path, name, position)) for position, entry in enumerate(value)
                )
    try:
        yield
    finally:
        for attributes, name, value in before:
            attributes[name] = value
        for module in model.modules():  # what the forward pass copied
            copied = {name: int(value) for name, value in vars(module).items() if isinstance(value, TaggedInt)}
            vars(module).update(copied)


@contextmanager
def _followed(model: nn.Module, recorder: _Recorder) -> Iterator[None]:
    """Tell the recorder which module runs."""

    def enter(path: str) -> Any:
        return lambda module, inputs: recorder.paths.append(path)

    def leave(module: nn.Module, inputs: Any, output: Any) -> None:
        recorder.paths.pop()

    handles = [
        handle
        for path, module in model.named_modules()
        for handle in (module.register_forward_pre_hook(enter(path)), module.register_forward_hook(leave))
    ]
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()
