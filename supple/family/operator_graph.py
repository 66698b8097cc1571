"""The operators of several members' runs as one graph, in which equal operators on equal operands are one node."""

import hashlib
from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch

Function = Callable[..., Any]


@dataclass(frozen=True)
class Operand:
    """A tensor among the arguments of a call: the number of the value that stands for it."""

    value: int


@dataclass
class Node:
    """One call: its arguments with operands in the tensors' places, and the numbers of the values that it makes.

    `operands` are the values that it reads, `results` those that it makes, in the order of the call's results; None
    stands for one that is no tensor. They are known once the call has been made.
    """

    function: Function
    args: tuple[Any, ...]
    kwargs: Mapping[str, Any]
    operands: tuple[int, ...]
    results: tuple[int | None, ...] | None = None
    returns_one: bool = False


class OperatorGraph:
    """Nodes by what they compute, and the values that no operator makes: weights, constants and inputs.

    Values are numbered. Two are one where they are equal by construction: the same operator, with the same constants,
    on the same operands. Weights and constants are one where all their bytes are, in the same order in memory.
    """

    def __init__(self, inputs: int) -> None:
        """Begin with so many inputs: they are the first values."""
        self.nodes: list[Node] = []
        self.weights: dict[int, torch.Tensor] = {}
        self.size = inputs
        self._known: dict[Hashable, int] = {}

    def weight(self, tensor: torch.Tensor, key: Hashable) -> int:
        """Return the value of a weight or constant by its `fingerprint`."""
        if ("weight", key) not in self._known:
            self._known["weight", key] = self._new_value()
            self.weights[self._known["weight", key]] = tensor
        return self._known["weight", key]

    def node(
        self, function: Function, args: tuple[Any, ...], kwargs: Mapping[str, Any], only_of: Hashable = None
    ) -> int:
        """Return the node of a call: one that is known, or a new one, which `only_of` keeps from all others.

        Raises `UnsharableError` where an argument is of a kind that cannot be compared.
        """
        operands: list[int] = []
        key = (function, _frozen(args, operands), _frozen(kwargs, operands), only_of)
        number = self._known.get(key)
        if number is None:
            number = self._known[key] = len(self.nodes)
            self.nodes.append(Node(function, args, kwargs, tuple(operands)))
        return number

    def results(self, node: int, has_results: Sequence[bool], returns_one: bool) -> tuple[int | None, ...]:
        """Return the values that a node makes, once its call has shown which of its results are tensors."""
        entry = self.nodes[node]
        if entry.results is None:
            entry.results = tuple(self._new_value() if has_result else None for has_result in has_results)
            entry.returns_one = returns_one
        return entry.results

    def _new_value(self) -> int:
        self.size += 1
        return self.size - 1


class UnsharableError(Exception):
    """What a member runs cannot be compared with what others run; it is then run by itself."""


def fingerprint(tensor: torch.Tensor) -> tuple[Hashable, ...]:
    """Return what equal tensors share: content, type, shape, order in memory.

    Raises `UnsharableError` for tensors of odd kinds.
    """
    if tensor.layout is not torch.strided or tensor.is_quantized or tensor.is_meta or tensor.is_conj():
        raise UnsharableError(f"a tensor of layout {tensor.layout}")
    content = tensor.detach().cpu().contiguous().flatten()
    digest = (
        hashlib.blake2b(content.view(torch.uint8).numpy().data, digest_size=16).digest() if content.numel() else b""
    )
    return (digest, tensor.dtype, tensor.shape, tensor.stride(), tensor.device, tensor.requires_grad)


def _frozen(value: Any, operands: list[int]) -> Hashable:
    """Return something hashable that is equal for equal arguments alone; append the operands in their order."""
    if isinstance(value, Operand):
        operands.append(value.value)
        return value
    if value is None or type(value) in (bool, int, str):
        return (type(value), value)
    if isinstance(value, list | tuple):
        return tuple([_frozen(item, operands) for item in value])
    if isinstance(value, dict):
        return tuple([(name, _frozen(item, operands)) for name, item in value.items()])
    if isinstance(value, float | complex):
        # 0.0 and -0.0 are equal, and one NaN is not.
        return (type(value), repr(value))
    if isinstance(value, torch.dtype | torch.device | torch.layout | torch.memory_format):
        return value
    raise UnsharableError(f"an argument of type {type(value).__name__}")


