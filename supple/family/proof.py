"""Prove a new family: the full member equals the user's model, and every dimension works; what fails is frozen."""

import random
from collections.abc import Mapping
from typing import Any

import torch
from torch import nn
from torch.utils._pytree import tree_leaves

from supple.errors import SuppleError
from supple.family.family import Family
from supple.space import Config

RANDOM_CONFIGS = 3


def prove(family: Family, original: nn.Module, example_inputs: tuple[torch.Tensor, ...]) -> Family:
    """Return the family without the dimensions that fail, each frozen with its reason.

    In eval mode on the example inputs: the full config must equal `original` bit for bit (`SuppleError` if not); each
    dimension alone at its smallest value, then random configs, must run, and equal their extracted networks.
    """
    if not _equal(_run(original, example_inputs), _run(family.model, example_inputs)):
        raise SuppleError(
            f"{type(original).__name__} gives another output when it is run again on the same inputs in eval mode: "
            "a family cannot be proved equal to it."
        )
    for dimension in family.space.dimensions:
        reason = _failure(family, family.space.config({dimension.name: dimension.smallest}), example_inputs)
        if reason is not None:
            family = Family(family.model, family.structure.without(dimension.name, reason))
    rng = random.Random(0)
    for _ in range(RANDOM_CONFIGS):
        config = family.space.sample(rng)
        while (reason := _failure(family, config, example_inputs)) is not None:
            culprit = _culprit(family, config, example_inputs)
            values = {name: value for name, value in config.items() if name != culprit}
            family = Family(family.model, family.structure.without(culprit, f"together with others: {reason}"))
            config = family.space.config(values)
    return family


def _failure(family: Family, config: Config, example_inputs: tuple[torch.Tensor, ...]) -> str | None:
    """Return why the member of this config is wrong, or None."""
    try:
        inside = _run(family, example_inputs, {"config": config})
        outside = _run(family.extract(config), example_inputs)
    except Exception as error:  # whatever the user's forward raises with other sizes
        message = str(error).strip() or type(error).__name__
        return f"the model does not run with it smaller: {message.splitlines()[0]}"
    return None if _equal(inside, outside) else "the extracted network gives another output"


def _culprit(family: Family, config: Config, example_inputs: tuple[torch.Tensor, ...]) -> str:
    """Return the first dimension that must go back to its largest value before the member is right."""
    values: Mapping[str, int] = config
    changed = [name for name in config if config[name] != family.space[name].largest]
    for name in changed:
        values = {**values, name: family.space[name].largest}
        if _failure(family, family.space.config(values), example_inputs) is None:
            return name
    raise AssertionError("the full config has been proved, so some dimension must be to blame")


def _run(module: nn.Module, inputs: tuple[torch.Tensor, ...], named: Mapping[str, Any] | None = None) -> list[Any]:
    training = {part: part.training for part in module.modules()}
    module.eval()
    try:
        with torch.no_grad():
            return tree_leaves(module(*inputs, **(named or {})))
    finally:
        for part, mode in training.items():
            part.training = mode


def _equal(one: list[Any], other: list[Any]) -> bool:
    return len(one) == len(other) and all(
        torch.equal(a.nan_to_num(), b.nan_to_num()) if isinstance(a, torch.Tensor) else a == b
        for a, b in zip(one, other, strict=True)
    )
