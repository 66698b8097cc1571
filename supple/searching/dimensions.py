"""Which of a space's dimensions are searched; the others stay as they are in the user's own model."""

from collections.abc import Collection, Sequence
from dataclasses import replace
from functools import cached_property

from supple.errors import SuppleError, nearest
from supple.space import Config, Dimension, Kind, Space
from supple.trace.wishes import matches, names_around

SHAPE = "shape"
"""The word for all dimensions but those of precision."""


class PartOfSpace(Space):
    """The members of a space that differ in some of its dimensions only; its configs are the space's own.

    It has all dimensions of the space, so that configs, formulas and studies are of one form; those that are not
    searched have their largest value alone.
    """

    def __init__(self, whole: Space, searched: Collection[str]) -> None:
        """`searched`: the names of dimensions of `whole`."""
        super().__init__(
            entry if entry.name in searched else replace(entry, values=(entry.largest,)) for entry in whole.dimensions
        )
        self._whole_digest = whole.digest
        self._fixed = {entry.name: entry.largest for entry in whole.dimensions if entry.name not in searched}

    @cached_property
    def digest(self) -> str:
        """The name of the whole space: every config here is one of there."""
        return self._whole_digest

    def check(self, config: Config) -> Config:
        """Return the config if it belongs to this part; raise `SuppleError` where it, or its space, is another."""
        super().check(config)
        for name, value in self._fixed.items():
            if config[name] != value:
                raise SuppleError(
                    f'The config sets "{name}" to {config[name]}: it is not searched, and stays at {value}.'
                )
        return config


def searched_space(space: Space, words: Sequence[str] | None) -> Space:
    """Return the part of a space that is searched: all of it where there are no words.

    A word is `shape` (every dimension but those of precision), `bits` or another kind of dimension, or a pattern of
    dimension names. Raises `SuppleError`, with the nearest name, where a word finds nothing.
    """
    if words is None:
        return space
    searched = {entry.name for word in words for entry in _find(space, word)}
    return space if len(searched) == len(space) else PartOfSpace(space, searched)


def _find(space: Space, word: str) -> list[Dimension]:
    is_shape = word == SHAPE
    found = [
        entry
        for entry in space.dimensions
        if (entry.kind is not Kind.BITS if is_shape else entry.kind.value == word or matches(word, entry.name))
    ]
    if found:
        return found
    if word == Kind.BITS:
        raise SuppleError(
            'There are no "bits" to search: the family has no dimensions of precision. Quantize it first '
            "(supple.quantize), or leave bits out."
        )
    kinds = {entry.kind.value for entry in space.dimensions}
    known = {SHAPE, Kind.BITS.value, *kinds, *(name for entry in space.dimensions for name in names_around(entry.name))}
    raise SuppleError(f'No dimension is found by "{word}"{nearest(word, known) or "."}')
