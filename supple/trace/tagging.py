"""Find which sizes in the user's code come from where, by running it with tagged integers.

A module's code holds sizes that tracing bakes into the graph: `x.reshape(b, n, 3, self.num_heads, self.head_dim)`, or
`bias.expand(x.shape[1], -1)`. So the model runs once more with every integer attribute, and every size that is read
from a tensor, replaced by an integer that knows where it came from. A torch-function mode sees the calls as the user
wrote them, before PyTorch turns their arguments into plain numbers; the same call is found in the graph, whose axes are
labelled. What arithmetic makes of a tagged integer is a plain one: the user's code will compute it anew in a member.
"""

from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import fx, nn
from torch._export.utils import _compiling_state_context
from torch.overrides import TorchFunctionMode
from torch.utils.weak import WeakIdKeyDictionary

from supple.trace.caches import emptied_afterwards
from supple.trace.capture import Captured, module_path
from supple.trace.inputs import ModelInputs
from supple.trace.modes import evaluating

SIZE_CALLS = frozenset({"reshape", "view", "expand", "broadcast_to"})
"""Methods that take the sizes of their result."""

CREATIONS = frozenset({"zeros", "ones", "full", "empty", "new_zeros", "new_ones", "new_full", "new_empty"})
"""Functions that take the sizes of their result, and methods of a tensor that do; then perhaps a value."""


@dataclass(frozen=True)
class Source:
    """An integer attribute of a module; `position` is its index within a tuple, or None."""

    module: str
    name: str
    position: int | None = None


@dataclass(frozen=True)
class AxisOf:
    """The size of an axis of one of a node's outputs."""

    node: fx.Node
    output: int
    axis: int


@dataclass(frozen=True)
class Use:
    """A tagged integer reached a call: as the size of an axis of one of the node's outputs, times `scale`."""

    source: Source | AxisOf
    node: fx.Node
    output: int
    axis: int
    scale: int


@dataclass(frozen=True)
class _SizeOf:
    """A size that was read from the result of a call, which is yet to be found in the graph."""

    call: "_Call"
    output: int
    axis: int


class TaggedInt(int):
    """An integer that knows its source; a product with a plain integer knows the factor too."""

    source: Source | _SizeOf
    scale: int

    def __new__(cls, value: int, source: Source | _SizeOf, scale: int = 1) -> "TaggedInt":
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


@dataclass(eq=False)
class _Call:
    """A call of a torch function, without the tensors that it was given."""

    path: str
    name: str
    arguments: tuple[Any, ...]
    shapes: tuple[tuple[int, ...], ...]


class _Recorder(TorchFunctionMode):
    """Records every call of a torch function, with the path of the module that makes it; tags sizes of tensors."""

    def __init__(self) -> None:
        super().__init__()
        self.paths = [""]
        self.calls: list[_Call] = []
        self._origins: Any = WeakIdKeyDictionary()

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = func(*args, **(kwargs or {}))
        if isinstance(result, torch.Size) or func is torch.Tensor.size:
            return self._tagged_sizes(args[0], result, args[1:])
        results = result if isinstance(result, list | tuple) else (result,)
        outputs = [entry for entry in results if isinstance(entry, torch.Tensor)]
        given = (None if isinstance(entry, torch.Tensor) else entry for entry in (*args, *(kwargs or {}).values()))
        is_indexed = func is torch.Tensor.__getitem__ and isinstance(args[1], torch.Tensor)
        call = _Call(
            self.paths[-1],
            "index" if is_indexed else getattr(func, "__name__", ""),
            tuple(given),
            tuple(tuple(int(size) for size in entry.shape) for entry in outputs),
        )
        self.calls.append(call)
        for number, output in enumerate(outputs):
            self._origins[output] = (call, number)
        return result

    def _tagged_sizes(self, tensor: torch.Tensor, sizes: Any, axis: tuple[Any, ...]) -> Any:
        """Return the sizes that were read from a tensor, tagged where a call made that tensor."""
        if tensor not in self._origins:
            return sizes
        call, output = self._origins[tensor]
        if isinstance(sizes, torch.Size):
            return torch.Size([TaggedInt(size, _SizeOf(call, output, position)) for position, size in enumerate(sizes)])
        return TaggedInt(sizes, _SizeOf(call, output, axis[0] % tensor.dim())) if axis else sizes


