"""The graph of a family: every operator of every member, when it is there, and its sizes as formulas of the config.

The whole network, with all options of its choices, is run once, and once more for each dimension at its smallest value
(each value, for the resolution). What changes then gives the formulas; random members, run too, must agree with them.
"""

import random
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from supple.cost.aligning import Alignment, Item, MisalignedError
from supple.cost.recording import Call, Operand, Operator, Recording, Shape, record
from supple.cost.sizes import Effect, Size, fit_size
from supple.errors import SuppleError
from supple.family import Family
from supple.space import Config, Dimension, Kind, Space
from supple.trace import Block, Structure
from supple.trace.choice import all_options
from supple.trace.modes import evaluating

CHECKED_MEMBERS = 8
"""How many random members, beside the smallest, are run to choose among formulas, and as many again to check them."""


@dataclass(frozen=True)
class Piece:
    """A tensor that an operator reads or writes: the sizes of its axes and the bytes of an element."""

    sizes: tuple[Size, ...]
    itemsize: int


@dataclass(frozen=True, eq=False)
class Node:
    """An operator of the family's graph, there in members that have all the `blocks`, with formulas for its sizes.

    `reads` are the activations, none for an operator that copies: it reads as much as it writes.
    """

    operator: Operator
    blocks: frozenset[str]
    reads: tuple[Piece, ...]
    weights: tuple[Piece, ...]
    writes: tuple[Piece, ...]
    terms: tuple[tuple[Size, ...], ...]

    @property
    def sizes(self) -> tuple[tuple[Size, ...], ...]:
        """The formulas of all tensors that it touches, and of its multiply-accumulates."""
        return (*(piece.sizes for piece in (*self.reads, *self.weights, *self.writes)), *self.terms)

    @property
    def is_fused(self) -> bool:
        """Whether runtimes make it part of the operator before: it works on one activation, element by element."""
        return (
            self.operator.is_pointwise
            and len(self.reads) == 1
            and [piece.sizes for piece in self.writes] == [self.reads[0].sizes]
        )


class FamilyGraph:
    """The operators of a family, with what its members may lack: conditions on dimensions by the path of a block."""

    def __init__(self, family: Family, seed: int = 0) -> None:
        """Run members of the family and find the formulas.

        Raises `SuppleError` where the network does not run on zeros in the shapes of its example inputs, or a member
        is not what the formulas say.
        """
        self.family = family
        self.blocks = _blocks_by_path(family.structure)
        open_family = family.with_structure(family.structure.with_all_options())
        rng = random.Random(seed)
        runs = _Runs(open_family, frozenset(self.blocks))
        for config in _members(open_family.space, rng):
            runs.add(config)
        self.recording = runs.recording
        self.inputs = tuple(Piece(tuple(map(runs.size, series)), itemsize) for series, itemsize in runs.inputs())
        self.nodes = tuple(runs.node(operator, blocks) for operator, blocks in runs.operators())
        self.checked = tuple((config, self._checked(config)) for config in _members(family.space, rng))

    def dropped(self, config: Mapping[str, int]) -> frozenset[str]:
        """Return the paths of the blocks that a member lacks."""
        return frozenset(path for path, blocks in self.blocks.items() if not all(b.is_present(config) for b in blocks))

    def _checked(self, config: Config) -> Recording:
        """Run a member and return what it did; raise `SuppleError` where that is not what the formulas say."""
        recording, dropped = record_member(self.family, config), self.dropped(config)
        found = _aligned(self.recording, recording, frozenset(self.blocks), dropped, config).found
        for node in self.nodes:
            other = found.get(node.operator)
            if (other is not None) != (node.operator.adds_option is None and node.blocks.isdisjoint(dropped)):
                raise refused(f"{node.operator.name} is {'not ' if other is None else ''}there", config)
            if other is not None:
                formulas = [tuple(size.of(config) for size in sizes) for sizes in node.sizes]
                if formulas != _shapes(other):
                    raise refused(f"{other.name} is of the sizes {_shapes(other)}, not {formulas}", config)
        return recording


def record_member(family: Family, config: Config) -> Recording:
    """Record a run of a member on one sample at its own resolution, in full precision.

    Raises `SuppleError` where it does not run.
    """
    with evaluating(family.model), family.activate(family.full_precision(config)) as member, all_options(member):
        return record(member, family.example_zeros(config))


