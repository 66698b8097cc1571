"""Weights that are computed from other tensors before each run: weight norm, spectral norm, the user's own."""

from collections.abc import Iterator

import torch
from torch import nn
from torch.nn.utils import parametrize
from torch.nn.utils.parametrizations import _SpectralNorm
from torch.nn.utils.spectral_norm import SpectralNorm

from supple.trace.capture import first_keys
from supple.trace.propagation import Propagation

# Of weight norm the direction, whose shape is that of the weight; else what the weight was before.
_STAND_INS = ("weight_v", "weight_orig", "parametrizations.weight.original1", "parametrizations.weight.original")
SPECTRAL_NORM = "spectral norm divides by the largest singular value of the whole weight"


def weight_key(path: str, module: nn.Module) -> str:
    """Return the state-dict key of the weight of a module, or of what it is computed from in the same shape."""
    prefix = f"{path}." if path else ""
    if "weight" not in module._parameters:
        weight = getattr(module, "weight", None)
        shapes = {name: parameter.shape for name, parameter in module.named_parameters()}
        for name in _STAND_INS:
            if isinstance(weight, torch.Tensor) and shapes.get(name) == weight.shape:
                return prefix + name
    return f"{prefix}weight"


def fix_spectral_norms(model: nn.Module, propagation: Propagation) -> None:
    """Forbid every weight under spectral norm to shrink: a part of it has another largest singular value."""
    keys = first_keys(model)
    for path, module in model.named_modules():
        for name in _spectrally_normed(module):
            for label in propagation.tensors[keys[f"{path}.{name}".lstrip(".")]]:
                propagation.fix(label, SPECTRAL_NORM)


def _spectrally_normed(module: nn.Module) -> Iterator[str]:
    for hook in module._forward_pre_hooks.values():
        if isinstance(hook, SpectralNorm):
            yield f"{hook.name}_orig"
    if parametrize.is_parametrized(module):
        for name, steps in module.parametrizations.items():  # type: ignore[union-attr,operator]
            if any(isinstance(step, _SpectralNorm) for step in steps):
                yield f"parametrizations.{name}.original"
