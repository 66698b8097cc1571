"""Two sums over the dimensions of a space, the loss and one cost, along a walk: what is left to add from any state."""

from collections.abc import Mapping
from dataclasses import dataclass

from supple.searching.allocator.table import Table
from supple.space import Config
from supple.space.walk import START, State, Walk


@dataclass(frozen=True)
class Choice:
    """A value that the next dimension may take (None: it does not reach the member), what it adds, where it leads."""

    value: int | None
    after: State
    loss: float
    cost: float


@dataclass(frozen=True)
class Best:
    """The least of `loss + multiplier * cost` over all members, and what is left of it to add from each state on."""

    multiplier: float
    loss: float
    cost: float
    values: Mapping[str, int]
    remaining: tuple[Mapping[State, float], ...]


class Sums:
    """All members as paths of choices; `loss` and `cost` are tables without pairs, their bases left out."""

    def __init__(self, loss: Table, cost: Table) -> None:
        self.space = loss.space
        self.loss_rounding = loss.rounding
        self.cost_rounding = cost.rounding
        walk = Walk(self.space.dimensions)
        self.names = [dimension.name for dimension in walk.order]
        self.choices: list[dict[State, tuple[Choice, ...]]] = []
        states = [START]
        for step, name in enumerate(self.names):
            losses, costs = loss.entries.get(name, {}), cost.entries.get(name, {})
            here = {
                state: tuple(
                    Choice(value, after, 0.0, 0.0)
                    if value is None
                    else Choice(value, after, losses.get(value, 0.0), costs.get(value, 0.0))
                    for value, after in walk.choices(step, state)
                )
                for state in states
            }
            self.choices.append(here)
            states = list(dict.fromkeys(choice.after for row in here.values() for choice in row))

    def config(self, values: Mapping[str, int]) -> Config:
        """Return the config with these values."""
        return self.space.config(values)

    def least_weighted(self, multiplier: float) -> Best:
        """Return the member that minimises loss + multiplier * cost."""
        return self._least(1.0, multiplier, multiplier)

    def least_cost(self) -> Best:
        """Return the cheapest member, as by a multiplier without end: `remaining` is what it costs."""
        return self._least(0.0, 1.0, float("inf"))

    def _least(self, loss_weight: float, cost_weight: float, multiplier: float) -> Best:
        remaining: list[dict[State, float]] = [{START: 0.0}]
        for here in reversed(self.choices):
            later = remaining[-1]
            remaining.append(
                {
                    state: min(
                        loss_weight * choice.loss + cost_weight * choice.cost + later[choice.after] for choice in row
                    )
                    for state, row in here.items()
                }
            )
        remaining.reverse()
        values: dict[str, int] = {}
        loss = cost = 0.0
        state = START
        for name, here, later in zip(self.names, self.choices, remaining[1:], strict=True):

            def weight(choice: Choice, later: Mapping[State, float] = later) -> float:
                return loss_weight * choice.loss + cost_weight * choice.cost + later[choice.after]

            chosen = min(here[state], key=weight)
            if chosen.value is not None:
                values[name] = chosen.value
            loss, cost, state = loss + chosen.loss, cost + chosen.cost, chosen.after
        return Best(multiplier, loss, cost, values, tuple(remaining))
