"""The members that every search looks at first, the ends of the space, and members in the fewest bits."""

from supple.space import Config, Dimension, Kind, Space


def corners_of(space: Space) -> tuple[Config, ...]:
    """Return the largest and the smallest member, and the largest in the fewest bits where precision is searched."""
    return tuple(dict.fromkeys((space.max(), space.min(), in_fewest_bits(space, space.max()))))


def in_fewest_bits(space: Space, config: Config) -> Config:
    """Return the member of the same shape each of whose layers has as few bits as it can have."""
    fewest = {entry.name: entry.smallest for entry in space.dimensions if entry.kind is Kind.BITS}
    return space.config({**config, **fewest}) if fewest else config


def bits_alone(space: Space) -> Space:
    """Return the space of a space's dimensions of precision, each of which is there whatever the shape."""
    return Space(
        Dimension(entry.name, entry.kind, entry.values) for entry in space.dimensions if entry.kind is Kind.BITS
    )
