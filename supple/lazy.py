"""Names that a package imports when they are first used, so that it costs only what is used of it (PEP 562)."""

import importlib
from collections.abc import Callable, Mapping
from typing import Any


def lazy_names(package: str, homes: Mapping[str, str], namespace: dict[str, Any]) -> Callable[[str], Any]:
    """Return the `__getattr__` of a package: names found in the modules that `homes` gives, kept in its `namespace`.

    Define it where a type checker does not see it: one that did would let every misspelt name pass.
    """

    def find(name: str) -> Any:
        if name not in homes:
            raise AttributeError(f'module "{package}" has no attribute "{name}"')
        value = getattr(importlib.import_module(homes[name]), name)
        namespace[name] = value
        return value

    return find
