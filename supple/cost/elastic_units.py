"""The units of every member of a family, as formulas of the config: found once, then read off in microseconds."""

import math
import random
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from supple.cost.units import Form, Unit, find_units
from supple.errors import SuppleError
from supple.runtime.onnx_sizes import Size, elastic_axes, shifted_attributes
from supple.runtime.onnx_template import OnnxTemplate
from supple.space import Config, Kind, Space
from supple.trace import Attribute, Axis, Structure

_PROBES = 24

Presence = tuple[tuple[str, frozenset[int]], ...]
"""The depths that decide whether a member has a unit, each with the values at which it does."""


@dataclass(frozen=True)
class Signature:
    """What two units have in common that take the same time: the place of their form in the list, and the numbers."""

    form: int
    numbers: tuple[int, ...]


@dataclass(frozen=True)
class ElasticUnit:
    """A unit of the full network, and how its numbers follow the config."""

    name: str
    form: int
    numbers: tuple[int | Size, ...]
    presence: Presence

    @property
    def dimensions(self) -> tuple[str, ...]:
        """The dimensions that its numbers follow."""
        sizes = [number for number in self.numbers if isinstance(number, Size)]
        return tuple(dict.fromkeys(name for size in sizes for _, names in size.terms for name in names))

    def signature(self, config: Mapping[str, int]) -> Signature:
        """Return what it is in a member that has it."""
        return Signature(
            self.form, tuple(number(config) if isinstance(number, Size) else number for number in self.numbers)
        )


class ElasticUnits:
    """The units of a family's members."""

    def __init__(self, space: Space, forms: Sequence[Form], units: Sequence[ElasticUnit]) -> None:
        self.space = space
        self.forms = tuple(forms)
        self.units = tuple(units)
        self._known: list[dict[tuple[int, ...], Signature]] = [{} for _ in units]
        self._dimensions = [unit.dimensions for unit in units]

    def signatures(self, config: Config) -> list[Signature]:
        """Return the units of a member, in the order in which they run. Raises `SuppleError` for another space's."""
        self.space.check(config)
        found = []
        for unit, dimensions, known in zip(self.units, self._dimensions, self._known, strict=True):
            if all(config[depth] in values for depth, values in unit.presence):
                key = tuple(config[name] for name in dimensions)
                if key not in known:
                    known[key] = unit.signature(config)
                found.append(known[key])
        return found


def find_elastic_units(template: OnnxTemplate, batch: int) -> ElasticUnits:
    """Return the units of all members, at one batch size, from the outlines of some.

    Each number of a unit is matched with the axes of the family: it follows the axis that has that size, or a whole
    multiple of it, in every member looked at. Random members then check the formulas. Raises `SuppleError` where
    members cannot be cut, or where a number follows no axis.
    """
    space, structure = template.family.space, template.family.structure
    rng = random.Random(0)
    configs = [space.max(), *(_with_all_blocks(space, rng) for _ in range(_PROBES))]
    probes = [find_units(template.outline(config, batch)) for config in configs]
    _check_same_units(probes)
    match = _Matcher(structure, configs)
    presence = _find_presence(template, batch)
    forms = list(dict.fromkeys(unit.form for unit in probes[0]))
    units = [
        ElasticUnit(
            full.name,
            forms.index(full.form),
            tuple(match(seen, full.name) for seen in zip(*(probe[place].numbers for probe in probes), strict=True)),
            presence[full.name],
        )
        for place, full in enumerate(probes[0])
    ]
    elastic = ElasticUnits(space, forms, units)
    _check_members(elastic, template, batch, [space.min(), *(space.sample(rng) for _ in range(4))])
    return elastic


class _Matcher:
    """Finds the size that a number follows, from its values in some members."""

    def __init__(self, structure: Structure, configs: Sequence[Config]) -> None:
        axes: Iterable[Axis] = sorted(elastic_axes(structure), key=lambda axis: len(axis.dimensions))
        self._axes = {tuple(axis.size(config) for config in configs): axis for axis in reversed([*axes])}
        self._shifted: dict[tuple[int, ...], Attribute] = {
            tuple(entry.value(config) for config in configs): entry for entry in shifted_attributes(structure)
        }
        self._known: dict[tuple[int, ...], int | Size] = {}

    def __call__(self, seen: tuple[int, ...], name: str) -> int | Size:
        if seen not in self._known:
            self._known[seen] = self._match(seen, name)
        return self._known[seen]

    def _match(self, seen: tuple[int, ...], name: str) -> int | Size:
        if len(set(seen)) == 1:
            return seen[0]
        common = math.gcd(*seen)
        for factor in range(1, common + 1):
            axis = self._axes.get(tuple(value // factor for value in seen)) if common % factor == 0 else None
            if axis is not None:
                return Size.of(axis, factor)
        if seen in self._shifted:
            entry = self._shifted[seen]
            return replace(Size.of(entry.axis), offset=entry.offset, scale=entry.scale)
        raise SuppleError(f'a size of the operator "{name}" ({seen[0]} in the full network) follows no known axis')


def _with_all_blocks(space: Space, rng: random.Random) -> Config:
    return space.config({entry.name: rng.choice(entry.values) for entry in space.dimensions if _is_size(entry.kind)})


def _is_size(kind: Kind) -> bool:
    return kind is not Kind.DEPTH


def _check_same_units(probes: Sequence[Sequence[Unit]]) -> None:
    full = [(unit.name, unit.form) for unit in probes[0]]
    if any([(unit.name, unit.form) for unit in probe] != full for probe in probes[1:]):
        raise SuppleError("narrower members have other operators than the full network")


def _find_presence(template: OnnxTemplate, batch: int) -> dict[str, Presence]:
    """Return for each unit of the full network the depths that decide whether a member has it."""
    space = template.family.space
    full = [unit.name for unit in find_units(template.outline(space.max(), batch))]
    presence: dict[str, Presence] = dict.fromkeys(full, ())
    for dimension in space.dimensions:
        if _is_size(dimension.kind):
            continue
        present: dict[str, set[int]] = {name: set() for name in full}
        for value in dimension.values:
            for unit in find_units(template.outline(space.config({dimension.name: value}), batch)):
                present[unit.name].add(value)
        for name, values in present.items():
            if len(values) < len(dimension.values):
                presence[name] = (*presence[name], (dimension.name, frozenset(values)))
    return presence


def _check_members(elastic: ElasticUnits, template: OnnxTemplate, batch: int, configs: Iterable[Config]) -> None:
    """Raise `SuppleError` where the formulas do not give what a member's outline has."""
    for config in configs:
        found = [(unit.form, unit.numbers) for unit in find_units(template.outline(config, batch))]
        expected = [(elastic.forms[entry.form], entry.numbers) for entry in elastic.signatures(config)]
        if found != expected:
            raise SuppleError("the operators of a member are others than its config says")
