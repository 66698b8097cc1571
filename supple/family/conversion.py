"""From a model to a family."""

import copy

from torch import nn

from supple.errors import SuppleError
from supple.family.family import Family
from supple.family.proof import prove
from supple.trace import Inputs, ModelInputs, trace


def convert(model: nn.Module, example_inputs: Inputs) -> Family:
    """Turn a PyTorch model into a family.

    The model is copied, not changed. `example_inputs`: one batch of inputs as the model takes them (a tensor, a tuple
    of positional inputs, or a mapping of named ones), at least two samples. Every dimension found is proved by a run;
    what fails is frozen and listed by `family.summary()`. Raises `SuppleError` where the model cannot be captured or
    has nothing elastic.
    """
    if not isinstance(model, nn.Module):
        raise SuppleError(f"supple.convert takes a torch.nn.Module, not {type(model).__name__}.")
    inputs = ModelInputs.of(example_inputs)
    try:
        shared = copy.deepcopy(model)
    except Exception as error:  # whatever the user's modules raise
        raise SuppleError(f"{type(model).__name__} cannot be copied: {error}") from error
    family = prove(Family(shared, trace(shared, inputs)), model, inputs)
    if not family.space.dimensions:
        reasons = "; ".join(f"{entry.what}: {entry.reason}" for entry in family.structure.frozen[:3])
        raise SuppleError(f"Nothing in {type(model).__name__} can be elastic ({reasons}).")
    return family
