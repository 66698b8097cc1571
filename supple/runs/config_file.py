"""Reading the YAML file of a run: plain values only, bounded, and every mistake one line that says where it is.

Values are read as YAML 1.2 does: `1e-3` is a number, `on` and `2024-05-01` are text, and there are no merge keys.
"""

import re
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

import yaml

from supple.errors import SuppleError, nearest
from supple.runs.validation import described, validate

__all__ = ["apply_overrides", "read_config_file", "to_yaml", "validate"]

# A whole file of this size is read in under a second, whatever is in it.
MAX_BYTES = 256 * 1024
MAX_VALUES = 5_000
MAX_DEPTH = 32

_TAG = "tag:yaml.org,2002:"
_TOO_LARGE = f"more than {MAX_VALUES:,} values or {MAX_DEPTH} levels"


class _Loader(yaml.SafeLoader):
    """Reads the nodes of a file, and gives a hostile one up early."""

    yaml_implicit_resolvers = {}
    nodes = 0
    depth = 0

    def compose_node(self, parent: yaml.Node | None, index: Any) -> yaml.Node | None:
        """Read a node, counting the nodes and how deep they lie."""
        self.nodes += 1
        self.depth += 1
        if self.nodes > 2 * MAX_VALUES or self.depth > MAX_DEPTH:
            raise yaml.MarkedYAMLError(None, None, _TOO_LARGE, self.get_mark())
        node: yaml.Node | None = super().compose_node(parent, index)
        self.depth -= 1
        return node


class _Dumper(yaml.SafeDumper):
    """Puts text in quotes where this module or a reader of YAML 1.1 would take it for something else."""

    def ignore_aliases(self, data: Any) -> bool:
        """Write everything out."""
        return True


def _represent_text(dumper: _Dumper, text: str) -> yaml.Node:
    # PyYAML does not read back every unusual line break that it writes, unless it is escaped.
    return dumper.represent_scalar(_TAG + "str", text, style=None if text.isprintable() else '"')


def _text(written: str) -> str:
    written.encode()  # Half a surrogate pair, as "\\ud800", cannot be stored or shown.
    return written


def _integer(written: str) -> int:
    return int(written, {"0x": 16, "0o": 8}.get(written[:2], 10))


