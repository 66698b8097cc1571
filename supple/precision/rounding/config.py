"""What a user asks of better rounding."""

from dataclasses import dataclass
from enum import StrEnum

from supple.errors import SuppleError, nearest


class RoundingMethod(StrEnum):
    """How the error that rounding makes is lessened.

    `bias-correction`: what quantization adds to each channel's mean is taken off its bias. `adaround`: whether each
    weight goes up or down is learned, so that its layer computes what it computed before.
    """

    BIAS_CORRECTION = "bias-correction"
    ADAROUND = "adaround"


@dataclass(frozen=True)
class RoundingConfig:
    """How a member's rounding is improved.

    The others are those of AdaRound: it looks at about `rows` outputs of each layer (positions of images, words of
    texts), and takes `steps` steps, each on `step_rows` of them, at `learning_rate`. `seed` draws both.
    """

    method: RoundingMethod = RoundingMethod.ADAROUND
    rows: int = 2048
    steps: int = 500
    step_rows: int = 256
    learning_rate: float = 0.02
    seed: int = 0

    def __post_init__(self) -> None:
        known = [entry.value for entry in RoundingMethod]
        if self.method not in known:
            raise SuppleError(
                f'There is no method of rounding "{self.method}" ({", ".join(known)}){nearest(str(self.method), known)}'
            )
        object.__setattr__(self, "method", RoundingMethod(self.method))
        for name in ("rows", "steps", "step_rows"):
            if getattr(self, name) < 1:
                raise SuppleError(f"RoundingConfig.{name} must be at least 1, not {getattr(self, name)}.")
        if not self.learning_rate > 0:
            raise SuppleError(f"RoundingConfig.learning_rate must be positive, not {self.learning_rate:g}.")
