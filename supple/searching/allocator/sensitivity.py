"""From the sensitivity of layers to precision to a table that the allocator takes."""

from supple.family.quantized.formats import FULL_BITS
from supple.precision import Sensitivity
from supple.searching.allocator.table import SensitivityTable
from supple.space import Space


def sensitivity_table(found: Sensitivity, space: Space | None = None) -> SensitivityTable:
    """Return what each choice of precision adds, with the terms for pairs where the measure tells of them.

    By default it is a table over the precisions of the measured shape alone (`found.space`). With the `space` of a
    family it is over all its dimensions, of which others add nothing; dimensions that were not measured must not be
    there in it with precisions of their own. Raises `SuppleError` for a space that lacks what was measured.
    """
    entries = {name: {**row, FULL_BITS: 0.0} for name, row in found.harms.items()}
    return SensitivityTable(
        found.space if space is None else space, entries, found.base, found.pairs, found.measure.value
    )
