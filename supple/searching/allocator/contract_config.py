"""What a user asks of an allocation of precision: the loss that is allowed, and what is to be small."""

import math
from dataclasses import dataclass, field
from enum import StrEnum

from supple.errors import SuppleError, nearest
from supple.precision import SensitivityConfig
from supple.runtime import parse_target
from supple.searching.allocator.tolerance import EVALUATIONS


class ContractCost(StrEnum):
    """What is to be small: the latency that is measured on the target, or the bytes of the weights."""

    LATENCY = "latency_ms"
    WEIGHTS = "weights_bytes"


@dataclass(frozen=True)
class ContractConfig:
    """How much worse the task's metric may become, and what is to be gained for that.

    `tolerance` is in the unit of the metric: 0.005 is half a point of accuracy. `sensitivity` says how the harm of
    choices is measured on training data: that is only where the search begins, for what is chosen is evaluated on
    validation data, in at most `evaluations`. `seconds_per_member` is the time to measure one member's latency.
    """

    tolerance: float = 0.005
    cost: ContractCost = ContractCost.LATENCY
    target: str = "onnxruntime:cpu?threads=1"
    sensitivity: SensitivityConfig = field(default_factory=SensitivityConfig)
    evaluations: int = 2 * EVALUATIONS
    seconds_per_member: float = 1.0

    def __post_init__(self) -> None:
        known = [entry.value for entry in ContractCost]
        if self.cost not in known:
            hint = nearest(str(self.cost), known)
            raise SuppleError(f'"cost" is one of {", ".join(known)}, not "{self.cost}"{hint}')
        object.__setattr__(self, "cost", ContractCost(self.cost))
        parse_target(self.target)
        if not 0 <= self.tolerance < math.inf:
            raise SuppleError(f'"tolerance" is a loss of 0 or more in the unit of the metric, not {self.tolerance}.')
        if self.evaluations < 1:
            raise SuppleError(f'"evaluations" is at least 1, not {self.evaluations}.')
        if not self.seconds_per_member > 0:
            raise SuppleError(f'"seconds_per_member" is more than 0, not {self.seconds_per_member:g}.')
