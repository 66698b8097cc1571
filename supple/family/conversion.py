"""From a model to a family."""

from collections.abc import Iterable, Mapping, Sequence

from torch import nn

from supple.errors import SuppleError
from supple.family.family import Family
from supple.family.preparing import own_parameters, prepared, unwrapped
from supple.family.proof import proved
from supple.family.resolution import with_resolutions
from supple.trace import Inputs, ModelInputs, trace
from supple.trace.modes import in_mode
from supple.trace.wishes import with_wishes


def convert(
    model: nn.Module,
    example_inputs: Inputs,
    *,
    choices: Mapping[str, Sequence[float]] | None = None,
    freeze: Iterable[str] = (),
    ties: Mapping[str, str | Sequence[str]] | None = None,
    resolutions: Sequence[int] = (),
    kernel_transform: bool = False,
    prove: bool = True,
) -> Family:
    """Turn a PyTorch model into a family.

    The model is copied, not changed. `example_inputs`: one batch of inputs as the model takes them (a tensor, a tuple
    of positional inputs, or a mapping of named ones), at least two samples. Every dimension found is proved by a run;
    what fails is frozen and listed by `family.summary()`. With `prove=False` none is tried: a member may fail later. Of
    the outputs, those that the first one is computed from (hidden states, caches) follow the member; all others keep
    their shape.

    Patterns name dimensions, or the modules around them, with `*` for anything. `choices` gives dimensions other
    values, as sizes or as shares of the full size: `{"blocks.*.mlp": [0.5, 0.75, 1.0]}`. `freeze` keeps them as they
    are: `["head*"]`. `ties` makes several of the same full size one, under a new name:
    `{"stage1.hidden": "layer1.*.hidden"}`. `resolutions` are the heights that images may have, up to that of the
    examples; where they are given, members differ in `input.resolution` too (see `Family.resize`). With
    `kernel_transform`, a smaller kernel is not just the middle of the larger one, but that times a matrix that is
    learnt with the weights (Cai et al., Once-for-All, 2020).

    Raises `SuppleError` where the model cannot be captured or has nothing elastic, and for a pattern that finds
    nothing.
    """
    if not isinstance(model, nn.Module):
        raise SuppleError(f"supple.convert takes a torch.nn.Module, not {type(model).__name__}.")
    inputs = ModelInputs.of(example_inputs)
    shared = prepared(model)
    # Code that reads a parametrized weight in training mode may change it.
    with in_mode(shared, training=False):
        traced = with_resolutions(trace(shared, inputs), inputs, resolutions)
    structure = with_wishes(traced, choices or {}, freeze, ties or {})
    family = Family(shared, structure)
    if prove:
        family = proved(family, unwrapped(model), inputs)
    if not family.space.dimensions:
        reasons = "; ".join(f"{entry.what}: {entry.reason}" for entry in family.structure.frozen[:3])
        raise SuppleError(f"Nothing in {type(model).__name__} can be elastic ({reasons}).")
    own_parameters(family.model)
    return Family(family.model, family.structure, kernel_transform=True) if kernel_transform else family
