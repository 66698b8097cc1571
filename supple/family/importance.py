"""How much each index of each dimension, and each block that can be dropped, matters to the full network."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import torch

from supple.family.permutation import sums_by_index
from supple.space import Kind
from supple.trace import Axis, ModelInputs, Structure

PERMUTABLE = frozenset({Kind.WIDTH, Kind.HIDDEN, Kind.HEADS, Kind.EMBED})
"""Kinds of dimension whose indices may stand in any order."""

Loss = Callable[[Any, Any], torch.Tensor]
"""From the outputs of the model and the targets of a batch to a scalar."""


class ImportanceMethod(StrEnum):
    """What makes an index important: the weights that read it, the loss without it, or what it hands on."""

    L1 = "l1"
    TAYLOR = "taylor"
    ACTIVATION = "activation"


@dataclass(frozen=True)
class Batch:
    """Inputs as the model takes them, and the targets that belong to them, if any are known."""

    inputs: ModelInputs
    targets: Any


@dataclass(frozen=True)
class Importance:
    """One score for each index of each dimension, and one for each block by its path; only their order has a meaning.

    What a method cannot see has no score.
    """

    indices: Mapping[str, torch.Tensor]
    blocks: Mapping[str, float]


class Scores:
    """Adds up the scores of indices: every part of the network that reads a dimension has its say."""

    def __init__(self, structure: Structure) -> None:
        self._dimensions = {entry.name for entry in structure.space.dimensions if entry.kind in PERMUTABLE}
        self.found: dict[str, torch.Tensor] = {}

    def by_dimension(self, values: torch.Tensor, axis: Axis) -> dict[str, torch.Tensor]:
        """Return what belongs to each index of each dimension of an axis; values: (..., axis size)."""
        return {
            name: sums_by_index(values.detach().to("cpu", torch.float64), axis, name)
            for name in axis.dimensions
            if name in self._dimensions
        }

    def add(self, dimension: str, scores: torch.Tensor) -> None:
        """Add the scores (none negative) of a dimension's indices."""
        known = self.found.get(dimension)
        self.found[dimension] = scores if known is None else known + scores

    def add_shares(self, values: torch.Tensor, axis: Axis) -> None:
        """Add the values (none negative) of an axis as shares of their sum: layers of another scale weigh the same."""
        for name, scores in self.by_dimension(values, axis).items():
            if scores.sum() != 0:
                self.add(name, scores / scores.sum())
