"""How the figures of members are called and shown: their names in a sentence, their units, their scale."""

from dataclasses import dataclass

from supple.report.summary import SearchSummary
from supple.report.wording import count, file_size, milliseconds, percent, percentage_points, significant
from supple.searching.wishes import target_of


@dataclass(frozen=True)
class Quantity:
    """One figure, by its full name, such as "accuracy" or "latency_ms on onnxruntime:cpu".

    Its target need not be named where there is but one.
    """

    figure: str
    names_target: bool = True

    @property
    def name(self) -> str:
        """What it is called in a sentence, with the target where it depends on one."""
        return f"{self._called}{self._where}"

    @property
    def axis(self) -> str:
        """The title of an axis that shows it, with its unit."""
        unit = "%" if self._is_share else _UNITS.get(self._short)
        return f"{self._called}{f' in {unit}' if unit else ''}{self._where}"

    @property
    def scale(self) -> float:
        """What a value is multiplied by to stand on such an axis."""
        return 100.0 if self._is_share else 1.0

    def shown(self, value: float) -> str:
        """Return a value with its unit."""
        if self._is_share:
            return percent(value)
        match self._short:
            case "latency_ms":
                return milliseconds(value)
            case "energy_mj":
                return f"{significant(value)} mJ"
            case "parameters" | "macs":
                return count(round(value))
            case name if name.endswith("_bytes"):
                return file_size(round(value))
            case _:
                return significant(value)

    def difference(self, value: float) -> str:
        """Return a difference of two values with its sign and unit."""
        sign = "-" if value < 0 else "+"
        return f"{sign}{percentage_points(value) if self._is_share else self.shown(abs(value))}"

    @property
    def _short(self) -> str:
        return self.figure.partition(" on ")[0]

    @property
    def _called(self) -> str:
        return _NAMES.get(self._short, self._short.replace("_", " "))

    @property
    def _where(self) -> str:
        _, on, target = self.figure.partition(" on ")
        return f"{on}{target}" if self.names_target else ""

    @property
    def _is_share(self) -> bool:
        return self._short in _SHARES


def quantity_in(search: SearchSummary, figure: str) -> Quantity:
    """Return a figure of a search; its target is named if the search has several."""
    figures = [figure, *(entry.figure for entry in search.objectives), *(entry.figure for entry in search.constraints)]
    return Quantity(figure, len(set(filter(None, map(target_of, figures)))) > 1)


_NAMES = {
    "latency_ms": "latency",
    "energy_mj": "energy",
    "file_bytes": "file size",
    "macs": "MACs",
    "weights_bytes": "size of the weights",
    "traffic_bytes": "memory traffic",
    "peak_memory_bytes": "peak memory",
}
_UNITS = {
    "latency_ms": "ms",
    "energy_mj": "mJ",
    "file_bytes": "bytes",
    "weights_bytes": "bytes",
    "traffic_bytes": "bytes",
    "peak_memory_bytes": "bytes",
}
_SHARES = {"accuracy", "mean intersection over union"}
