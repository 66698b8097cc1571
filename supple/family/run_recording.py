"""Record one run of a member as a program: operators of a graph that many members share, to be run on other batches."""

from collections.abc import Callable, Hashable, Iterable, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

import torch
from torch.utils._python_dispatch import TorchDispatchMode, _disable_current_modes
from torch.utils._pytree import TreeSpec, tree_flatten, tree_unflatten

from supple.family.notes import Note, Notes, TensorFunction
from supple.family.operator_graph import Operand, OperatorGraph, UnsharableError, fingerprint

# What these write to a tensor changes nothing about its content.
_HARMLESS = {"detach_", "requires_grad_"}


@dataclass(frozen=True)
class Program:
    """A member's run: its nodes in their order, and where to find what it returned and what was noted meanwhile.

    `functions` are those of the run. `has_constants` says that it used tensors that are neither weights nor inputs, and
    that no operator made. `result_bytes` is the memory of all results.
    """

    nodes: tuple[int, ...]
    functions: frozenset[Callable[..., Any]]
    has_constants: bool
    result_bytes: int
    _noted: tuple[Note, ...]
    _outputs: tuple[Any, ...]
    _form: TreeSpec

    @property
    def wanted(self) -> tuple[int, ...]:
        """The values that the run is made for."""
        leaves = (*(operand for note in self._noted for operand in note.tensors), *self._outputs)
        return tuple(leaf.value for leaf in leaves if isinstance(leaf, Operand))

    def notes(self, values: list[Any]) -> list[Note]:
        """Return what was noted."""
        return [Note(note.label, tuple(values[operand.value] for operand in note.tensors)) for note in self._noted]

    def outputs(self, values: list[Any]) -> Any:
        """Return what the member returns, in its own form."""
        leaves = (values[leaf.value] if isinstance(leaf, Operand) else leaf for leaf in self._outputs)
        return tree_unflatten(leaves, self._form)


class ResultChanged(BaseException):
    """A run changes tensors in place, and so must compute all of them itself."""


class Results:
    """What the operators of the run before have returned, to be taken from there by the next run."""

    def __init__(self) -> None:
        self.before: dict[int, Any] = {}
        self.now: dict[int, Any] = {}

    def next_run(self) -> None:
        """Keep those of the run that has ended, and none of those before."""
        self.before, self.now = self.now, {}


class _Number(int):
    """The number of a tensor, in the place of the tensor."""

    __slots__ = ()


@dataclass(slots=True)
class _Entry:
    """A call of the run, with numbers in the place of tensors; `written` are those that it changes.

    `twin` does the same without changing anything, and returns what the changed tensor then holds.
    """

    function: Callable[..., Any]
    args: tuple[Any, ...]
    kwargs: dict[str, Any]
    numbers: list[int]
    written: list[int]
    results: list[int | None]
    returns_one: bool = False
    twin: Callable[..., Any] | None = None
    node: int | None = None


