"""Configs in a sampler's state, without the names of their dimensions: a checkpoint may hold hundreds."""

from collections.abc import Sequence

from pydantic import JsonValue

from supple.space import Config, Space


def compact(config: Config) -> list[JsonValue]:
    """Return the values of a config in the order of its space."""
    return list(config.values())


def expanded(values: Sequence[int], space: Space) -> Config:
    """Return the config that `compact` was given."""
    return space.config({entry.name: value for entry, value in zip(space.dimensions, values, strict=True)})
