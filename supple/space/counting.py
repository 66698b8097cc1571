"""Count and draw the members of a space exactly, however many there are.

Dimensions are taken one after another. What must be known of those taken are the values of the ones that others still
hang on (a state): few at any time, since dimensions are taken in an order that leaves few open. So the members that
remain are counted from the end by dynamic programming over states.
"""

import random
from collections.abc import Iterator, Mapping, Sequence

from supple.space.dimension import Dimension

State = tuple[int | None, ...]


class MemberCounter:
    """The number of ways to choose the dimensions that remain, at every state that can be reached."""

    def __init__(self, dimensions: Sequence[Dimension]) -> None:
        self._order = _with_few_open(dimensions)
        self._open = _open_before_each(self._order)
        states: list[set[State]] = [{()}]
        for step in range(len(self._order)):
            states.append({after for state in states[-1] for _, after in self._choices(step, state)})
        self._members: list[dict[State, int]] = [{} for _ in self._order] + [dict.fromkeys(states[-1], 1)]
        for step in reversed(range(len(self._order))):
            later = self._members[step + 1]
            self._members[step] = {
                state: sum(count * later[after] for count, after in self._ways(step, state)) for state in states[step]
            }

    @property
    def count(self) -> int:
        """The number of members."""
        return self._members[0][()]

    def sample(self, rng: random.Random) -> dict[str, int]:
        """Draw the values of the dimensions that reach a member; every member is equally likely."""
        drawn: dict[str, int] = {}
        state: State = ()
        for step, dimension in enumerate(self._order):
            choices = list(self._choices(step, state))
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

    def _choices(self, step: int, state: State) -> Iterator[tuple[int | None, State]]:
        """Yield each value of the next dimension with the state after it: None where it does not reach the member."""
        dimension = self._order[step]
        known = dict(zip(self._open[step], state, strict=True))
        values: Sequence[int | None] = dimension.values if _is_reached(dimension, known) else (None,)
        for value in values:
            known[dimension.name] = value
            yield value, tuple(known[name] for name in self._open[step + 1])

    def _ways(self, step: int, state: State) -> Iterator[tuple[int, State]]:
        """Yield the states after the next dimension, each with the number of values that lead there."""
        counts: dict[State, int] = {}
        for _, after in self._choices(step, state):
            counts[after] = counts.get(after, 0) + 1
        return ((count, after) for after, count in counts.items())


def _is_reached(dimension: Dimension, known: Mapping[str, int | None]) -> bool:
    values = ((condition, known[condition.parent]) for condition in dimension.conditions)
    return all(value is not None and condition.allows(value) for condition, value in values)


def _index(members: Sequence[int], position: int) -> int:
    index = 0
    while position >= members[index]:
        position -= members[index]
        index += 1
    return index


def _with_few_open(dimensions: Sequence[Dimension]) -> list[Dimension]:
    """Return the dimensions in an order that takes what hangs on others soon after them."""
    children: dict[str, list[Dimension]] = {entry.name: [] for entry in dimensions}
    missing = {entry.name: {condition.parent for condition in entry.conditions} for entry in dimensions}
    for entry in dimensions:
        for parent in missing[entry.name]:
            children[parent].append(entry)
    remaining = dict.fromkeys(entry.name for entry in dimensions if not missing[entry.name])
    by_name = {entry.name: entry for entry in dimensions}
    order: list[Dimension] = []
    while remaining:
        # What leaves nothing open first; then what lets the most others be taken.
        taken_next = {name: sum(len(missing[child.name]) == 1 for child in children[name]) for name in remaining}
        name = max(taken_next, key=lambda name: (not children[name], taken_next[name]))
        del remaining[name]
        order.append(by_name[name])
        for child in children[name]:
            missing[child.name].discard(name)
            if not missing[child.name]:
                remaining[child.name] = None
    return order


def _open_before_each(order: Sequence[Dimension]) -> list[tuple[str, ...]]:
    """Return, for each step and the end, the dimensions taken before it that later ones hang on."""
    last_use = {condition.parent: step for step, entry in enumerate(order) for condition in entry.conditions}
    names: list[tuple[str, ...]] = [()]
    for step, entry in enumerate(order):
        names.append(tuple(name for name in (*names[-1], entry.name) if last_use.get(name, -1) > step))
    return names
