"""What is asked about the harm of rounding: by which measure, on how much data, of which layers."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from supple.errors import SuppleError, nearest


class Measure(StrEnum):
    """How the harm of rounding some layers, and nothing else, is told.

    `distortion`: the mean squared error of the model's outputs; it needs no labels. `loss`: by how much the task's loss
    grows on labelled data. Both round weights and activations as the runtime does. The other two look at the loss's
    Hessian, and at the weights alone. `hessian`: the mean of its diagonal over a layer's weights times half the squared
    perturbation (Dong et al., HAWQ-V2: Hessian Aware trace-Weighted Quantization of Neural Networks, 2020).
    `interactions`: half of the Hessian's quadratic form of the very perturbations, with a term for each pair of layers
    (Schaefer et al., Augmenting Hessians with Inter-Layer Dependencies for Mixed-Precision Post-Training Quantization,
    2023).
    """

    DISTORTION = "distortion"
    LOSS = "loss"
    HESSIAN = "hessian"
    INTERACTIONS = "interactions"

    @property
    def needs_labels(self) -> bool:
        """Whether the data must have labels."""
        return self is not Measure.DISTORTION


@dataclass(frozen=True)
class SensitivityConfig:
    """The measure, and what it is taken on: the first batches that hold `samples` samples together.

    `layers` are patterns of module paths (with `*` for anything): dimensions that choose the precision of a layer that
    one of them finds are measured. `probes` random directions per batch estimate the Hessian's diagonal; `seed` draws
    them.
    """

    measure: Measure = Measure.DISTORTION
    samples: int = 512
    layers: Sequence[str] = ("*",)
    probes: int = 4
    seed: int = 0

    def __post_init__(self) -> None:
        object.__setattr__(self, "measure", parse_measure(self.measure))
        if isinstance(self.layers, str):
            raise SuppleError(f'"layers" are a list of patterns, as ["{self.layers}"].')
        for name, value in (("samples", self.samples), ("probes", self.probes)):
            if value < 1:
                raise SuppleError(f'"{name}" is at least 1, not {value}.')


def parse_measure(name: str) -> Measure:
    """Return the measure of this name. Raises `SuppleError`, with the nearest, where there is none."""
    try:
        return Measure(name)
    except ValueError:
        known = [entry.value for entry in Measure]
        raise SuppleError(f'"measure" is one of {", ".join(known)}, not "{name}"{nearest(str(name), known)}') from None
