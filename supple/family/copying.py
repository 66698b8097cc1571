"""Copy a module tree as `copy.deepcopy` does, several times faster.

A module has some ten dictionaries of hooks, nearly always empty, and `copy.deepcopy` takes each apart and puts it
together again. Here the modules whose classes leave that to Python are rebuilt directly, dictionaries too; all else
goes through `copy.deepcopy`.
"""

import copy
import copyreg
from collections import OrderedDict
from typing import Any

import torch
from torch import nn

_ATOMIC = (int, float, bool, str, bytes, type(None))
_OWN_WAYS = ("__deepcopy__", "__getnewargs__", "__getnewargs_ex__")


def deepcopy_model(model: nn.Module, memo: dict[int, Any]) -> nn.Module:
    """Return a deep copy; `memo` maps the ids of objects of the tree to what stands for them in the copy."""
    plain_kinds = {kind for kind in {type(module) for module in model.modules()} if _is_plain(kind)}
    plain = [module for module in model.modules() if type(module) in plain_kinds]
    # All at once: modules may refer to each other in circles.
    memo.update({id(module): type(module).__new__(type(module)) for module in plain})
    # The memo goes by identity, so nothing that it names may vanish meanwhile.
    states = [module.__getstate__() for module in plain]  # type: ignore[no-untyped-call]
    # The children of a module stand after it, and its own __setstate__ may look at them.
    for module, state in zip(reversed(plain), reversed(states), strict=True):
        memo[id(module)].__setstate__(_deepcopy(state, memo))
    copied: nn.Module = copy.deepcopy(model, memo)
    return copied


def _deepcopy(value: Any, memo: dict[int, Any]) -> Any:
    kind = type(value)
    if kind in _ATOMIC:
        return value
    if id(value) in memo:
        return memo[id(value)]
    if kind is set and not value:
        memo[id(value)] = empty = set[Any]()
        return empty
    if kind in (dict, OrderedDict):
        memo[id(value)] = entries = kind()
        for key, entry in value.items():
            entries[_deepcopy(key, memo)] = _deepcopy(entry, memo)
        return entries
    if isinstance(value, torch.Tensor) and not value.is_leaf:
        # As the weight that a hook of torch.nn.utils.weight_norm works out before each run.
        memo[id(value)] = computed = value.detach().clone()
        return computed
    return copy.deepcopy(value, memo)


def _is_plain(kind: type[nn.Module]) -> bool:
    """Say whether a deep copy of such a module is a new one given a deep copy of its state."""
    return (
        kind not in copyreg.dispatch_table
        and kind.__new__ is object.__new__
        and kind.__reduce__ is object.__reduce__
        and kind.__reduce_ex__ is object.__reduce_ex__
        and not any(hasattr(kind, name) for name in _OWN_WAYS)
    )
