"""The dimensions of a space one after another, with what must be known of those taken to go on.

That is the values of the dimensions that later ones still hang on (a state): few at any time, since dimensions are
taken in an order that leaves few open. So sums over all members (how many there are, which is the cheapest) are dynamic
programmes over states.
"""

from collections.abc import Iterator, Mapping, Sequence

from supple.space.dimension import Dimension

State = tuple[int | None, ...]

START: State = ()


class Walk:
    """An order of the dimensions in which every one comes after those that it hangs on."""

    def __init__(self, dimensions: Sequence[Dimension]) -> None:
        self.order = _with_few_open(dimensions)
        self._open = _open_before_each(self.order)

    def choices(self, step: int, state: State) -> Iterator[tuple[int | None, State]]:
        """Yield each value of the next dimension with the state after it: None where it does not reach the member."""
        dimension = self.order[step]
        known = dict(zip(self._open[step], state, strict=True))
        values: Sequence[int | None] = dimension.values if _is_reached(dimension, known) else (None,)
        for value in values:
            known[dimension.name] = value
            yield value, tuple(known[name] for name in self._open[step + 1])


def _is_reached(dimension: Dimension, known: Mapping[str, int | None]) -> bool:
    values = ((condition, known[condition.parent]) for condition in dimension.conditions)
    return all(value is not None and condition.allows(value) for condition, value in values)


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
