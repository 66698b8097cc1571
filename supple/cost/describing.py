"""What a latency predictor is told of a family's members: their configs, what they compute, and the operator table."""

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from supple.cost.operator_table import OperatorTable
from supple.cost.predictors import Descriptions
from supple.family import Family, LayerMacs
from supple.space import Config, Kind, Space

Array = NDArray[np.float64]


class Describer:
    """Describes the members of one family; the operator table, where there is one, adds what it says of them."""

    def __init__(self, family: Family, table: OperatorTable | None) -> None:
        """Raises `SuppleError` where nothing can be counted on the family's example inputs."""
        self.space = family.space
        self.table = table
        self._macs = LayerMacs(family)

    def __call__(self, configs: Sequence[Config]) -> Descriptions:
        """Describe members. Raises `SuppleError` for a config of another space."""
        # A config is a mapping written in Python: a dictionary answers far faster.
        features = [_features(self.space, dict(self.space.check(config))) for config in configs]
        macs = [float(self._macs(config)) for config in configs]
        return Descriptions.of(
            np.array(features).reshape(len(configs), -1),
            np.concatenate([np.array(macs)[:, None], *self._of_table(configs)], axis=1),
        )

    def _of_table(self, configs: Sequence[Config]) -> list[Array]:
        """Return the table's sum, and what each form takes in it: what operators cost side by side differs by form."""
        if self.table is None:
            return []
        by_form = self.table.ms_by_form(configs) + self.table.idle_ms
        return [self.table.latency_ms(configs)[:, None], by_form]


def _features(space: Space, config: Mapping[str, int]) -> list[float]:
    """Return each dimension's share of its largest value; of a choice, each option as 0 or 1.

    A dimension that does not reach the member has nothing.
    """
    found: list[float] = []
    for dimension in space.dimensions:
        is_active = space.is_active(dimension.name, config)
        value = config[dimension.name]
        if dimension.kind is Kind.OPERATOR:
            found += [float(is_active and value == option) for option in dimension.values]
        else:
            found.append(value / dimension.largest if is_active else 0.0)
    return found
