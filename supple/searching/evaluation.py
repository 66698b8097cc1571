"""What a search knows of a member: its accuracy on the validation split and its costs."""

import json
from collections.abc import Callable
from dataclasses import asdict, dataclass

from supple.cost import Latency
from supple.errors import SuppleError
from supple.space import Config


@dataclass(frozen=True)
class Evaluation:
    """One evaluated member: top-1 accuracy (0 to 1) on the validation split, latency on the target, size and work.

    `macs` counts the multiply-accumulates of one sample.
    """

    config: Config
    accuracy: float
    latency: Latency
    parameters: int
    macs: int

    @property
    def point(self) -> tuple[float, float]:
        """The two objectives: (accuracy, latency in ms)."""
        return self.accuracy, self.latency.median_ms

    def to_json(self) -> str:
        """Return the evaluation as one line of JSON."""
        return json.dumps({**asdict(self), "config": self.config.to_json()})

    @classmethod
    def from_json(cls, text: str) -> "Evaluation":
        """Read what `to_json` wrote. Raises `SuppleError` where the text is anything else."""
        try:
            content = json.loads(text)
            return cls(
                **{**content, "config": Config.from_json(content["config"]), "latency": Latency(**content["latency"])}
            )
        except (ValueError, TypeError, KeyError, RecursionError) as error:
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


Evaluate = Callable[[Config], Evaluation]
"""Evaluates the member of a config; a search calls it once per config.

Raises `MeasurementFailed` where the target's device cannot measure the member: the search goes on without it.
"""
