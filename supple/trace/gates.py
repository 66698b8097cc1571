"""What decides whether a member has a block at all: depths and choices, and the conditions that follow from them."""

from collections.abc import Iterable
from dataclasses import dataclass

from supple.space import Condition, Kind
from supple.trace.blocks import Run
from supple.trace.choice import ChoicePlace
from supple.trace.structure import Block


@dataclass(frozen=True)
class Gate:
    """A dimension that lets blocks of one container in, and the blocks, each with the values at which it is there."""

    name: str
    kind: Kind
    values: tuple[int, ...]
    container: str
    blocks: tuple[Block, ...]

    @classmethod
    def of_run(cls, run: Run, name: str) -> "Gate":
        """Return the gate of a depth, or a number of experts: it drops the last blocks first."""
        blocks = tuple(Block(path, name, run.at_least(path)) for path in run.blocks)
        return cls(name, run.kind, run.values, run.container, blocks)

    @classmethod
    def of_choice(cls, place: ChoicePlace, name: str) -> "Gate":
        """Return the gate of a choice: each option is there at its own number alone."""
        blocks = tuple(Block(path, name, number, number) for number, path in enumerate(place.options))
        return cls(name, Kind.OPERATOR, tuple(reversed(range(len(blocks)))), place.path, blocks)

    def condition(self, places: Iterable[str]) -> Condition | None:
        """Return the condition under which any of these modules or tensors is there; None where one always is."""
        around: list[Block] = []
        for place in places:
            block = next((block for block in self.blocks if place.startswith(block.path + ".")), None)
            if block is None:
                return None
            around.append(block)
        ends = [block.at_most for block in around]
        at_most = None if None in ends else max(end for end in ends if end is not None)
        condition = Condition(self.name, min(block.at_least for block in around), at_most)
        return None if all(map(condition.allows, self.values)) else condition


def conditions_of(places: Iterable[str], gates: Iterable[Gate]) -> tuple[Condition, ...]:
    """Return the condition of the innermost gate that can leave out all of these modules or tensors, if there is one.

    That gate's own dimension hangs on the gates around it.
    """
    places = tuple(places)
    found = [(len(gate.container), condition) for gate in gates if (condition := gate.condition(places)) is not None]
    return (max(found, key=lambda entry: entry[0])[1],) if found else ()
