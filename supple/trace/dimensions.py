"""From labels to dimensions: name every free atom, choose its values, and bind the axes of all tensors to it."""

import math
from collections.abc import Iterable, Mapping, Set
from dataclasses import dataclass
from itertools import chain, count, takewhile

from supple.space import Dimension, Kind
from supple.trace.axes import CONSTANT_BY_NATURE, HEAD_SIZE, OUTPUT, Atom, Expression, Labels
from supple.trace.blocks import Run
from supple.trace.choice import ChoicePlace
from supple.trace.gates import Gate, conditions_of
from supple.trace.kernels import ElasticKernel
from supple.trace.propagation import Propagation
from supple.trace.structure import Axis, Block, Factor, Frozen

WIDTH_MULTIPLE = 8
SMALLEST_SHARE = 4


@dataclass(frozen=True)
class Dimensions:
    """The dimensions of a graph, the blocks that its depths drop, and what of it stays as it is."""

    dimensions: tuple[Dimension, ...]
    blocks: tuple[Block, ...]
    frozen: tuple[Frozen, ...]
    names: Mapping[Atom, str]

    def axis(self, expression: Expression, labels: Labels) -> Axis:
        """Return how the dimensions index an axis with this label."""
        segments = tuple(
            tuple(Factor(atom.size, self.names.get(atom)) for atom in product) or (Factor(1),)
            for product in labels.resolve(expression)
        )
        return Axis(segments or ((Factor(0),),))


def find_dimensions(
    propagation: Propagation,
    runs: Iterable[Run],
    streams: Iterable[Expression],
    parameters: Set[str],
    choices: Iterable[ChoicePlace],
    kernels: Iterable[ElasticKernel],
) -> Dimensions:
    """Make the dimensions: of every free atom that indexes a parameter, every run of droppable blocks, and so on.

    `parameters` are the keys of tensors that are no buffers: what indexes buffers only stays as it is.
    """
    labels, tensors = propagation.labels, propagation.tensors
    runs, choices = tuple(runs), tuple(choices)
    taken: set[str] = set()
    of_runs = [Gate.of_run(run, _unique(f"{_stage_path(run, runs)}.{run.kind.value}", taken)) for run in runs]
    operators = [
        Gate.of_choice(place, _unique(f"{place.path}.{Kind.OPERATOR.value}".lstrip("."), taken)) for place in choices
    ]
    gates = (*of_runs, *operators)
    dimensions = [
        Dimension(gate.name, gate.kind, gate.values, conditions_of([f"{gate.container}."], gates)) for gate in gates
    ]
    dimensions += [
        Dimension(kernel.name, Kind.KERNEL, kernel.values, conditions_of([kernel.weight], gates)) for kernel in kernels
    ]
    taken.update(dimension.name for dimension in dimensions)
    stages = [run.stage for run in runs] + [place.options for place in choices]
    names = {
        atom: gate.name
        for run, gate in zip(runs, of_runs, strict=True)
        if run.axis is not None
        for atom in _atoms(labels, [run.axis])
    }
    frozen: dict[Frozen, None] = {}
    expert_atoms = _atoms(labels, propagation.routed) & _atoms(labels, propagation.stacks)
    head_atoms = {atom for atom in _atoms(labels, propagation.heads) if atom.fixed is None} - expert_atoms
    stream_atoms = _atoms(labels, streams)
    _fix_head_sizes(labels, tensors, head_atoms)
    for atom, users in _users(labels, tensors).items():
        keys = [key for key, _ in users]
        # Of what is constant by nature only the width of a whole network may be missed.
        is_missed = atom.fixed not in CONSTANT_BY_NATURE or (atom.fixed == OUTPUT and atom in stream_atoms)
        if atom in names or not is_missed or parameters.isdisjoint(keys):
            continue
        kind = Kind.WIDTH
        if atom in expert_atoms:
            kind = Kind.EXPERT
        elif atom in head_atoms:
            kind = Kind.HEADS
        elif _is_inside_one_block(keys, stages):
            kind = Kind.HIDDEN
        elif atom in stream_atoms:
            kind = Kind.EMBED
        path = _producer_path(users, runs)
        multiple = 1 if kind in (Kind.HEADS, Kind.EXPERT) else _multiple(_unit(labels, tensors, atom, users))
        values = tuple(size for size in sizes_from_a_quarter(atom.size, multiple) if size >= atom.smallest)
        if atom.fixed is not None or len(values) == 1:
            too_small = f"of {atom.size}, no quarter or more is a smaller multiple of {multiple}"
            # Without a producer it has no name of its own: that one may be the name of a dimension.
            is_produced = any(axis == 0 for _, axis in users)
            what = f"{path}.{kind.value}" if is_produced else f"{users[0][0]}, axis {users[0][1]}"
            frozen[Frozen(what, atom.fixed or too_small)] = None
            continue
        names[atom] = _unique(f"{path}.{kind.value}", taken)
        dimensions.append(Dimension(names[atom], kind, values, conditions_of(keys, gates)))
    blocks = tuple(block for gate in gates for block in gate.blocks)
    return Dimensions(tuple(dimensions), blocks, tuple(frozen), names)


