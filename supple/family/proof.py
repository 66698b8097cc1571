"""Prove a new family: the full member equals the user's model, and every dimension works; what fails is frozen."""

import random
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from torch import nn

from supple.errors import SuppleError, first_line
from supple.family.activation import buffer_places
from supple.family.family import Family
from supple.family.proof_inputs import with_one_sample, with_smaller_sizes
from supple.family.resolution import RESOLUTION
from supple.space import Config, Kind, Space
from supple.trace import ModelInputs
from supple.trace.batch_size import what_fixes_the_batch
from supple.trace.caches import emptied_afterwards
from supple.trace.modes import in_mode
from supple.trace.outputs import seen_leaves

RANDOM_CONFIGS = 3


def proved(family: Family, original: nn.Module, example_inputs: ModelInputs) -> Family:
    """Return the family without the dimensions that fail, each frozen with its reason.

    On the example inputs, in eval mode: the full config must equal `original` bit for bit (`SuppleError` if not); each
    dimension alone at its smallest value, then several together (all at their smallest, random configs), must run, and
    equal their extracted networks. Each alone runs on smaller inputs, where the model takes them. Those together must
    also run in training mode, where the full network does.
    """
    if not _equal(_run(original, example_inputs), _run(family.model, example_inputs)):
        raise SuppleError(
            f"{type(original).__name__} gives another output when it is run again on the same inputs in eval mode: "
            "a family cannot be proved equal to it."
        )
    smaller = example_inputs
    _warn_of_a_fixed_batch(family, example_inputs)
    # Members of a lower resolution would make smaller images too small.
    if RESOLUTION not in family.space:
        smaller = with_smaller_sizes(example_inputs, partial(_runs, family))
    alone = _Proof(with_one_sample(smaller, partial(_runs, family)))
    for dimension in family.space.dimensions:
        # That the smallest works says nothing of other options and resolutions: each is tried.
        is_tried_whole = dimension.kind in (Kind.OPERATOR, Kind.RESOLUTION)
        tried = dimension.values[:-1] if is_tried_whole else dimension.values[:1]
        for value in tried:
            reason = alone.failure(family, family.space.config({dimension.name: value}))
            if reason is not None:
                family = Family(family.model, family.structure.without_value(dimension.name, value, reason))
    # Training mode wants more than one sample, for the statistics of batch norm.
    trainable = (inputs for inputs in (smaller, example_inputs) if _runs(family, inputs, training=True))
    together = _Proof(example_inputs, next(trainable, None))
    rng = random.Random(0)
    for number in range(1 + RANDOM_CONFIGS):
        config = family.space.sample(rng) if number else _smallest_of_all_blocks(family.space)
        while (reason := together.failure(family, config)) is not None:
            culprit = together.culprit(family, config)
            values = {name: value for name, value in config.items() if name != culprit}
            family = Family(family.model, family.structure.without(culprit, f"together with others: {reason}"))
            config = family.space.config(values)
    return family


def _warn_of_a_fixed_batch(family: Family, inputs: ModelInputs) -> None:
    place = what_fixes_the_batch(inputs, partial(_run, family))
    if place is not None:
        size = inputs.tensors[0].shape[0]
        warnings.warn(
            f"{type(family.model).__name__} fixes the batch size, at {place}: its family runs on batches of {size} "
            "only. Write x.shape[0], or -1, instead of the number.",
            stacklevel=4,
        )


def _smallest_of_all_blocks(space: Space) -> Config:
    """Return the config with the smallest value of every dimension that no other hangs on: none drops out."""
    parents = {condition.parent for entry in space.dimensions for condition in entry.conditions}
    return space.config({entry.name: entry.smallest for entry in space.dimensions if entry.name not in parents})


@dataclass(frozen=True)
class _Proof:
    """Runs members on inputs, in eval mode; in training mode too where there are inputs for it."""

    inputs: ModelInputs
    training_inputs: ModelInputs | None = None

    def failure(self, family: Family, config: Config) -> str | None:
        """Return why the member of this config is wrong, or None."""
        if config == family.space.max():
            return None  # It is the user's model, and in training mode it would keep statistics.
        try:
            inputs = self.inputs.map(partial(family.resize, config))
            inside = _run(family, inputs, {"config": config})
            outside = _run(family.borrow(config), inputs)
            if self.training_inputs is not None:
                training_inputs = self.training_inputs.map(partial(family.resize, config))
                _run(family, training_inputs, {"config": config}, training=True)
        except Exception as error:  # whatever the user's forward raises with other sizes
            return f"the model does not run with it smaller: {first_line(error)}"
        return None if _equal(inside, outside) else "the extracted network gives another output"

    def culprit(self, family: Family, config: Config) -> str:
        """Return a dimension whose return to its largest value makes the member right, given those before it."""
        changed = [name for name in config if config[name] != family.space[name].largest]
        # With the first `wrong` of them at their largest the member fails, with the first `right` it does not.
        wrong, right = 0, len(changed)
        while right - wrong > 1:
            middle = (wrong + right) // 2
            whole = {name: family.space[name].largest for name in changed[:middle]}
            if self.failure(family, family.space.config({**config, **whole})) is None:
                right = middle
            else:
                wrong = middle
        return changed[wrong]


def _runs(family: Family, inputs: ModelInputs, training: bool = False) -> bool:
    """Say whether the full network runs: in training mode it may want labels, or a larger batch."""
    try:
        with _spare_buffers(family.model):
            _run(family, inputs, training=training)
    except Exception:  # whatever the user's forward raises
        return False
    return True


@contextmanager
def _spare_buffers(model: nn.Module) -> Iterator[None]:
    """Let the model write to copies of its buffers: in training mode it keeps statistics."""
    places = [(place.holder, place.name, place.tensor) for place in buffer_places(model)]
    for holder, name, tensor in places:
        holder[name] = tensor.clone()
    try:
        yield
    finally:
        for holder, name, tensor in places:
            holder[name] = tensor


def _run(
    module: nn.Module,
    inputs: ModelInputs,
    named: Mapping[str, Any] | None = None,
    training: bool = False,
) -> list[Any]:
    with (
        torch.no_grad(),
        torch.random.fork_rng(enabled=training),
        in_mode(module, training),
        emptied_afterwards(module),
    ):
        return seen_leaves(inputs.run(module, **(named or {})))


def _equal(one: list[Any], other: list[Any]) -> bool:
    return len(one) == len(other) and all(
        torch.equal(a.nan_to_num(), b.nan_to_num()) if isinstance(a, torch.Tensor) else a == b
        for a, b in zip(one, other, strict=True)
    )
