"""A model that was named, with the inputs that its source knows it takes."""

from dataclasses import dataclass, field

from torch import nn

from supple.sources.inputs import InputSpec


@dataclass(frozen=True)
class NamedModel:
    """A model, what its forward takes (nothing where its source does not know), and arguments that are no tensors."""

    model: nn.Module
    inputs: tuple[InputSpec, ...] = ()
    constants: dict[str, bool] = field(default_factory=dict)
