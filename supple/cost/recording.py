"""Record one run of a network: its operators, in the modules that they lie in, with the shapes of all that they touch.

Nothing of the values is kept. Products, which take nearly all the time, are not computed: zeros of their shape stand
for what they return.
"""

import math
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import nn
from torch.nn.modules.module import register_module_forward_hook, register_module_forward_pre_hook
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves, tree_map_only

from supple.family.activation import buffer_places, parameter_places
from supple.family.counting import run_counted, samples_of
from supple.family.products import is_product, macs_of
from supple.trace import ModelInputs
from supple.trace.choice import Choice

Shape = tuple[int, ...]

_BATCH_NORMS = {"_native_batch_norm_legit_no_training", "native_batch_norm"}
# Beside those that take lists, such as a concatenation.
_COPYING = {"embedding", "index_select", "gather", "select_copy", "slice_copy"}
# PyTorch does not tag these as pointwise, but they are.
_UNTAGGED = {"hardswish", "hardswish_", *_BATCH_NORMS}


@dataclass(frozen=True)
class Operand:
    """What an operator reads or writes: the shape that it sees, the bytes of an element, and whose memory it is.

    `value` is the number of the activation, or None for a weight and for what is computed from weights alone.
    """

    shape: Shape
    itemsize: int
    value: int | None = None


@dataclass(eq=False)
class Operator:
    """One operator of a run.

    `terms`: its multiply-accumulates are the sum of these products of sizes. `is_pointwise`: each element of its result
    depends on the elements in the same place only. `overwrites`: the activation that it changes in place, which has a
    new number afterwards. `adds_option`: the option of a choice whose result, the second operand, it adds to the
    first; in a member there is no such sum. `copies`: it takes elements of what it reads as they are, and so reads as
    much as it writes; it may take a list of tensors, of any length.
    """

    name: str
    reads: tuple[Operand, ...]
    weights: tuple[Operand, ...]
    writes: tuple[Operand, ...]
    terms: tuple[Shape, ...]
    copies: bool = False
    is_pointwise: bool = False
    overwrites: int | None = None
    adds_option: str | None = None


@dataclass(eq=False)
class Call:
    """One call of a module, by its path: what it ran, operators and calls of its children, in order."""

    name: str
    items: "list[Operator | Call]" = field(default_factory=list)

    def operators(self) -> Iterator[Operator]:
        """Yield all operators of this call, those of the children included, in the order of the run."""
        for item in self.items:
            if isinstance(item, Operator):
                yield item
            else:
                yield from item.operators()


@dataclass(frozen=True)
class Recording:
    """What one run on a single sample did. `inputs` and `outputs` are the activations that came in and went out."""

    whole: Call
    inputs: tuple[Operand, ...]
    outputs: frozenset[int]


def record(model: nn.Module, inputs: ModelInputs) -> Recording:
    """Run the model in eval mode on the first sample of the inputs, and return what it did.

    Raises `SuppleError` where the model does not run on it.
    """
    if samples_of(inputs) > 1:
        inputs = inputs.map(lambda tensor: tensor[:1].clone())
    recorder = _Recorder(model, inputs)
    with recorder.following_calls(), torch.no_grad():
        outputs = run_counted(model, inputs, recorder)
    return Recording(recorder.whole, recorder.inputs, recorder.activations(outputs))


