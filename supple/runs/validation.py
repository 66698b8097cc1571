"""From a mapping to a checked pydantic model: every mistake in it becomes one line that names the key."""

import difflib
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from types import NoneType, UnionType
from typing import Annotated, Any, TypeVar, Union, get_args, get_origin

from pydantic import BaseModel, ValidationError
from pydantic.fields import FieldInfo
from pydantic_core import ErrorDetails

from supple.errors import SuppleError, nearest

Model = TypeVar("Model", bound=BaseModel)


def validate(model_class: type[Model], mapping: Mapping[str, Any], source: str) -> Model:
    """Return the model that the mapping describes; `source` names the mapping in messages.

    Raises `SuppleError` with one line: the dotted key, what was given and what was expected, or an unknown key and the
    nearest known one. Of several mistakes an unknown key comes first, since it often explains a missing one.
    """
    try:
        return model_class.model_validate(dict(mapping))
    except ValidationError as error:
        mistakes = [_Mistake.of(details, model_class) for details in error.errors(include_url=False)]
    known = {".".join(names) for names in _all_keys(model_class)}
    # A key that one alternative of a union does not know may be right in another.
    mistakes.sort(key=lambda mistake: mistake.details["type"] != "extra_forbidden" or mistake.key in known)
    first = mistakes[0]
    # Each alternative of a union complains on its own about the same value.
    same = [mistake for mistake in mistakes if mistake.key == first.key]
    more = len({mistake.key for mistake in mistakes}) - 1
    also = f" ({more} more {'mistake' if more == 1 else 'mistakes'} after this one.)" if more else ""
    raise SuppleError(f"{source}: {_message(first, same, model_class)}{also}")


def described(value: object) -> str:
    """Return how a message speaks of a value that was given."""
    if value is None:
        return "nothing"
    if isinstance(value, Mapping):
        return "a mapping"
    if isinstance(value, list | tuple):
        return "a list"
    if isinstance(value, str):
        return f'the text "{value:.60}"'
    return json.dumps(value) if isinstance(value, bool | int | float) else repr(value)[:60]


@dataclass(frozen=True)
class _Mistake:
    """What pydantic found, the key as it stands in the file, the model that has or lacks this key, and its type."""

    details: ErrorDetails
    names: tuple[str, ...]
    owner: type[BaseModel] | None
    annotation: Any

    @property
    def key(self) -> str:
        return ".".join(self.names)

    @classmethod
    def of(cls, details: ErrorDetails, model_class: type[BaseModel]) -> "_Mistake":
        """Follow pydantic's path through the types, which tells the user's keys from the names of alternatives."""
        names: list[str] = []
        owner = None
        annotation: Any = model_class
        for part in details["loc"]:
            alternatives = list(_alternatives(annotation))
            if len(alternatives) > 1:  # The part names the alternative that was tried.
                annotation = next((choice for choice in alternatives if _is_named(choice, part)), Any)
                continue
            names.append(str(part)[:80])
            owner = alternatives[0] if _is_model(alternatives[0]) else None
            annotation = _inside(alternatives[0], part)
        return cls(details, tuple(names), owner, annotation)


def _message(mistake: _Mistake, same: list[_Mistake], root: type[BaseModel]) -> str:
    key, details = mistake.key, mistake.details
    context = details.get("ctx", {})
    given = described(details["input"])
    match details["type"]:
        case "extra_forbidden":
            return f'unknown key "{key}"{_suggestion(mistake, root)}'
        case "missing":
            return f'"{key}" is missing{_description(mistake)}.'
        case "union_tag_not_found" | "union_tag_invalid":
            return _wrong_tag(mistake)
        case "literal_error" | "enum":
            expected = _quoted(context["expected"])
            hint = nearest(str(details["input"]), expected)
            what = f"expected {_listed(expected) or context['expected']}, but this is {given}{hint or '.'}"
        case "value_error" | "assertion_error":  # "Value error, " and the words of a validator.
            what = details["msg"].partition(", ")[2]
        case _ if expected := list(dict.fromkeys(filter(None, (_expected(choice.details) for choice in same)))):
            what = f"expected {' or '.join(expected)}, but this is {given}."
        case _:
            what = f"{details['msg']}, but this is {given}."
    return f'"{key}": {what}' if key else what