def sizes_from_a_quarter(size: int, multiple: int) -> tuple[int, ...]:
    """Return the sizes to choose from: multiples from a quarter of the size on, and the size itself."""
    smallest = -(-size // SMALLEST_SHARE)
    return (*range(-(-smallest // multiple) * multiple, size, multiple), size)


def _atoms(labels: Labels, expressions: Iterable[Expression]) -> set[Atom]:
    return {atom for expression in expressions for product in labels.resolve(expression) for atom in product}


def _fix_head_sizes(labels: Labels, tensors: Mapping[str, tuple[Expression, ...]], heads: set[Atom]) -> None:
    """A head keeps its size: what stands inside a number of heads is fixed, unless it is one too (grouped queries)."""
    for axes in tensors.values():
        for expression in axes:
            for product in labels.resolve(expression):
                outer = next((position for position, atom in enumerate(product) if atom in heads), len(product))
                for atom in set(product[outer + 1 :]) - heads:
                    # Whatever fixed it before, this says more.
                    atom.fixed = HEAD_SIZE


def _unit(
    labels: Labels, tensors: Mapping[str, tuple[Expression, ...]], atom: Atom, users: list[tuple[str, int]]
) -> int:
    """Return how many indices of its axes one index of the atom stands for."""
    key, axis = users[0]
    product = next(product for product in labels.resolve(tensors[key][axis]) if atom in product)
    return math.prod(other.size for other in product if other is not atom)


def _multiple(unit: int) -> int:
    """Return what the sizes of an atom are multiples of, so that its axis has a multiple of 8 indices."""
    return WIDTH_MULTIPLE // math.gcd(WIDTH_MULTIPLE, unit)


def _users(labels: Labels, tensors: Mapping[str, tuple[Expression, ...]]) -> dict[Atom, list[tuple[str, int]]]:
    """Return, for every atom, the tensors and axes that it indexes, in the order of the state dict."""
    users: dict[Atom, list[tuple[str, int]]] = {}
    for key, axes in tensors.items():
        for axis, expression in enumerate(axes):
            for product in labels.resolve(expression):
                for atom in product:
                    users.setdefault(atom, []).append((key, axis))
    return users


def _is_inside_one_block(keys: list[str], stages: Iterable[tuple[str, ...]]) -> bool:
    return any(all(key.startswith(path + ".") for key in keys) for stage in stages for path in stage)


def _producer_path(users: list[tuple[str, int]], runs: tuple[Run, ...]) -> str:
    """Name an atom by the modules that produce it: those that hold it along the first axis of a parameter."""
    modules = [_holder(key) for key, axis in users if axis == 0] or [_holder(users[0][0])]
    common = _common_path(modules)
    stages = [run.stage for run in runs if run.container == common]
    if common and len(stages) < 2:
        return common
    # The common ancestor holds several stages, or is the whole model: the first producer says more.
    around = (path for stage in stages for path in stage if modules[0].startswith(path + "."))
    return next(around, modules[0])


def _holder(key: str) -> str:
    """Return the path of the module that holds the tensor; for one of the model itself, its own name."""
    return key.rpartition(".")[0] or key


def _common_path(paths: list[str]) -> str:
    shared = zip(*(path.split(".") for path in paths), strict=False)
    return ".".join(parts[0] for parts in takewhile(lambda parts: len(set(parts)) == 1, shared))


def _stage_path(run: Run, runs: tuple[Run, ...]) -> str:
    alone = sum(other.container == run.container for other in runs) == 1
    return run.container if alone and run.container else run.stage[0]


def _unique(name: str, taken: set[str]) -> str:
    """Return the name, with a number where it is taken; it is taken from now on."""
    numbered = (f"{name}_{number}" for number in count(2))
    unique = next(candidate for candidate in chain((name,), numbered) if candidate not in taken)
    taken.add(unique)
    return unique
