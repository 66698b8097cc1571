"""Members of transformers' models: the config that describes a member, so that `save_pretrained` saves what it is.

Which sizes a config's field sets is not looked up but tried: the model is built anew from its config, without memory
for its weights, with one field doubled at a time. What doubles or halves with it follows it; the fields of a member are
the solution of these equations, and a network built from them must have the member's shapes, all of them.
"""

import copy
import math
import sys
from collections.abc import Mapping
from types import MethodType
from typing import Any

import numpy
import torch
from torch import nn

from supple.errors import SuppleError

STEPS = 30
Sizes = Mapping[tuple[str, str | int], int]


def is_pretrained(model: nn.Module) -> bool:
    """Say whether this is a model of transformers; that package is not imported for it."""
    transformers = sys.modules.get("transformers")
    return transformers is not None and isinstance(model, transformers.PreTrainedModel)


def make_savable(member: Any, full: Any) -> None:
    """Let a member of the model `full` number its layers, for the cache of `generate`, and save its own config."""
    for container in member.modules():
        if isinstance(container, nn.ModuleList):
            for number, (name, layer) in enumerate(container._modules.items()):
                # A list inside a layer has numbers of its own: only those that named this layer change.
                for module in layer.modules() if layer is not None else ():
                    if str(vars(module).get("layer_idx")) == name != str(number):
                        vars(module)["layer_idx"] = number
    # On the instance: its class stays the user's.
    member.__dict__["save_pretrained"] = MethodType(_SavePretrained(copy.deepcopy(full.config)), member)


class _SavePretrained:
    """Saves as `PreTrainedModel.save_pretrained` does, with the config that describes the member."""

    def __init__(self, full_config: Any) -> None:
        self.full_config = full_config

    def __call__(self, member: Any, *arguments: Any, **named: Any) -> None:
        config = expressed(member, self.full_config)
        for field, value in config.items():
            setattr(member.config, field, value)
        type(member).save_pretrained(member, *arguments, **named)


def expressed(member: Any, full_config: Any) -> dict[str, int]:
    """Return the fields of the config, and their values, that describe a member of the model of `full_config`.

    Raises `SuppleError`, naming what differs, where no values do: layers of unequal width, as a rule.
    """
    kind = type(member)
    full = _sizes(_built(kind, full_config, {}))
    # A number of heads that stayed says nothing: some code computes it from the size of a head, and never reads it.
    own = {
        (path, axis): size
        for (path, axis), size in _sizes(member).items()
        if isinstance(axis, int) or size != full.get((path, axis)) or axis.endswith(("dim", "size"))
    }
    fields = {
        name: value
        for name, value in full_config.to_dict().items()
        if type(value) is int and value > 1 and name[0] != "_"
    }
    probes: dict[str, Sizes] = {}
    for name, value in fields.items():
        try:
            probes[name] = _sizes(_built(kind, full_config, {name: 2 * value}))
        except Exception:  # whatever the model's code raises at a value that it cannot take: no size to speak of
            continue
    layers = {name: count for name, probe in probes.items() if (count := _layers(probe, full, own)) is not None}
    changes = {name: count for name, count in layers.items() if count != fields[name]}
    changes |= _solved({name: probe for name, probe in probes.items() if name not in layers}, fields, full, own)
    try:
        rebuilt = _sizes(_built(kind, full_config, changes))
    except Exception as error:  # as above
        raise SuppleError(f"The config of {kind.__name__} cannot express this member: {error}") from error
    unknown = {path for path, axis in rebuilt.keys() - own.keys() if isinstance(axis, int)}
    different = sorted(unknown | {entry[0] for entry, size in own.items() if rebuilt.get(entry) != size})
    if different:
        shown = ", ".join(different[:4]) + (", ..." if len(different) > 4 else "")
        raise SuppleError(
            f"The config of {kind.__name__} cannot express this member: it has one value for what differs between "
            f"layers here, or does not set it at all ({shown}). Save its state dict, or tie these dimensions when "
            "converting."
        )
    return changes


def _built(kind: Any, full_config: Any, changes: Mapping[str, int]) -> nn.Module:
    config = copy.deepcopy(full_config)
    for name, value in changes.items():
        setattr(config, name, value)
    with torch.device("meta"):
        model: nn.Module = kind(config)
    return model


def _sizes(model: nn.Module) -> Sizes:
    """Return the size of every axis of the state dict, by key and axis, and the heads of every module."""
    sizes: dict[tuple[str, str | int], int] = {}
    for key, tensor in model.state_dict().items():
        sizes.update({(key, axis): size for axis, size in enumerate(tensor.shape)})
    for path, module in model.named_modules():
        found = {name: value for name, value in vars(module).items() if type(value) is int and "head" in name}
        sizes.update({(path, name): value for name, value in found.items()})
    return sizes


def _layers(probe: Sizes, full: Sizes, own: Sizes) -> int | None:
    """Return how many layers the member has, where the doubled field was a number of layers."""
    added = [key for key, _ in probe.keys() - full.keys()]
    if not added or any(probe.get(entry) != size for entry, size in full.items()):
        return None
    # "model.layers.5.mlp.weight": the numbers of the container whose children became more.
    container = next(iter(added)).split(".")
    depth = next(position for position, part in enumerate(container) if part.isdecimal())
    prefix = container[:depth]
    numbers = {key.split(".")[depth] for key, _ in own if key.split(".")[:depth] == prefix and key.count(".") >= depth}
    return len(numbers)


def _solved(probes: Mapping[str, Sizes], fields: Mapping[str, int], full: Sizes, own: Sizes) -> dict[str, int]:
    """Return the fields whose values change: log(size) is linear in log(field), with the exponents of the probes."""
    shared = [entry for entry in full if entry in own]
    exponents = {
        name: [math.log2(probe[entry] / full[entry]) if entry in probe and full[entry] else 0.0 for entry in shared]
        for name, probe in probes.items()
    }
    names = [name for name, column in exponents.items() if any(column)]
    if not names:
        return {}
    matrix = numpy.array([exponents[name] for name in names]).T
    wanted = numpy.array([math.log2(own[entry] / full[entry]) if full[entry] else 0.0 for entry in shared])
    weights = numpy.ones(len(wanted))
    for _ in range(STEPS):
        # The least sum of absolute errors, by reweighted squares: where one layer is odd, the others have their way.
        logs = numpy.linalg.lstsq(matrix * weights[:, None], wanted * weights, rcond=None)[0]
        weights = (numpy.abs(matrix @ logs - wanted) + 1e-9) ** -0.5
    values = {name: round(fields[name] * 2 ** float(log)) for name, log in zip(names, logs, strict=True)}
    return {name: value for name, value in values.items() if value != fields[name]}
