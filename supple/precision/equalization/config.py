"""What a user asks of equalization."""

from dataclasses import dataclass
from enum import StrEnum

from supple.errors import SuppleError, nearest


class EqualizationMethod(StrEnum):
    """By which sizes the channels of a link are made more equal.

    `cross-layer`: the weights that give a channel and those that read it get the same range, between convolutions and
    linear layers. `activations`: what flows in a channel gets the range of all others, behind norms too, at the cost of
    the weights that read it. `weights`: the weights that read a channel grow with what flows in it, as far as that
    lessens the error of rounding the weights alone.
    """

    CROSS_LAYER = "cross-layer"
    ACTIVATIONS = "activations"
    WEIGHTS = "weights"


@dataclass(frozen=True)
class EqualizationConfig:
    """How a family's channels are equalized.

    `strength`, of the method `activations`: the share of a channel's range that moves into the weights that read it; 1
    leaves all activations one range, 0.5 shares the burden. `batches`: at most so many are looked at.
    """

    method: EqualizationMethod = EqualizationMethod.CROSS_LAYER
    strength: float = 0.5
    batches: int = 16

    def __post_init__(self) -> None:
        known = [entry.value for entry in EqualizationMethod]
        if self.method not in known:
            raise SuppleError(
                f'There is no method of equalization "{self.method}" ({", ".join(known)})'
                f"{nearest(str(self.method), known)}"
            )
        object.__setattr__(self, "method", EqualizationMethod(self.method))
        if not 0 < self.strength <= 1:
            raise SuppleError(f"EqualizationConfig.strength is above 0 and at most 1, not {self.strength:g}.")
        if self.batches < 1:
            raise SuppleError(f"EqualizationConfig.batches must be at least 1, not {self.batches}.")
