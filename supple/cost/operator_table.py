"""The operator table: what each unit of a family takes on one target, measured once, and members as their sums.

Source: Cai et al., ProxylessNAS, 2019, whose latency model is such a table.
"""

import random
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from supple.cost.elastic_units import ElasticUnits, Signature
from supple.cost.scaling import predicted_ms
from supple.errors import SuppleError
from supple.space import Config, Space

_DRAWN_MEMBERS = 1000
_LEAST_MS = 1e-6

Array = NDArray[np.float64]


class OperatorTable:
    """What units take on one target, in ms and without the price of a call, which is `idle_ms`.

    `measured` has the units measured; each of the others is predicted from those of its form.
    """

    def __init__(self, units: ElasticUnits, measured: Mapping[Signature, float], idle_ms: float) -> None:
        """Raises `SuppleError` where a form has no unit that was measured."""
        self.units = units
        self.measured = dict(measured)
        self.idle_ms = idle_ms
        self._known = {signature: max(ms, _LEAST_MS) for signature, ms in measured.items()}
        missing = set(range(len(units.forms))) - {signature.form for signature in measured}
        if missing:
            unit = next(entry for entry in units.units if entry.form in missing)
            raise SuppleError(
                f'Of {len(missing)} forms of operators, "{unit.name}" among them, none was measured: take more time.'
            )

    def ms_by_form(self, configs: Sequence[Config]) -> Array:
        """Return what the units of each form take together in each member: (configs, forms) in ms."""
        members = [self.units.signatures(config) for config in configs]
        self._predict({signature for member in members for signature in member} - self._known.keys())
        sums = np.zeros((len(configs), len(self.units.forms)))
        for row, member in zip(sums, members, strict=True):
            for signature in member:
                row[signature.form] += self._known[signature]
        return sums

    def latency_ms(self, configs: Sequence[Config]) -> Array:
        """Return what each member takes as the table alone says: the sum of its units, and one call: (configs,)."""
        return np.asarray(self.ms_by_form(configs).sum(axis=1) + self.idle_ms)

    def _predict(self, unknown: Iterable[Signature]) -> None:
        by_form: dict[int, list[Signature]] = {}
        for signature in unknown:
            by_form.setdefault(signature.form, []).append(signature)
        for form, wanted in by_form.items():
            measured = [(entry.numbers, ms) for entry, ms in self.measured.items() if entry.form == form]
            found = predicted_ms(
                np.array([numbers for numbers, _ in measured]),
                np.array([max(ms, _LEAST_MS) for _, ms in measured]),
                np.array([entry.numbers for entry in wanted]),
            )
            self._known.update(zip(wanted, found.tolist(), strict=True))


def in_order_of_use(units: ElasticUnits, space: Space) -> list[Signature]:
    """Return the units that random members have, in the order in which they should be measured.

    First come those of the largest and of the smallest member: they hold one of each form, and bound the sizes of the
    others. Then each form gets its share, however many shapes it has, the more common ones first.
    """
    rng = random.Random(0)
    ends = [*units.signatures(space.max()), *units.signatures(space.min())]
    count = Counter(signature for _ in range(_DRAWN_MEMBERS) for signature in units.signatures(space.sample(rng)))
    shapes: dict[int, list[Signature]] = {}
    for signature, _ in count.most_common():
        shapes.setdefault(signature.form, []).append(signature)
    place = {entry: rank / len(same) for same in shapes.values() for rank, entry in enumerate(same)}
    return list(dict.fromkeys([*ends, *sorted(place, key=place.__getitem__)]))
