"""How much harm each choice of precision does alone: a table, by dimension and number of bits."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from supple.family.quantized.formats import Format
from supple.precision.choices import precision_space
from supple.precision.config import Measure
from supple.runtime.parity import decibels
from supple.space import Config, Space

Harms = Mapping[str, Mapping[int, float]]
PairHarms = Mapping[tuple[str, str], Mapping[tuple[int, int], float]]


@dataclass(frozen=True)
class Sensitivity:
    """What each choice of a lower precision adds to a figure, everything else being in full precision.

    `harms[dimension][bits]` is in the unit of the measure: squared output, or loss. `shape` is the config in full
    precision that was changed, `base` its figure. `formats` and `bytes_saved` tell of each choice what the layers
    compute in, and how many bytes fewer their weights take with their scales. `pairs` holds what two choices add
    together beyond what each adds alone, where the measure tells; `signal` the mean square of the outputs in full
    precision, of distortions.
    """

    measure: Measure
    shape: Config
    base: float
    harms: Harms
    formats: Mapping[str, Mapping[int, Format]]
    bytes_saved: Mapping[str, Mapping[int, int]]
    pairs: PairHarms = field(default_factory=dict)
    signal: float | None = None

    @property
    def space(self) -> Space:
        """The space of the precisions of this shape alone: one dimension for each row of the table."""
        return precision_space({name: tuple(row) for name, row in self.harms.items()})

    def share_of(self, name: str, bits: int) -> float:
        """Return what a choice adds where all layers that can have so many bits do: half of its pairs are its own."""
        others = (row.get((bits, bits), 0.0) for dimensions, row in self.pairs.items() if name in dimensions)
        return self.harms[name][bits] + math.fsum(others) / 2

    def signal_to_noise_db(self, name: str, bits: int) -> float | None:
        """Return how strong the outputs are against the error of a choice, in dB; None for other measures.

        10 log10(signal / error); infinite where there is no error.
        """
        return None if self.signal is None else decibels(self.signal, self.harms[name][bits])

    def to_json(self) -> dict[str, Any]:
        """Return the table as JSON; the shape is the config that `Config.to_json` writes."""
        return {
            "measure": self.measure.value,
            "shape": {"space": self.shape.space, "values": dict(self.shape)},
            "base": self.base,
            "signal": self.signal,
            "choices": [
                {
                    "dimension": name,
                    "bits": bits,
                    "format": self.formats[name][bits].value,
                    "harm": harm,
                    "bytes_saved": self.bytes_saved[name][bits],
                }
                for name, row in self.harms.items()
                for bits, harm in row.items()
            ],
            "pairs": [
                {"dimensions": list(names), "bits": list(bits), "harm": harm}
                for names, row in self.pairs.items()
                for bits, harm in row.items()
            ],
        }
