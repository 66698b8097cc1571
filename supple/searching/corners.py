"""The members that every search looks at first: the ends of the space."""

from supple.space import Config, Kind, Space


def corners_of(space: Space) -> tuple[Config, ...]:
    """Return the largest and the smallest member, and the largest in the fewest bits where precision is searched."""
    fewest_bits = {entry.name: entry.smallest for entry in space.dimensions if entry.kind is Kind.BITS}
    return tuple(dict.fromkeys((space.max(), space.min(), space.config(fewest_bits))))