class _Recorder(TorchDispatchMode):  # type: ignore[no-untyped-call]
    def __init__(self, model: nn.Module, inputs: ModelInputs) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.whole = Call("")
        self._calls = [self.whole]
        self._model = model
        self._paths: dict[int, list[str]] = {}
        for path, module in model.named_modules(remove_duplicate=False):
            self._paths.setdefault(id(module), []).append(path)
        self._choices = {path for path, module in model.named_modules() if isinstance(module, Choice)}
        # By the address of its memory: the number of an activation, None for what is made of weights alone.
        self._values: dict[int, int | None] = {}
        # Memory that is given back may be given out again.
        self._alive: list[torch.Tensor] = []
        self._count = 0
        for place in (*parameter_places(model), *buffer_places(model)):
            self._values.setdefault(_memory(place.tensor), None)
            self._alive.append(place.tensor)
        for tensor in inputs.tensors:
            self._assign(tensor, self._new_value())
        self.inputs = tuple(self._operand(tensor) for tensor in inputs.tensors)

    def following_calls(self) -> ExitStack:
        """Return a context in which the calls of the model's modules are noted."""
        stack = ExitStack()
        for handle in (
            register_module_forward_pre_hook(self._enter),
            register_module_forward_hook(self._leave, always_call=True),
        ):
            stack.callback(handle.remove)
        return stack

    def activations(self, outputs: Any) -> frozenset[int]:
        """Return the numbers of the activations among the outputs of the network."""
        found = {self._values.get(_memory(leaf)) for leaf in tree_leaves(outputs) if isinstance(leaf, torch.Tensor)}
        return frozenset(value for value in found if value is not None)

    def _enter(self, module: nn.Module, args: Any) -> None:
        if id(module) in self._paths and module is not self._model:
            call = Call(self._path(module))
            self._calls[-1].items.append(call)
            self._calls.append(call)

    def _leave(self, module: nn.Module, args: Any, output: Any) -> None:
        if id(module) in self._paths and module is not self._model:
            self._calls.pop()

    def _path(self, module: nn.Module) -> str:
        """Return the module's path: of one that stands in several places, the next place within the calling module."""
        caller = self._calls[-1]
        prefix = f"{caller.name}." if caller.name else ""
        paths = [path for path in self._paths[id(module)] if path.startswith(prefix)] or self._paths[id(module)]
        if len(paths) == 1:
            return paths[0]
        called = sum(isinstance(item, Call) and item.name in paths for item in caller.items)
        return paths[called % len(paths)]

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        kwargs = kwargs or {}
        output = _result(func, args, kwargs)
        operands = [leaf for leaf in tree_leaves((args, kwargs)) if isinstance(leaf, torch.Tensor)]
        results = [leaf for leaf in tree_leaves(output) if isinstance(leaf, torch.Tensor) and leaf.numel()]
        if not results:
            return output
        known = {_memory(tensor) for tensor in operands}
        changed = _changed(func, args, kwargs)
        if changed is None and all(_memory(result) in known for result in results):
            return output  # a view
        if _is_layout_copy(func, kwargs):
            self._assign(results[0], self._values.get(_memory(operands[0])))
            return output
        reads = tuple(self._operand(tensor) for tensor in operands)
        activations = tuple(read for read in reads if read.value is not None)
        terms = _terms(func, args, kwargs, output)
        overwrites = None if changed is None else self._values.get(_memory(changed))
        is_constant = not activations
        for result in results:
            self._assign(result, None if is_constant else self._new_value())
        if is_constant and not terms:
            return output
        self._calls[-1].items.append(
            Operator(
                str(func),
                activations,
                tuple(read for read in reads if read.value is None),
                tuple(self._operand(result) for result in results),
                terms,
                copies=_copies(func)
                or any(
                    isinstance(arg, list | tuple) and any(isinstance(entry, torch.Tensor) for entry in arg)
                    for arg in args
                ),
                is_pointwise=_is_pointwise(func),
                overwrites=overwrites,
                adds_option=self._added_option(),
            )
        )
        return output

    def _added_option(self) -> str | None:
        """Return the option that an operator of a choice itself adds: the one that has just run."""
        call = self._calls[-1]
        if call.name not in self._choices:
            return None
        return next(item.name for item in reversed(call.items) if isinstance(item, Call))

    def _new_value(self) -> int:
        self._count += 1
        return self._count

    def _assign(self, tensor: torch.Tensor, value: int | None) -> None:
        self._values[_memory(tensor)] = value
        self._alive.append(tensor)

    def _operand(self, tensor: torch.Tensor) -> Operand:
        return Operand(tuple(tensor.shape), tensor.element_size(), self._values.get(_memory(tensor)))


