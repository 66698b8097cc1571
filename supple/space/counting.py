"""Count and draw the members of a space exactly, however many there are.

The members that remain are counted from the end of a walk, by dynamic programming over its states.
"""

import random
from collections.abc import Iterator, Sequence

from supple.space.dimension import Dimension
from supple.space.walk import START, State, Walk


class MemberCounter:
    """The number of ways to choose the dimensions that remain, at every state that can be reached."""

    def __init__(self, dimensions: Sequence[Dimension]) -> None:
        self._walk = Walk(dimensions)
        self._order = self._walk.order
        states: list[set[State]] = [{START}]
        for step in range(len(self._order)):
            states.append({after for state in states[-1] for _, after in self._walk.choices(step, state)})
        self._members: list[dict[State, int]] = [{} for _ in self._order] + [dict.fromkeys(states[-1], 1)]
        for step in reversed(range(len(self._order))):
            later = self._members[step + 1]
            self._members[step] = {
                state: sum(count * later[after] for count, after in self._ways(step, state)) for state in states[step]
            }

    @property
    def count(self) -> int:
        """The number of members."""
        return self._members[0][START]

    def sample(self, rng: random.Random) -> dict[str, int]:
        """Draw the values of the dimensions that reach a member; every member is equally likely."""
        drawn: dict[str, int] = {}
        state = START
        for step, dimension in enumerate(self._order):
            choices = list(self._walk.choices(step, state))
            if choices[0][0] is not None:
                # Exact for counts of any size: an integer below their sum, never a floating-point weight.
                members = [self._members[step + 1][after] for _, after in choices]
                if len(set(members)) == 1:
                    position = rng.randrange(len(choices))
                else:
                    position = _index(members, rng.randrange(sum(members)))
                drawn[dimension.name] = dimension.values[position]
                state = choices[position][1]
            else:
                state = choices[0][1]
        return drawn

    def _ways(self, step: int, state: State) -> Iterator[tuple[int, State]]:
        """Yield the states after the next dimension, each with the number of values that lead there."""
        counts: dict[State, int] = {}
        for _, after in self._walk.choices(step, state):
            counts[after] = counts.get(after, 0) + 1
        return ((count, after) for after, count in counts.items())


def _index(members: Sequence[int], position: int) -> int:
    index = 0
    while position >= members[index]:
        position -= members[index]
        index += 1
    return index
