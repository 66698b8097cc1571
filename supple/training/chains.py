"""Nested members: chains along which each holds all that the one before it holds."""

from collections.abc import Collection

from supple.space import Config, Kind, Space
from supple.training.sampler import Plan


def at_level(space: Space, level: float, kinds: Collection[Kind]) -> Config:
    """Return the member whose dimensions of some kinds all stand at one level, from 0 (smallest) to 1 (largest).

    All other dimensions, and choices, which have no order, are the user's own.
    """
    return space.config(
        {
            entry.name: entry.values[round(level * (len(entry.values) - 1))]
            for entry in space.dimensions
            if entry.kind in kinds and entry.kind is not Kind.OPERATOR
        }
    )


def chain_over_cost(plan: Plan, length: int) -> tuple[Config, ...]:
    """Return nested members, at most `length`, the smallest first, that lie as evenly as they can over what they cost.

    All dimensions grow side by side, so that every member is in proportion. Choices are the user's own.
    """
    candidates = _growth(plan.space)
    costs = [plan.cost(config) for config in candidates]
    targets = [costs[0] + (costs[-1] - costs[0]) * position / (length - 1) for position in range(length)]
    nearest = [min(range(len(costs)), key=lambda index: abs(costs[index] - target)) for target in targets]
    # The ends by place, not by cost: others may cost as much.
    chosen = sorted({0, *nearest[1:-1], len(costs) - 1})
    return tuple(candidates[index] for index in chosen)


def _growth(space: Space) -> list[Config]:
    """Return the members on the way from the smallest to the largest, one value of one dimension after another."""
    growing = [entry for entry in space.dimensions if entry.kind is not Kind.OPERATOR]
    values = {entry.name: entry.smallest for entry in growing}
    steps = sorted(
        (index / (len(entry.values) - 1), place, value)
        for place, entry in enumerate(growing)
        for index, value in enumerate(entry.values)
        if index > 0
    )
    found = [space.config(values)]
    for _, place, value in steps:
        values[growing[place].name] = value
        config = space.config(values)
        if config != found[-1]:
            found.append(config)
    return found
