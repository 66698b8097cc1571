"""From the name that a user gives to a model: which source it is of, and where its weights come from."""

from pathlib import Path

import torch
from torch import nn

from supple.errors import SuppleError
from supple.importing import call_object, import_object
from supple.sources.model import NamedModel
from supple.sources.weights import load_weights, refuse_pickles

TIMM = "timm:"
TRANSFORMERS = "transformers:"


def load_model(name: str, pretrained: bool | None = None, weights: Path | None = None, seed: int = 0) -> NamedModel:
    """Return the model of this name: `package.module:name`, `timm:NAME`, `transformers:NAME`, or a folder.

    `pretrained` asks a source for its own weights, `weights` is a safetensors file to take them from; otherwise they
    are random, drawn by the seed. By default transformers' models come with their weights and timm's without. Raises
    `SuppleError` for every mistake that a user can make.
    """
    refuse_pickles(name)
    if weights is not None:
        refuse_pickles(str(weights))
        if pretrained:
            raise SuppleError("Weights are taken from one place: give --weights or --pretrained, not both.")
        pretrained = False
    torch.manual_seed(seed)
    found = _found(name, pretrained)
    if weights is not None:
        load_weights(found.model, weights)
    return found


def _found(name: str, pretrained: bool | None) -> NamedModel:
    # A source is imported when a model of it is asked for.
    if name.startswith(TIMM):
        from supple.sources.timm_models import load_timm

        return load_timm(name.removeprefix(TIMM), bool(pretrained))
    if name.startswith(TRANSFORMERS):
        from supple.sources.transformers_models import load_transformers

        return load_transformers(name.removeprefix(TRANSFORMERS), pretrained is not False)
    if Path(name).is_dir() or _looks_like_a_path(name):
        from supple.sources.transformers_models import load_folder

        return load_folder(Path(name), pretrained is not False)
    if pretrained:
        raise SuppleError(f'"{name}" has no weights of its own to load: give --weights FILE.safetensors.')
    return NamedModel(_imported(name))


def _looks_like_a_path(name: str) -> bool:
    return "/" in name and ":" not in name


def _imported(name: str) -> nn.Module:
    if ":" not in name:
        raise SuppleError(
            f'"{name}" names no model: expected "package.module:function", "timm:NAME", "transformers:NAME" or the '
            "folder of a transformers model."
        )
    found = import_object(name)
    if not isinstance(found, nn.Module):
        found = call_object(name, {})
    if not isinstance(found, nn.Module):
        raise SuppleError(f'"{name}" returned {type(found).__name__}, not a torch.nn.Module.')
    return found
