"""Errors that speak to the person who runs supple: what was given, what was expected, what to do."""

import difflib
from collections.abc import Iterable


class SuppleError(Exception):
    """A mistake that the user can mend. The command line prints it as one clear line, without a traceback."""


class MissingExtraError(SuppleError):
    """An optional package is not installed."""

    def __init__(self, package: str, extra: str, purpose: str) -> None:
        super().__init__(f'{purpose} needs the package "{package}": run  pip install "supple[{extra}]"')


def nearest(given: str, known: Iterable[str]) -> str:
    """Return `; did you mean "..."?` for the known name nearest to the given one, or an empty string."""
    matches = difflib.get_close_matches(given, list(known), n=1, cutoff=0.5)
    return f'; did you mean "{matches[0]}"?' if matches else ""


def first_line(error: BaseException) -> str:
    """Return the first line of what an error says, or the name of its class where it says nothing."""
    return next((line.strip() for line in str(error).splitlines() if line.strip()), type(error).__name__)


def class_and_first_line(error: BaseException) -> str:
    """Return an error's class and the first line of what it says, as `ValueError: ...`; the class where that is all."""
    name, line = type(error).__name__, first_line(error)
    return name if line == name else f"{name}: {line}"