class Recorder(TorchDispatchMode, Notes):  # type: ignore[no-untyped-call]
    """Records every operator that runs while it is entered.

    What cannot be repeated faithfully on other batches is found, and told by `program`: random numbers, results that
    are read as Python numbers, shapes that hang on values, changes of weights or inputs, tensors from nowhere. With
    `results`, what the run before has computed is not computed again; `ResultChanged` then comes where the run is about
    to change a tensor.
    """

    def __init__(
        self,
        graph: OperatorGraph,
        parameters: Iterable[torch.Tensor],
        buffers: Iterable[torch.Tensor],
        inputs: Sequence[torch.Tensor],
        results: Results | None = None,
    ) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.noted = []
        self._graph = graph
        self._results = results
        self._refused: str | None = None
        self._has_constants = False
        self._random = _random_states(inputs)
        # All tensors of the run, kept so that no other takes the place of one in memory.
        self._tensors: list[torch.Tensor] = []
        self._numbers: dict[int, int] = {}
        self._on_storage: dict[int, list[int]] = {}
        self._given: dict[int, int] = {}
        self._entries: list[_Entry] = []
        # The value that each tensor holds now, as long as no tensor is changed.
        self._value_of: dict[int, int] = {}
        for place, tensor in enumerate(inputs):
            if id(tensor) not in self._numbers:
                self._give(tensor, place)
        for tensor in parameters:
            self._weight(tensor)
        self._buffers = [(tensor, self._weight(tensor)) for tensor in buffers]

    def _give(self, tensor: torch.Tensor, value: int) -> None:
        number = self._add(tensor)
        self._given[number] = self._value_of[number] = value

    def _weight(self, tensor: torch.Tensor) -> Hashable:
        """Add a weight or constant and return its fingerprint."""
        key = fingerprint(tensor)
        if id(tensor) not in self._numbers:
            self._give(tensor, self._graph.weight(tensor, key))
        return key

    def _add(self, tensor: torch.Tensor) -> int:
        number = self._numbers[id(tensor)] = len(self._tensors)
        self._tensors.append(tensor)
        self._on_storage.setdefault(_storage(tensor), []).append(number)
        return number

    def _refuse(self, reason: str) -> None:
        self._refused = self._refused or reason

    def _number(self, tensor: torch.Tensor) -> int:
        """Return the number of an argument; one that no operator has made is a constant."""
        number = self._numbers.get(id(tensor))
        if number is not None:
            return number
        if any(other not in self._given for other in self._on_storage.get(_storage(tensor), ())):
            self._refuse("a tensor shares memory with a result, and no operator has made it")
        self._has_constants = True
        self._weight(tensor)
        return self._numbers[id(tensor)]

    def _numbered(self, item: Any, numbers: list[int]) -> Any:
        """Return an argument with numbers in the place of tensors, which are appended to `numbers` too."""
        if isinstance(item, torch.Tensor):
            number = self._number(item)
            numbers.append(number)
            return _Number(number)
        if isinstance(item, list | tuple):
            return [self._numbered(one, numbers) for one in item]
        return item

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """Run an operator and record it."""
        kwargs = kwargs or {}
        if self._refused is not None:
            return func(*args, **kwargs)
        try:
            entry = self._entry(func, args, kwargs)
            node = self._node(entry, None) if self._results is not None and not entry.written else None
        except (UnsharableError, RuntimeError) as error:
            self._refuse(str(error))
            return func(*args, **kwargs)
        return self._finished(entry, node, func, args, kwargs)

    def call(self, function: TensorFunction, *args: Any) -> tuple[torch.Tensor, ...]:
        """Run a function whose results are new and hang on its arguments alone; record it as one operator."""
        numbers: list[int] = []
        entry = _Entry(function, tuple(self._numbered(item, numbers) for item in args), {}, numbers, [], [])
        node = None if self._refused is not None or self._results is None else self._node(entry, None)
        with _disable_current_modes():
            return self._finished(entry, node, function, args, {})  # type: ignore[no-any-return]

    def mark(self) -> tuple[int, int]:
        """Return the place where the run is now."""
        return len(self._entries), len(self.noted)

    def rewind(self, mark: tuple[int, int]) -> None:
        """Forget what came after a mark."""
        super().rewind(mark)
        del self._entries[mark[0] :]

    def _entry(self, func: Any, args: Any, kwargs: Any) -> _Entry:
        numbers: list[int] = []
        numbered = tuple(self._numbered(item, numbers) for item in args)
        named = {name: self._numbered(item, numbers) for name, item in kwargs.items()}
        traits = _traits(func)
        written: list[int] = []
        for place, name in traits.written:
            self._numbered(args[place] if place < len(args) else kwargs.get(name), written)
        if traits.reads_results:
            self._refuse(f"{func} reads a result")
        if traits.shapes_by_values is not None and traits.shapes_by_values(args):
            self._refuse(f"{func} makes shapes that hang on values")
        return _Entry(func, numbered, named, numbers, written, [])

    def _finished(self, entry: _Entry, node: int | None, function: Any, args: Any, kwargs: Any) -> Any:
        """Run a call, or take its results from the run before; take down what it returned."""
        before = None if self._results is None or node is None else self._results.before.get(node)
        if before is not None:
            (found,) = before
        elif not entry.written:
            found = function(*args, **kwargs)
        else:
            found = self._changed(entry, function, args, kwargs)
        entry.returns_one = isinstance(found, torch.Tensor)
        results = [found] if entry.returns_one else [] if found is None else found
        if not isinstance(results, list | tuple) or not all(isinstance(one, torch.Tensor | None) for one in results):
            self._refuse(f"{function} returns something that is no tensor")
        if self._refused is not None:
            return found
        is_new = all(_storage(result) not in self._on_storage for result in results if result is not None)
        for result in results:
            known = None if result is None else self._numbers.get(id(result))
            entry.results.append(self._add(result) if known is None and result is not None else known)
        self._entries.append(entry)
        if node is not None and self._results is not None:
            self._take(entry, node)
            entry.node = node
            # PyTorch makes a view of what it has recorded as one only once, and views cost nothing.
            if is_new:
                self._results.now[node] = (found,)
        return found

    def _changed(self, entry: _Entry, function: Any, args: Any, kwargs: Any) -> Any:
        """Run a call that changes tensors; find the operator that does the same without, where nothing else sees it."""
        if self._results is not None:
            raise ResultChanged
        storages = {_storage(self._tensors[number]) for number in entry.written}
        if any(other in self._given for storage in storages for other in self._on_storage[storage]):
            self._refuse(f"{function} changes a weight or an input")
            return function(*args, **kwargs)
        twin = _twin(function) if entry.args and entry.written == [entry.args[0]] else None
        if twin is None or any(len(self._on_storage[storage]) > 1 for storage in storages):
            return function(*args, **kwargs)
        expected = twin(*args, **kwargs)
        found = function(*args, **kwargs)
        entry.twin = twin if same(expected, found) else None
        return found

    def _take(self, entry: _Entry, node: int) -> None:
        values = self._graph.results(node, [number is not None for number in entry.results], entry.returns_one)
        for number, value in zip(entry.results, values, strict=True):
            if number is not None and value is not None:
                self._value_of[number] = value

    def _node(self, entry: _Entry, only_of: Hashable) -> int:
        value_of = self._value_of

        def filled(item: Any) -> Any:
            if type(item) is _Number:
                return Operand(value_of[item])
            return [filled(one) for one in item] if type(item) is list else item

        return self._graph.node(
            entry.function if entry.twin is None or only_of is not None else entry.twin,
            tuple([filled(item) for item in entry.args]),
            {name: filled(item) for name, item in entry.kwargs.items()},
            only_of,
        )

    def program(self, outputs: Any, member: Hashable) -> Program:
        """Return the run as a program; `member` is a name that no other has.

        Raises `UnsharableError` where the run cannot be repeated.
        """
        leaves, form = tree_flatten(outputs)
        if not all(isinstance(leaf, torch.Tensor | bool | int | float | str | None) for leaf in leaves):
            self._refuse("the member returns something that is neither a tensor nor a plain value")
        returned = [self._number(leaf) if isinstance(leaf, torch.Tensor) else None for leaf in leaves]
        noted = [(note.label, [self._number(tensor) for tensor in note.tensors]) for note in self.noted]
        if any(fingerprint(tensor) != before for tensor, before in self._buffers):
            self._refuse("a buffer was changed")
        if any(not torch.equal(*states) for states in zip(self._random, _random_states(self._tensors), strict=False)):
            self._refuse("random numbers are drawn")
        if self._refused is not None:
            raise UnsharableError(self._refused)
        nodes = self._nodes(member)
        value_of = self._value_of
        return Program(
            tuple(nodes),
            frozenset(entry.function for entry in self._entries),
            self._has_constants,
            self._result_bytes(),
            tuple(Note(label, tuple(Operand(value_of[number]) for number in numbers)) for label, numbers in noted),
            tuple(
                leaf if number is None else Operand(value_of[number])
                for leaf, number in zip(leaves, returned, strict=True)
            ),
            form,
        )

    def _result_bytes(self) -> int:
        made = (numbers[0] for numbers in self._on_storage.values() if numbers[0] not in self._given)
        return sum(self._tensors[number].untyped_storage().nbytes() for number in made)

    def _nodes(self, member: Hashable) -> list[int]:
        """Return the nodes of all entries; what lies in memory that is changed for real is this member's own."""
        known = [entry.node for entry in self._entries if entry.node is not None]
        if len(known) == len(self._entries):
            return known
        own = {
            _storage(self._tensors[number]) for entry in self._entries if entry.twin is None for number in entry.written
        }
        self._value_of = dict(self._given)
        nodes: list[int] = []
        for position, entry in enumerate(self._entries):
            touched = [*entry.numbers, *(number for number in entry.results if number is not None)]
            is_own = bool(own) and any(_storage(self._tensors[number]) in own for number in touched)
            nodes.append(self._node(entry, (member, position) if is_own else None))
            self._take(entry, nodes[-1])
        return nodes


