"""Objects that the user names by import path, `package.module:name`: finding and calling them."""

import importlib
import importlib.util
import inspect
import pkgutil
import re
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from types import ModuleType

from supple.errors import SuppleError, nearest

_NAME = r"[^\W\d]\w*"
_IMPORT_PATH = re.compile(rf"({_NAME}(?:\.{_NAME})*):({_NAME}(?:\.{_NAME})*)")


def import_object(target: str) -> object:
    """Import what `target` ("package.module:name") stands for; modules in the working directory are found too.

    Raises SuppleError where the path is malformed, a module or a name does not exist (with the nearest that does),
    or the module itself fails.
    """
    match = _IMPORT_PATH.fullmatch(target)
    if match is None:
        module, _, name = target.replace(":", ".").rpartition(".")
        hint = f'; did you mean "{module}:{name}"?' if _IMPORT_PATH.fullmatch(f"{module}:{name}") else ""
        raise SuppleError(f'"{target}" is no import path: expected "package.module:function"{hint}')
    found: object = _import_module(match[1], target)
    where = f'module "{match[1]}"'
    for name in match[2].split("."):
        if not hasattr(found, name):
            raise SuppleError(f'Cannot import "{target}": {where} has no "{name}"{nearest(name, dir(found))}')
        found = getattr(found, name)
        where = f'"{name}"'
    return found


def call_object(target: str, arguments: Mapping[str, object]) -> object:
    """Import the function or class that `target` names, call it with keyword `arguments`, return its result.

    Raises SuppleError as `import_object` does, and where the object cannot be called, does not take these arguments
    (with the nearest that it takes), or fails.
    """
    function = import_object(target)
    if not callable(function):
        raise SuppleError(
            f'"{target}" is an object of type {type(function).__name__}: expected a function or a class to call'
        )
    _check_arguments(target, function, arguments)
    try:
        return function(**arguments)
    except SuppleError:
        raise
    except Exception as error:
        raise SuppleError(f'"{target}" failed: {_in_one_line(error)}') from error


def _import_module(name: str, target: str) -> ModuleType:
    if name in sys.modules:
        return sys.modules[name]
    # As `python -m` does it: the user's own files come first. An installed command has not got this entry.
    here = str(Path.cwd())
    if here not in sys.path and "" not in sys.path:
        sys.path.insert(0, here)
    importlib.invalidate_caches()
    parts = name.split(".")
    for depth, part in enumerate(parts):
        parent = ".".join(parts[:depth])
        whole = ".".join(parts[: depth + 1])
        try:
            missing = importlib.util.find_spec(whole) is None
        except (Exception, SystemExit) as error:
            # find_spec imports the parents: they may fail, or be plain modules, which hold nothing below them.
            missing = isinstance(error, ModuleNotFoundError) and error.name == whole
            if not missing:
                raise _import_failure(target, error) from error
        if missing:
            where = f'package "{parent}"' if parent else "Python's path"
            raise SuppleError(
                f'Cannot import "{target}": {where} has no module "{part}"{nearest(part, _modules_in(parent))}'
            )
    try:
        return importlib.import_module(name)
    except (Exception, SystemExit) as error:
        raise _import_failure(target, error) from error


def _modules_in(parent: str) -> Iterable[str]:
    if not parent:
        return {module.name for module in pkgutil.iter_modules()} | set(sys.builtin_module_names)
    return {module.name for module in pkgutil.iter_modules(getattr(sys.modules[parent], "__path__", []))}


def _import_failure(target: str, error: BaseException) -> SuppleError:
    return SuppleError(f'Cannot import "{target}": its module fails with {_in_one_line(error)}')


def _check_arguments(target: str, function: object, arguments: Mapping[str, object]) -> None:
    try:
        signature = inspect.signature(function)  # type: ignore[arg-type]
    except (TypeError, ValueError):
        return  # Some compiled functions have no signature; calling them tells.
    try:
        signature.bind(**arguments)
    except TypeError as error:
        unknown = [name for name in arguments if name not in signature.parameters]
        hint = nearest(unknown[0], signature.parameters) if unknown else ""
        raise SuppleError(f'"{target}" does not take these arguments: {error}{hint}') from error


def _in_one_line(error: BaseException) -> str:
    text = " ".join(str(error).split())
    return f"{type(error).__name__}: {text}" if text else type(error).__name__