_BOOLEANS = {**dict.fromkeys(("true", "True", "TRUE"), True), **dict.fromkeys(("false", "False", "FALSE"), False)}
_SCALARS: Mapping[str, Callable[[str], Any]] = {
    _TAG + "str": _text,
    _TAG + "null": dict.fromkeys(("", "~", "null", "Null", "NULL")).__getitem__,
    _TAG + "bool": _BOOLEANS.__getitem__,
    _TAG + "int": _integer,
    _TAG + "float": float,
}
_Dumper.add_representer(str, _represent_text)
for _kind, _pattern, _first in (
    ("null", r"~|null|Null|NULL|", ["~", "n", "N", ""]),
    ("bool", r"true|True|TRUE|false|False|FALSE", list("tTfF")),
    ("int", r"[-+]?[0-9]+|0x[0-9a-fA-F]+|0o[0-7]+", list("-+0123456789")),
    ("float", r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?", list("-+.0123456789")),
):
    for _class in (_Loader, _Dumper):
        _class.add_implicit_resolver(_TAG + _kind, re.compile(f"^({_pattern})$"), _first)


def read_config_file(path: Path | str) -> dict[str, Any]:
    """Return the mapping that a YAML file holds: text, numbers, booleans, null, lists and mappings with text keys.

    Raises `SuppleError`, with the line where there is one, where the file is missing, unreadable, larger than 256 KiB,
    not YAML, no mapping, holds a key twice, or holds more than 5,000 values once its aliases are written out.
    """
    path = Path(path)
    content = _parse(_read(path), f'"{path}"')
    if not isinstance(content, dict):
        raise SuppleError(f'"{path}" must hold keys and values ("name: ..."), but it holds {described(content)}.')
    return content


def apply_overrides(mapping: Mapping[str, Any], overrides: Iterable[str]) -> dict[str, Any]:
    """Return the mapping with each `dotted.key=value` put in; values are read as in the file. The mapping stays as is.

    Raises `SuppleError` where an override has another form, or goes through something that is no mapping.
    """
    result: Any = _copy(mapping)
    for override in overrides:
        key, equals, text = override.partition("=")
        names = key.strip().split(".")
        if not equals or not all(names):
            raise SuppleError(f'The override "{override}" is not understood: expected KEY=VALUE, as train.epochs=3.')
        section = result
        for depth, name in enumerate(names[:-1], start=1):
            section = section.setdefault(name, {})
            if not isinstance(section, dict):
                raise SuppleError(
                    f'The override "{override}" cannot be applied: '
                    f'"{".".join(names[:depth])}" is {described(section)}, not a section.'
                )
        section[names[-1]] = _parse(text, f'The value of the override "{override}"')
    return dict(result)


def to_yaml(mapping: Mapping[str, Any]) -> str:
    """Return the YAML text of plain values with finite numbers; `read_config_file` reads the same mapping from it."""
    return yaml.dump(_copy(mapping), Dumper=_Dumper, sort_keys=False, allow_unicode=True)


def _read(path: Path) -> str:
    try:
        with path.open("rb") as file:
            data = file.read(MAX_BYTES + 1)
    except FileNotFoundError:
        names = [entry.name for entry in path.parent.iterdir()] if path.parent.is_dir() else []
        raise SuppleError(f'There is no file "{path}"{nearest(path.name, names) or "."}') from None
    except (OSError, ValueError) as error:
        raise SuppleError(f'Could not read "{path}": {getattr(error, "strerror", None) or error}.') from error
    if len(data) > MAX_BYTES:
        raise SuppleError(f'"{path}" is larger than the {MAX_BYTES // 1024} KiB that a run file can have.')
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise SuppleError(f'"{path}" is not a YAML file: it is not text in UTF-8.') from None


def _parse(text: str, source: str) -> Any:
    try:
        loader = _Loader(text)
        try:
            node = loader.get_single_node()
        finally:
            loader.dispose()
        return None if node is None else _Plain().value(node)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        where = f"line {mark.line + 1}: " if mark else ""
        # PyYAML tells the context either as what was expected or as what it was doing ("while parsing a ...").
        context = f"{error.context} " if error.context and not error.context.startswith("while") else ""
        raise SuppleError(f"{source} is not valid YAML: {where}{context}{error.problem}.") from None
    except (yaml.YAMLError, ValueError, OverflowError) as error:  # A character that is not allowed or does not exist.
        raise SuppleError(f"{source} is not valid YAML: {' '.join(str(error).split())}.") from None


class _Plain:
    """Turns nodes into plain values, with aliases written out, so that no two places share one value."""

    def __init__(self) -> None:
        self._values = 0

    def value(self, node: yaml.Node, depth: int = 1) -> Any:
        self._values += 1
        if self._values > MAX_VALUES or depth > MAX_DEPTH:  # Aliases can hold far more than the file has characters.
            raise _problem(node, _TOO_LARGE)
        if isinstance(node, yaml.SequenceNode) and node.tag == _TAG + "seq":
            return [self.value(inner, depth + 1) for inner in node.value]
        if isinstance(node, yaml.MappingNode) and node.tag == _TAG + "map":
            return self._mapping(node, depth)
        if not isinstance(node, yaml.ScalarNode) or node.tag not in _SCALARS:
            raise _problem(node, f'the tag "{node.tag:.80}" is not allowed')
        try:
            return _SCALARS[node.tag](node.value)
        except (ValueError, KeyError):  # An explicit tag on something else, or an integer of thousands of digits.
            raise _problem(node, f"{node.value!r:.40} is no {node.tag.removeprefix(_TAG)}") from None

    def _mapping(self, node: yaml.MappingNode, depth: int) -> dict[str, Any]:
        result: dict[str, Any] = {}
        for key_node, value_node in node.value:
            key = self.value(key_node, depth + 1)
            if not isinstance(key, str):
                raise _problem(key_node, f"a key must be text, but this is {described(key)}")
            if key in result:
                raise _problem(key_node, f'the key "{key:.80}" stands there a second time')
            result[key] = self.value(value_node, depth + 1)
        return result


def _problem(node: yaml.Node, text: str) -> yaml.MarkedYAMLError:
    return yaml.MarkedYAMLError(None, None, text, node.start_mark)


def _copy(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {name: _copy(inner) for name, inner in value.items()}
    return [_copy(inner) for inner in value] if isinstance(value, list) else value