def same(one: Any, other: Any) -> bool:
    """Say whether two results are the same bit for bit, in the same order in memory."""
    ones, form = tree_flatten(one)
    others, other_form = tree_flatten(other)
    return form == other_form and all(
        _same_leaf(leaf, other_leaf) for leaf, other_leaf in zip(ones, others, strict=True)
    )


def _same_leaf(one: Any, other: Any) -> bool:
    if not isinstance(one, torch.Tensor) or not isinstance(other, torch.Tensor):
        return type(one) is type(other) and bool(one == other)
    alike = (one.shape, one.dtype, one.stride(), one.device) == (other.shape, other.dtype, other.stride(), other.device)
    return alike and torch.equal(_bytes(one), _bytes(other))


def _bytes(tensor: torch.Tensor) -> torch.Tensor:
    # NaN differs from itself as a number, and 0.0 does not differ from -0.0.
    return tensor.detach().contiguous().flatten().view(torch.uint8)


def _storage(tensor: torch.Tensor) -> int:
    return int(tensor.untyped_storage()._cdata)


def _random_states(tensors: Iterable[torch.Tensor]) -> list[torch.Tensor]:
    """Return the states of all random numbers that operators on these tensors may draw."""
    states = [torch.get_rng_state()]
    if any(tensor.is_cuda for tensor in tensors):
        states.append(torch.cuda.get_rng_state())
    return states