def _wrong_tag(mistake: _Mistake) -> str:
    """Say which value of a discriminator was given, and which there are."""
    context = mistake.details["ctx"]
    tag = context["discriminator"].strip("'")
    key = ".".join([*mistake.names, tag])
    models = [choice for choice in _alternatives(mistake.annotation) if _is_model(choice)]
    expected = [str(value) for model in models for value in get_args(_fields(model)[tag].annotation)]
    if "tag" not in context:
        return f'"{key}" is missing; expected {_listed(expected)}.'
    given = context["tag"]
    return f'"{key}": expected {_listed(expected)}, but this is {described(given)}{nearest(given, expected) or "."}'


def _quoted(text: str) -> list[str]:
    """Return the values in pydantic's lists, as "'a', 'b' or 'c'"."""
    return re.findall("'([^']*)'", text)


def _listed(names: list[str]) -> str:
    return " or ".join(
        filter(None, [", ".join(f'"{name}"' for name in names[:-1]), *(f'"{name}"' for name in names[-1:])])
    )


def _description(mistake: _Mistake) -> str:
    field = _fields(mistake.owner).get(mistake.names[-1]) if mistake.owner else None
    return f": {field.description}" if field and field.description else ""


def _expected(details: ErrorDetails) -> str:
    """Return what pydantic expected, out of its sentence: "Input should be a valid integer, unable to parse ..."."""
    if details["type"] in ("model_type", "model_attributes_type", "dict_type"):
        return "a mapping of keys to values"
    if details["type"] == "path_type":
        return "a path"
    _, start, expected = details["msg"].partition("Input should be ")
    expected = re.split(", (?:unable to|got) ", expected)[0]
    return f"a value {expected}" if expected.startswith(("greater", "less")) else expected if start else ""


def _suggestion(mistake: _Mistake, root: type[BaseModel]) -> str:
    *section, name = mistake.names
    elsewhere = [".".join(names) for names in _all_keys(root) if names[-1] == name]
    known = list(_fields(mistake.owner)) if mistake.owner else []
    close = [".".join([*section, match]) for match in difflib.get_close_matches(name, known, n=1, cutoff=0.5)]
    if candidates := [key for key in elsewhere + close if key != mistake.key]:
        return f'; did you mean "{candidates[0]}"?'
    return f"; expected {_listed(known)}." if known else "."


def _all_keys(annotation: Any, above: tuple[Any, ...] = ()) -> Iterator[list[str]]:
    """Yield the path of every key that a file can hold; a model inside itself is not followed again."""
    for choice in _alternatives(annotation):
        if _is_model(choice) and choice not in above:
            for name, field in _fields(choice).items():
                yield [name]
                yield from ([name, *names] for names in _all_keys(field.annotation, (*above, choice)))


def _alternatives(annotation: Any) -> Iterator[Any]:
    """Yield the types that an annotation allows, without `Annotated` and `None`."""
    annotation = getattr(annotation, "__value__", annotation)  # What a `type X = ...` stands for.
    if get_origin(annotation) is Annotated:
        yield from _alternatives(get_args(annotation)[0])
    elif get_origin(annotation) in (Union, UnionType):
        for choice in get_args(annotation):
            if choice is not NoneType:
                yield from _alternatives(choice)
    else:
        yield annotation


def _is_model(annotation: Any) -> bool:
    return isinstance(annotation, type) and issubclass(annotation, BaseModel)


def _is_named(choice: Any, label: object) -> bool:
    """Tell whether pydantic's label means this alternative: its class name, or a value of its discriminator."""
    if not _is_model(choice):
        return getattr(choice, "__name__", None) == label
    tags = [tag for field in choice.model_fields.values() for tag in get_args(field.annotation)]
    return choice.__name__ == label or any(str(tag) == str(label) for tag in tags)


def _fields(model: type[BaseModel]) -> dict[str, FieldInfo]:
    """Return a model's fields by the key that a file holds."""
    return {field.alias or name: field for name, field in model.model_fields.items()}


def _inside(annotation: Any, part: object) -> Any:
    """Return the type of what lies under a key or an index."""
    if _is_model(annotation):
        field = _fields(annotation).get(str(part))
        return field.annotation if field else Any
    arguments = get_args(annotation)
    if get_origin(annotation) is dict:
        return arguments[1]
    if get_origin(annotation) is tuple and isinstance(part, int) and Ellipsis not in arguments:
        return arguments[part] if part < len(arguments) else Any
    return arguments[0] if arguments else Any
