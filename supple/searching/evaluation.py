"""What a search knows of a member: its figures, measured or counted, or why it has none."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from supple.cost import Latency
from supple.errors import SuppleError, nearest
from supple.space import Config


@dataclass(frozen=True)
class Evaluation:
    """One evaluated member and its figures by full name, such as "accuracy", "macs", "latency_ms on TARGET".

    `latencies` holds those that were measured, by target, with their spread. `evaluation["latency_ms"]` does as well
    where there is one target only.
    """

    config: Config
    figures: Mapping[str, float] = field(hash=False)
    latencies: Mapping[str, Latency] = field(default_factory=dict, hash=False)

    def __getitem__(self, name: str) -> float:
        if name in self.figures:
            return self.figures[name]
        close = [figure for figure in self.figures if figure.startswith(f"{name} on ")]
        if len(close) != 1:
            known = ", ".join(close or self.figures)
            raise SuppleError(
                f'The evaluation has no one figure "{name}"{nearest(name, self.figures) or f": {known}."}'
            )
        return self.figures[close[0]]

    def to_json(self) -> str:
        """Return the evaluation as one line of JSON."""
        latencies = {target: asdict(latency) for target, latency in self.latencies.items()}
        return json.dumps({"config": self.config.to_json(), "figures": dict(self.figures), "latencies": latencies})

    @classmethod
    def from_json(cls, text: str) -> "Evaluation":
        """Read what `to_json` wrote. Raises `SuppleError` where the text is anything else."""
        try:
            content: Any = json.loads(text)
            latencies = {str(target): Latency(**latency) for target, latency in content["latencies"].items()}
            figures = {str(name): float(value) for name, value in content["figures"].items()}
            return cls(Config.from_json(content["config"]), figures, latencies)
        except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
            raise SuppleError(f"This is no evaluation of a member: {error}.") from None


@dataclass(frozen=True)
class Failure:
    """A member that could not be evaluated, and why: above all, the device could not measure it."""

    config: Config
    reason: str

    def to_json(self) -> str:
        """Return the failure as one line of JSON."""
        return json.dumps({"config": self.config.to_json(), "reason": self.reason})

    @classmethod
    def from_json(cls, text: str) -> "Failure":
        """Read what `to_json` wrote. Raises `SuppleError` where the text is anything else."""
        try:
            content = json.loads(text)
            return cls(Config.from_json(content["config"]), str(content["reason"]))
        except (ValueError, TypeError, KeyError, RecursionError) as error:
            raise SuppleError(f"This is no failure of a member: {error}.") from None


Outcome = Evaluation | Failure