class _Runs:
    """Runs of a family without choices: the whole network, and members in which one dimension is small."""

    def __init__(self, family: Family, blocks: frozenset[str]) -> None:
        self._family = family
        self._blocks = blocks
        self._staying: set[Item] = set()
        self._configs: list[Config] = []
        self._found: list[dict[Operator, Operator]] = []
        self._recordings: list[Recording] = []
        self._sizes: dict[tuple[int | None, ...], Size] = {}
        self.recording = record_member(family, family.space.max())
        self._alone: list[tuple[int, Dimension, int]] = []
        for entry in family.space.dimensions:
            # Precision changes no size.
            if entry.kind is Kind.BITS:
                continue
            values = entry.values[:-1] if entry.kind is Kind.RESOLUTION else entry.values[:1]
            for value in values:
                if value != entry.largest:
                    self._alone.append((len(self._configs), entry, value))
                    self.add(family.space.config({entry.name: value}))

    def add(self, config: Config) -> None:
        """Run one more member."""
        recording = record_member(self._family, config)
        dropped = frozenset(self._family.structure.dropped_blocks(config))
        alignment = _aligned(self.recording, recording, self._blocks, dropped, config)
        self._configs.append(config)
        self._recordings.append(recording)
        self._found.append(alignment.found)
        self._staying |= alignment.staying

    def operators(self) -> Iterator[tuple[Operator, frozenset[str]]]:
        """Yield every operator of the whole network, with the blocks without which it is not there."""
        yield from self._within(self.recording.whole, frozenset())

    def _within(self, call: Call, around: frozenset[str]) -> Iterator[tuple[Operator, frozenset[str]]]:
        before: frozenset[str] = frozenset()
        for item in call.items:
            if isinstance(item, Call) and item.name in self._blocks:
                yield from self._within(item, around | {item.name})
                before = frozenset({item.name})
                continue
            goes = item in self._staying or (isinstance(item, Operator) and item.adds_option is not None)
            needed = around if goes else around | before
            if isinstance(item, Call):
                yield from self._within(item, needed)
            else:
                yield item, needed

    def inputs(self) -> Iterator[tuple[list[tuple[int | None, ...]], int]]:
        """Yield the series of sizes of each input's axes, and the bytes of an element."""
        for number, operand in enumerate(self.recording.inputs):
            others = [recording.inputs[number].shape for recording in self._recordings]
            yield list(zip(operand.shape, *others, strict=True)), operand.itemsize

    def node(self, operator: Operator, blocks: frozenset[str]) -> Node:
        """Return an operator with formulas for its sizes."""
        others = [found.get(operator) for found in self._found]
        columns = [None if other is None else _shapes(other) for other in others]
        formulas = []
        for index, shape in enumerate(_shapes(operator)):
            shapes = [None if column is None else column[index] for column in columns]
            if any(other is not None and len(other) != len(shape) for other in shapes):
                raise SuppleError(f"{_NO_FORMULA} ({operator.name} has another number of axes in some members).")
            series = [
                (size, *(None if other is None else other[axis] for other in shapes)) for axis, size in enumerate(shape)
            ]
            formulas.append(tuple(map(self.size, series)))
        pieces = [
            Piece(sizes, operand.itemsize)
            for sizes, operand in zip(
                formulas, (*_listed_reads(operator), *operator.weights, *operator.writes), strict=False
            )
        ]
        reads, weights = len(_listed_reads(operator)), len(operator.weights)
        return Node(
            operator,
            blocks,
            tuple(pieces[:reads]),
            tuple(pieces[reads : reads + weights]),
            tuple(pieces[reads + weights :]),
            tuple(formulas[len(pieces) :]),
        )

    def size(self, series: tuple[int | None, ...]) -> Size:
        """Return the formula of a size, from what it is in the whole network and in each run, None where it is not."""
        if series not in self._sizes:
            self._sizes[series] = self._fitted(series)
        return self._sizes[series]

    def _fitted(self, series: tuple[int | None, ...]) -> Size:
        full, *others = series
        assert full is not None
        alone: dict[str, dict[int, int]] = {}
        for run, entry, value in self._alone:
            size = others[run]
            if size is not None:
                alone.setdefault(entry.name, {entry.largest: full})[value] = size
        effects = [
            Effect(name, tuple(sorted(sizes)), tuple(sizes[value] for value in sorted(sizes)))
            for name, sizes in alone.items()
            if any(size != full for size in sizes.values())
        ]
        seen = [(config, size) for config, size in zip(self._configs, others, strict=True) if size is not None]
        found = fit_size(full, effects, seen)
        if found is None:
            names = ", ".join(effect.dimension for effect in effects)
            raise SuppleError(
                f"{_NO_FORMULA} (a size of {full} is neither a product nor a sum of {names or 'anything'})."
            )
        return found


_NO_FORMULA = (
    "The costs of this family's members follow no formula that is known here: count members one by one, with "
    "family.count_parameters and family.count_macs"
)


def refused(what: str, config: Config) -> SuppleError:
    """Return the error that says that a member is not what the formulas say."""
    return SuppleError(f"{_NO_FORMULA} ({what}, in {config!r:.200}).")


def _aligned(
    whole: Recording, member: Recording, blocks: frozenset[str], dropped: frozenset[str], config: Config
) -> Alignment:
    try:
        return Alignment(whole.whole, member.whole, blocks, dropped)
    except MisalignedError as error:
        raise refused(f"what runs at {str(error) or 'the top'} is not what the whole network runs", config) from None


def _members(space: Space, rng: random.Random) -> list[Config]:
    return [space.min(), *(space.sample(rng) for _ in range(CHECKED_MEMBERS))]


def _listed_reads(operator: Operator) -> tuple[Operand, ...]:
    return () if operator.copies else operator.reads


def _shapes(operator: Operator) -> list[Shape]:
    operands = (*_listed_reads(operator), *operator.weights, *operator.writes)
    return [*(operand.shape for operand in operands), *operator.terms]


def _blocks_by_path(structure: Structure) -> dict[str, list[Block]]:
    found: dict[str, list[Block]] = {}
    for block in structure.blocks:
        found.setdefault(block.path, []).append(block)
    return found
