"""A ridge regression from a member's config to how its loss compares with the others', fitted while members train."""

from collections import deque
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic import JsonValue

from supple.space import Config, Kind, Space
from supple.training.compact import compact, expanded
from supple.training.sampler import Plan

PENALTY = 1.0
"""Of the squared weights, against the squared errors of all members remembered."""


class LossPredictor:
    """Predicts losses from the newest `remembered` members that were seen.

    Its features are the level of each dimension from 0 to 1, which options a member has, and what it costs.
    """

    def __init__(self, plan: Plan, remembered: int) -> None:
        self._space = plan.space
        self._cost = plan.cost
        self._full_cost = plan.cost(plan.space.max()) or 1.0
        self._seen: deque[tuple[Config, float]] = deque(maxlen=remembered)
        self._weights: NDArray[np.float64] | None = None

    def add(self, config: Config, loss: float) -> None:
        """Take note of a member's loss."""
        self._seen.append((config, loss))

    def fit(self) -> None:
        """Fit the regression to the members remembered; before there are any, nothing is done."""
        if not self._seen:
            return
        features = np.array([self._features(config) for config, _ in self._seen])
        losses = np.array([loss for _, loss in self._seen])
        centred = features - features.mean(axis=0)
        normal = centred.T @ centred + PENALTY * np.eye(features.shape[1])
        self._weights = np.linalg.solve(normal, centred.T @ (losses - losses.mean()))

    @property
    def is_fitted(self) -> bool:
        """Whether members can be told apart."""
        return self._weights is not None

    def scores(self, configs: Sequence[Config]) -> list[float]:
        """Return what says which member's loss is predicted lower: a loss without its constant part."""
        if self._weights is None:
            return [0.0] * len(configs)
        scores: list[float] = (np.array([self._features(config) for config in configs]) @ self._weights).tolist()
        return scores

    def state(self) -> dict[str, JsonValue]:
        """Return what must be remembered: the weights too, which are older than the newest members."""
        seen: list[JsonValue] = [[compact(config), loss] for config, loss in self._seen]
        return {"seen": seen, "weights": None if self._weights is None else self._weights.tolist()}

    def load_state(self, state: Mapping[str, Any]) -> None:
        """Take up what `state` returned."""
        self._seen.clear()
        self._seen.extend((expanded(values, self._space), loss) for values, loss in state["seen"])
        self._weights = None if state["weights"] is None else np.array(state["weights"], dtype=np.float64)

    def _features(self, config: Config) -> list[float]:
        features = _levels(self._space, config)
        share = self._cost(config) / self._full_cost
        return [*features, share, share**2]


def _levels(space: Space, config: Config) -> list[float]:
    """Return the level of each dimension, from 0 to 1, and 0 or 1 for each option; 0 for what the member lacks."""
    levels: list[float] = []
    for entry in space.dimensions:
        is_active = space.is_active(entry.name, config)
        value = config[entry.name]
        if entry.kind is Kind.OPERATOR:
            levels.extend(float(is_active and value == option) for option in entry.values)
        elif len(entry.values) > 1:
            levels.append(entry.values.index(value) / (len(entry.values) - 1) if is_active else 0.0)
    return levels