def _result(func: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """Return zeros in the shape of a product, and what any other operator returns."""
    if not is_product(func):
        return func(*args, **kwargs)
    first = next(leaf for leaf in tree_leaves((args, kwargs)) if isinstance(leaf, torch.Tensor))
    shapes = func(*tree_map_only(torch.Tensor, _shape_only, args), **tree_map_only(torch.Tensor, _shape_only, kwargs))
    return tree_map_only(torch.Tensor, lambda shape: _zeros_like(shape, first.device), shapes)


def _shape_only(tensor: torch.Tensor) -> torch.Tensor:
    return torch.empty_strided(tensor.shape, tensor.stride(), dtype=tensor.dtype, device="meta")


def _zeros_like(tensor: torch.Tensor, device: torch.device) -> torch.Tensor:
    return torch.empty_strided(tensor.shape, tensor.stride(), dtype=tensor.dtype, device=device).zero_()


def _changed(func: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> torch.Tensor | None:
    """Return the tensor that an operator changes in place, None where it changes none."""
    if func._overloadpacket._qualified_op_name.removeprefix("aten::") in _BATCH_NORMS:
        return None  # only in training mode
    for position, argument in enumerate(func._schema.arguments):
        if argument.alias_info is not None and argument.alias_info.is_write:
            value = args[position] if position < len(args) else kwargs.get(argument.name)
            if isinstance(value, torch.Tensor):
                return value
    return None


def _is_layout_copy(func: Any, kwargs: dict[str, Any]) -> bool:
    """Say whether an operator copies only to lay memory out in another way, as a reshape may: a matter of the runtime.

    Whether PyTorch has to depends on sizes: with one head there is nothing to copy.
    """
    return func is torch.ops.aten.clone.default and kwargs.get("memory_format") is not None


def _copies(func: Any) -> bool:
    return func._overloadpacket._qualified_op_name.split("::")[1] in _COPYING


def _is_pointwise(func: Any) -> bool:
    return torch.Tag.pointwise in func.tags or func._overloadpacket._qualified_op_name.split("::")[1] in _UNTAGGED


def _terms(func: Any, args: tuple[Any, ...], kwargs: dict[str, Any], output: Any) -> tuple[Shape, ...]:
    """Return the sizes whose products add up to the multiply-accumulates of a call."""
    macs = macs_of(func, args, kwargs, output)
    if not macs:
        return ()
    shapes = [tuple(arg.shape) if isinstance(arg, torch.Tensor) else () for arg in args]
    name = func._overloadpacket._qualified_op_name.split("::")[1]
    terms: tuple[Shape, ...] = ()
    if func._overloadpacket is torch.ops.aten.convolution:
        # Of (out, in / groups, kernel...); of a transposed one (in, out / groups, kernel...).
        terms = ((*(shapes[0] if args[6] else output.shape), *shapes[1][1:]),)
    elif name in ("mm", "bmm"):
        terms = ((*output.shape, shapes[0][-1]),)
    elif name in ("addmm", "baddbmm"):
        terms = ((*output.shape, shapes[1][-1]),)
    elif name.startswith("_scaled_dot_product"):
        positions = (*shapes[0][:-1], shapes[1][-2])
        terms = ((*positions, shapes[0][-1]), (*positions, shapes[2][-1]))
    elif name == "mkldnn_rnn_layer":
        terms = ((*shapes[0][:2], *shapes[1]), (*shapes[0][:2], *shapes[2]))
    # Of any other product what it costs is itself taken for a size.
    return terms if sum(map(math.prod, terms)) == macs else ((macs,),)


def _memory(tensor: torch.Tensor) -> int:
    return tensor.untyped_storage().data_ptr()
