"""What came of a contract on precision: the config that keeps it, what it lost and gained, and why no more."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from supple.precision import Sensitivity
from supple.searching.allocator.measuring import Measured
from supple.space import Config


@dataclass(frozen=True)
class PrecisionAllocation:
    """The fastest (or smallest) config found that really keeps the tolerance.

    `metric` and `full_metric` are measured on validation data, with the config and in full precision; `cost` and
    `full_cost` likewise, in the unit that `cost_name` tells. `formats` is the format of each dimension that is not in
    full precision. `evaluations` are all configs that were evaluated beside the one in full precision, with their
    metric. `does_not_pay` are the choices that cost no less than fp32, which were left out. `reason` says why nothing
    but full precision was found; None where something was.
    """

    config: Config
    formats: Mapping[str, str] = field(hash=False)
    metric_name: str
    metric: float
    full_metric: float
    tolerance: float
    cost_name: str
    cost: float
    full_cost: float
    evaluations: tuple[Measured, ...]
    does_not_pay: tuple[tuple[str, int], ...]
    sensitivity: Sensitivity = field(hash=False)
    reason: str | None = None

    @property
    def is_full_precision(self) -> bool:
        """Whether nothing but full precision was found to keep the contract."""
        return not self.formats

    def __str__(self) -> str:
        count = len(self.evaluations)
        spent = f"{count} evaluation{'' if count == 1 else 's'}"
        left_out = "".join(f" {name} at {bits} bits," for name, bits in self.does_not_pay).rstrip(",")
        notes = [f"Not faster or smaller than fp32, so left out:{left_out}."] if left_out else []
        if self.is_full_precision:
            return "\n".join([f"Full precision, after {spent}: {self.reason}.", *notes])
        among = len(self.sensitivity.harms)
        return "\n".join(
            [
                f"{len(self.formats)} of {among} choices in lower precision, after {spent}: {self.metric_name} "
                f"{self.metric:.4f} instead of {self.full_metric:.4f} (a loss of {self.tolerance:g} was allowed), "
                f"{self.cost_name} {self.cost:.4g} instead of {self.full_cost:.4g}.",
                *notes,
            ]
        )

    def to_json(self) -> dict[str, Any]:
        """Return all but the sensitivity as JSON; configs are as `Config.to_json` writes them."""
        return {
            "config": _config_json(self.config),
            "formats": dict(self.formats),
            "metric_name": self.metric_name,
            "metric": self.metric,
            "full_metric": self.full_metric,
            "tolerance": self.tolerance,
            "cost_name": self.cost_name,
            "cost": self.cost,
            "full_cost": self.full_cost,
            "evaluations": [
                {"config": _config_json(entry.config), "metric": entry.figure} for entry in self.evaluations
            ],
            "does_not_pay": [{"dimension": name, "bits": bits} for name, bits in self.does_not_pay],
            "reason": self.reason,
        }


def _config_json(config: Config) -> dict[str, Any]:
    return {"space": config.space, "values": dict(config)}
