"""What a user asks of a search: objectives and constraints as text, and what they mean among the figures there are.

An objective is the name of a figure, as "accuracy", "macs" or "latency_ms on openvino:cpu", with "maximize" or
"minimize" before it where its direction is not known. A constraint is "latency_ms <= 5 on onnxruntime:cpu".
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from supple.errors import SuppleError, nearest
from supple.runtime.target import parse_target


class Direction(StrEnum):
    """Whether more of a figure is better, or less."""

    MAXIMIZE = "maximize"
    MINIMIZE = "minimize"


class Sense(StrEnum):
    """On which side of its limit a figure must be; the limit itself is allowed."""

    AT_MOST = "<="
    AT_LEAST = ">="


@dataclass(frozen=True)
class Objective:
    """A figure, by its full name, and its direction."""

    figure: str
    direction: Direction

    def loss(self, value: float) -> float:
        """Return the figure as something of which less is better."""
        return value if self.direction is Direction.MINIMIZE else -value

    def __str__(self) -> str:
        return f"{self.direction} {self.figure}"


@dataclass(frozen=True)
class Constraint:
    """A figure, by its full name, and the limit that members must keep."""

    figure: str
    sense: Sense
    limit: float

    def excess(self, value: float) -> float:
        """Return by how much a value breaks the limit, as a share of it (of 1, where it is 0); 0 where it keeps it."""
        beyond = value - self.limit if self.sense is Sense.AT_MOST else self.limit - value
        return max(beyond, 0.0) / (abs(self.limit) or 1.0)

    def __str__(self) -> str:
        name, on, target = self.figure.partition(" on ")
        return f"{name} {self.sense} {self.limit:g}{on}{target}"


@dataclass(frozen=True)
class Vocabulary:
    """The figures that a search can speak of.

    `directions` holds each by its short name, with its direction where that is known; `per_target` are those that every
    target has its own of; `targets` are those of the search, canonical addresses, the first of which ships.
    """

    directions: Mapping[str, Direction | None]
    per_target: frozenset[str] = frozenset()
    targets: tuple[str, ...] = ()

    def full_names(self, name: str, target: str | None, text: str) -> list[str]:
        """Return the full names that a short one stands for: one for each target where none is named."""
        if name not in self.directions:
            known = ", ".join(self.directions)
            raise SuppleError(f'"{text}": there is no figure "{name}"{nearest(name, self.directions) or f": {known}."}')
        if name not in self.per_target:
            if target is not None:
                raise SuppleError(f'"{text}": {name} is the same on every target: leave "on {target}" out.')
            return [name]
        if target is None:
            if not self.targets:
                raise SuppleError(f'"{text}": {name} depends on the target: name one, as "{name} on onnxruntime:cpu".')
            return [on_target(name, address) for address in self.targets]
        return [on_target(name, target)]


def on_target(name: str, target: str) -> str:
    """Return the full name of a figure that depends on the target."""
    return f"{name} on {target}"


def target_of(figure: str) -> str | None:
    """Return the target in the full name of a figure, or None."""
    return figure.partition(" on ")[2] or None


_NAME = r"[A-Za-z_][\w.%-]*"
_OBJECTIVE = re.compile(rf"(?:(maximize|minimize)\s+)?({_NAME})(?:\s+on\s+(\S+))?")
_CONSTRAINT = re.compile(rf"({_NAME})\s*(<=|>=)\s*([-+]?(?:\d[\d_]*\.?\d*|\.\d+)(?:[eE][-+]?\d+)?)(?:\s+on\s+(\S+))?")


def parse_objective(text: str) -> tuple[str, str | None, Direction | None]:
    """Return the name, the target's canonical address and the direction in an objective's text.

    Raises `SuppleError` where it has another form, or names a target that cannot be.
    """
    match = _OBJECTIVE.fullmatch(text.strip())
    if match is None:
        raise SuppleError(
            f'The objective "{text}" is not understood: expected a figure, as accuracy, macs or '
            '"latency_ms on openvino:cpu", with maximize or minimize before it if needed.'
        )
    direction, name, target = match.groups()
    return name, _canonical(target), None if direction is None else Direction(direction)


def parse_constraint(text: str) -> tuple[str, str | None, Sense, float]:
    """Return the name, the target's canonical address, the sense and the limit in a constraint's text.

    Raises `SuppleError` as `parse_objective` does.
    """
    match = _CONSTRAINT.fullmatch(text.strip())
    if match is None:
        raise SuppleError(
            f'The constraint "{text}" is not understood: expected a figure, <= or >=, and a number, as '
            '"latency_ms <= 5 on onnxruntime:cpu" or "peak_memory_bytes <= 262144".'
        )
    name, sense, limit, target = match.groups()
    return name, _canonical(target), Sense(sense), float(limit)


def understand_objectives(texts: Sequence[str], vocabulary: Vocabulary) -> tuple[Objective, ...]:
    """Return the objectives that texts mean; raises `SuppleError` for an unknown figure, or one that stands twice."""
    found: dict[str, Objective] = {}
    for text in texts:
        name, target, direction = parse_objective(text)
        for figure in vocabulary.full_names(name, target, text):
            known = direction or vocabulary.directions[name]
            if known is None:
                raise SuppleError(f'"{text}": say whether to maximize or to minimize {name}, as "maximize {name}".')
            if figure in found:
                raise SuppleError(f"The objective {figure} stands there twice.")
            found[figure] = Objective(figure, known)
    return tuple(found.values())


def understand_constraints(texts: Sequence[str], vocabulary: Vocabulary) -> tuple[Constraint, ...]:
    """Return the constraints that texts mean; raises `SuppleError` for an unknown figure, or two that contradict."""
    found: list[Constraint] = []
    for text in texts:
        name, target, sense, limit = parse_constraint(text)
        found.extend(Constraint(figure, sense, limit) for figure in vocabulary.full_names(name, target, text))
    for ceiling in (entry for entry in found if entry.sense is Sense.AT_MOST):
        for floor in (entry for entry in found if entry.sense is Sense.AT_LEAST and entry.figure == ceiling.figure):
            if floor.limit > ceiling.limit:
                raise SuppleError(f'"{ceiling}" and "{floor}" contradict each other: no value keeps both.')
    return tuple(found)


def total_excess(constraints: Iterable[Constraint], figures: Mapping[str, float]) -> float:
    """Return by how much figures break constraints in all, as the sum of shares of the limits; 0 where all are kept."""
    return sum(entry.excess(figures[entry.figure]) for entry in constraints)


def _canonical(target: str | None) -> str | None:
    return None if target is None else str(parse_target(target))