def find_uses(model: nn.Module, example_inputs: ModelInputs, captured: Captured) -> list[Use]:
    """Return where attributes of the model's modules, and sizes of tensors, reach the sizes of axes.

    The model is left as it was.
    """
    recorder = _Recorder()
    # Code that asks whether it is being exported takes the same path as it did for the graph.
    with (
        _compiling_state_context(),
        emptied_afterwards(model),
        evaluating(model),
        _tagged(model),
        _followed(model, recorder),
        recorder,
    ):
        example_inputs.run(model)
    nodes: dict[tuple[str, str], list[fx.Node]] = defaultdict(list)
    for node in captured.graph.nodes:
        if node.op == "call_function" and isinstance(node.target, torch._ops.OpOverload):
            nodes[module_path(node), node.target._opname].append(node)
    calls: dict[tuple[str, str], list[_Call]] = defaultdict(list)
    for call in recorder.calls:
        calls[call.path, _operator_name(call)].append(call)
    found = {
        call: node
        for key, made in calls.items()
        if len(made) == len(nodes[key])
        for call, node in zip(made, nodes[key], strict=True)
    }
    return [
        Use(source, node, output, axis, tagged.scale)
        for call, node in found.items()
        for tagged, output, axis in _sizes_in(call, node)
        if (source := _source(tagged, found)) is not None
    ]


def _source(tagged: TaggedInt, found: dict[_Call, fx.Node]) -> Source | AxisOf | None:
    """Return where a tagged integer comes from; None where that call is not in the graph."""
    source = tagged.source
    if isinstance(source, Source):
        return source
    return AxisOf(found[source.call], source.output, source.axis) if source.call in found else None


def _operator_name(call: _Call) -> str:
    has_sizes = call.name == "split" and isinstance(call.arguments[1], list | tuple)
    return "split_with_sizes" if has_sizes else call.name.strip("_")


def _sizes_in(call: _Call, node: fx.Node) -> Iterator[tuple[TaggedInt, int, int]]:
    """Yield the tagged integers that say how large an axis is, each with the output and the axis."""
    for size, output, axis in _named_sizes(call, node):
        if isinstance(size, TaggedInt) and output < len(call.shapes) and axis < len(call.shapes[output]):
            yield size, output, axis


def _named_sizes(call: _Call, node: fx.Node) -> Iterator[tuple[Any, int, int]]:
    """Yield the sizes that a call is given for its results, each with the output and the axis."""
    of_tensor = call.name in SIZE_CALLS or call.name.startswith("new_")
    last = len(call.shapes[0]) - 1 if call.shapes else 0
    if call.name in SIZE_CALLS or call.name in CREATIONS:
        yield from ((size, 0, axis) for axis, size in enumerate(_integers(call.arguments[of_tensor:])))
    elif call.name == "unflatten":
        parts = _integers(call.arguments[2:])
        first = int(call.arguments[1]) % (last + 2 - len(parts))
        yield from ((size, 0, first + position) for position, size in enumerate(parts))
    elif call.name == "eye":
        yield from ((size, 0, axis) for axis, size in enumerate(_integers(call.arguments) * 2))
    elif call.name == "histc":
        yield call.arguments[1], 0, 0
    elif call.name == "one_hot":
        yield call.arguments[-1], 0, last
    elif call.name == "split":
        dim: Any = node.args[2] if len(node.args) > 2 else 0
        given = call.arguments[1]
        sizes = given if isinstance(given, list | tuple) else [given]
        yield from ((size, output, int(dim) % (last + 1)) for output, size in enumerate(sizes))
    elif call.name in ("layer_norm", "rms_norm"):
        normalized = _integers(call.arguments[1:2])
        yield from ((size, 0, last + 1 - len(normalized) + position) for position, size in enumerate(normalized))


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