def _has_mask(args: Sequence[Any]) -> bool:
    return any(index is not None and index.dtype in (torch.bool, torch.uint8) for index in args[1])


def _has_no_number_of_classes(args: Sequence[Any]) -> bool:
    return len(args) < 2 or args[1] < 0


# Of the operators that are tagged so, those that are no danger with most arguments.
_SHAPED_BY_VALUES = {"index": _has_mask, "one_hot": _has_no_number_of_classes}


@dataclass(frozen=True)
class _Traits:
    """What an operator's schema and tags say; `written` are (place, name) of the arguments that it changes.

    `shapes_by_values` says of its arguments whether the shape of its result hangs on their values; None if it never
    does.
    """

    written: tuple[tuple[int, str], ...]
    reads_results: bool
    shapes_by_values: Callable[[Sequence[Any]], bool] | None


@cache
def _traits(func: Any) -> _Traits:
    name = func._schema.name.removeprefix("aten::")
    written = tuple(
        (place, argument.name)
        for place, argument in enumerate(func._schema.arguments)
        if argument.alias_info is not None and argument.alias_info.is_write and name not in _HARMLESS
    )
    return _Traits(
        written,
        torch.Tag.data_dependent_output in func.tags,
        _SHAPED_BY_VALUES.get(name, lambda args: True) if torch.Tag.dynamic_output_shape in func.tags else None,
    )


@cache
def _twin(func: Any) -> Callable[..., Any] | None:
    """Return the operator that gives what another one makes of its first argument as a new tensor."""
    name = func._schema.name.removeprefix("aten::")
    packet = getattr(torch.ops.aten, name[:-1], None) if name.endswith("_") else None
    return getattr(packet, func._overloadname, None)