class Schedule:
    """The calls that make the values which several members want, in their order, each call once.

    A value is forgotten after the last call that reads it, or after its member has been served. Members whose calls
    agree at first should follow each other: then no more values are kept than one run has, and where ways part.
    """

    def __init__(self, graph: OperatorGraph, members: Sequence[tuple[Sequence[int], Sequence[int]]]) -> None:
        """Plan for members in their order; each is (its nodes in the order of its run, the values that it wants)."""
        planned: set[int] = set()
        self._weights = graph.weights
        self._size = graph.size
        steps: list[list[int]] = []
        for nodes, _ in members:
            steps.append([node for node in dict.fromkeys(nodes) if node not in planned])
            planned.update(steps[-1])
        self.calls = len(planned)
        kept = {*graph.weights}
        self._steps: list[list[_Call]] = []
        self._forgotten: list[tuple[int, ...]] = []
        for position in reversed(range(len(members))):
            wanted = [value for value in members[position][1] if value not in kept]
            self._forgotten.append(tuple(dict.fromkeys(wanted)))
            kept.update(wanted)
            calls = []
            for number in reversed(steps[position]):
                node = graph.nodes[number]
                made = (value for value in node.results or () if value is not None)
                touched = dict.fromkeys([*node.operands, *made])
                last = tuple(value for value in touched if value not in kept)
                kept.update(last)
                calls.append(_Call(node, last))
            self._steps.append(calls[::-1])
        self._steps.reverse()
        self._forgotten.reverse()

    def start(self, inputs: Sequence[torch.Tensor]) -> list[Any]:
        """Return the values at the beginning of a batch: inputs and weights."""
        values: list[Any] = [None] * self._size
        values[: len(inputs)] = inputs
        for value, tensor in self._weights.items():
            values[value] = tensor
        return values

    def run(self, position: int, batches: Sequence[list[Any]]) -> None:
        """Make the values of a member for each batch, after those of all members before it."""
        for call in self._steps[position]:
            for values in batches:
                call.run(values)

    def forget(self, position: int, batches: Sequence[list[Any]]) -> None:
        """Forget what only this member wanted."""
        for values in batches:
            for value in self._forgotten[position]:
                values[value] = None


class _Call:
    """A node, made ready to run: which of its arguments to replace by which values."""

    __slots__ = ("_args", "_forgotten", "_function", "_kwargs", "_lists", "_named", "_results", "_single", "_tensors")

    def __init__(self, node: Node, forgotten: tuple[int, ...]) -> None:
        self._function = node.function
        self._args, self._kwargs = node.args, node.kwargs
        self._tensors = [(place, item.value) for place, item in enumerate(node.args) if isinstance(item, Operand)]
        self._lists = [(place, item) for place, item in enumerate(node.args) if _holds_operands(item)]
        self._named = [name for name, item in node.kwargs.items() if isinstance(item, Operand) or _holds_operands(item)]
        self._single = node.results[0] if node.returns_one and node.results else None
        self._results = () if node.returns_one else node.results or ()
        self._forgotten = forgotten

    def run(self, values: list[Any]) -> None:
        args = list(self._args)
        for place, value in self._tensors:
            args[place] = values[value]
        for place, item in self._lists:
            args[place] = _filled(item, values)
        kwargs = self._kwargs
        if self._named:
            kwargs = {**kwargs, **{name: _filled(kwargs[name], values) for name in self._named}}
        found = self._function(*args, **kwargs)
        if self._single is not None:
            values[self._single] = found
        elif self._results:
            for number, result in zip(self._results, found, strict=True):
                if number is not None:
                    values[number] = result
        for value in self._forgotten:
            values[value] = None


def _holds_operands(item: Any) -> bool:
    return isinstance(item, list | tuple) and any(isinstance(one, Operand) or _holds_operands(one) for one in item)


def _filled(item: Any, values: list[Any]) -> Any:
    if isinstance(item, Operand):
        return values[item.value]
    return type(item)(_filled(one, values) for one in item) if isinstance(item, list | tuple) else item
