"""Prove a new family: the full member equals the user's model, and every dimension works; what fails is frozen."""

import random
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from torch import nn

from supple.errors import SuppleError
from supple.family.family import Family
from supple.space import Config, Kind
from supple.trace import ModelInputs
from supple.trace.caches import emptied_afterwards
from supple.trace.modes import in_mode
from supple.trace.outputs import seen_leaves

RANDOM_CONFIGS = 3


def prove(family: Family, original: nn.Module, example_inputs: ModelInputs) -> Family:
    """Return the family without the dimensions that fail, each frozen with its reason.

    In eval mode on the example inputs: the full config must equal `original` bit for bit (`SuppleError` if not); each
    dimension alone at its smallest value, then random configs, must run, and equal their extracted networks. They must
    also run in training mode, where the full network does on these inputs.
    """
    if not _equal(_run(original, example_inputs), _run(family.model, example_inputs)):
        raise SuppleError(
            f"{type(original).__name__} gives another output when it is run again on the same inputs in eval mode: "
            "a family cannot be proved equal to it."
        )
    proof = _Proof(example_inputs, _trains(family, example_inputs))
    for dimension in family.space.dimensions:
        # That the smallest works says nothing of other options and resolutions: each is tried.
        is_tried_whole = dimension.kind in (Kind.OPERATOR, Kind.RESOLUTION)
        tried = dimension.values[:-1] if is_tried_whole else dimension.values[:1]
        for value in tried:
            reason = proof.failure(family, family.space.config({dimension.name: value}))
            if reason is not None:
                family = Family(family.model, family.structure.without_value(dimension.name, value, reason))
    rng = random.Random(0)
    for _ in range(RANDOM_CONFIGS):
        config = family.space.sample(rng)
        while (reason := proof.failure(family, config)) is not None:
            culprit = proof.culprit(family, config)
            values = {name: value for name, value in config.items() if name != culprit}
            family = Family(family.model, family.structure.without(culprit, f"together with others: {reason}"))
            config = family.space.config(values)
    return family


@dataclass(frozen=True)
class _Proof:
    example_inputs: ModelInputs
    in_training_too: bool

    def failure(self, family: Family, config: Config) -> str | None:
        """Return why the member of this config is wrong, or None."""
        if config == family.space.max():
            return None  # It is the user's model, and in training mode it would keep statistics.
        try:
            inputs = self.example_inputs.map(partial(family.resize, config))
            inside = _run(family, inputs, {"config": config})
            outside = _run(family.extract(config), inputs)
            if self.in_training_too:
                _run(family, inputs, {"config": config}, training=True)
        except Exception as error:  # whatever the user's forward raises with other sizes
            message = str(error).strip() or type(error).__name__
            return f"the model does not run with it smaller: {message.splitlines()[0]}"
        return None if _equal(inside, outside) else "the extracted network gives another output"

    def culprit(self, family: Family, config: Config) -> str:
        """Return the first dimension that must go back to its largest value before the member is right."""
        values: Mapping[str, int] = config
        changed = [name for name in config if config[name] != family.space[name].largest]
        for name in changed:
            values = {**values, name: family.space[name].largest}
            if self.failure(family, family.space.config(values)) is None:
                return name
        raise AssertionError("the full config has been proved, so some dimension must be to blame")


def _trains(family: Family, example_inputs: ModelInputs) -> bool:
    """Say whether the full network runs in training mode; not where it then wants labels, or a larger batch."""
    try:
        # A copy: in training mode the full network keeps statistics.
        _run(family.extract(family.space.max()), example_inputs, training=True)
    except Exception:  # whatever the user's forward raises
        return False
    return True


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
