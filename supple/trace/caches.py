"""Caches: plain dictionaries on the user's modules, in which a forward pass keeps what it has computed.

What one member keeps there is wrong for another, and a captured graph would hold it as a constant.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from torch import nn

_OWN = frozenset(vars(nn.Module()))


def empty_dictionaries(model: nn.Module) -> list[tuple[dict[str, Any], str]]:
    """Return where modules hold an empty plain dictionary of the user's own: (attributes of the module, name)."""
    return [
        (attributes, name)
        for attributes in map(vars, model.modules())
        for name, value in attributes.items()
        if name not in _OWN and type(value) is dict and not value
    ]


@contextmanager
def emptied_afterwards(model: nn.Module) -> Iterator[None]:
    """Run a model without leaving anything in dictionaries that were empty."""
    before = empty_dictionaries(model)
    try:
        yield
    finally:
        for attributes, name in before:
            attributes[name] = {}
