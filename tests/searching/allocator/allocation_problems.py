"""Small allocation problems, drawn by hypothesis, whose every member can be looked at."""

from hypothesis import strategies as st

from supple.searching.allocator import CostTable, SensitivityTable
from supple.space import Condition, Dimension, Kind, Space


@st.composite
def spaces(draw):
    """A few dimensions; some hang on one or two of those before them, by ranges that may hold for no value."""
    dimensions = []
    for number in range(draw(st.integers(1, 5))):
        values = tuple(range(draw(st.integers(1, 4))))
        above = draw(st.lists(st.sampled_from(dimensions), max_size=2, unique=True)) if dimensions else []
        ends = [sorted(draw(st.tuples(st.integers(0, 3), st.integers(0, 3)))) for _ in above]
        conditions = tuple(Condition(parent.name, *end) for parent, end in zip(above, ends, strict=True))
        dimensions.append(Dimension(f"d{number}", Kind.WIDTH, values, conditions))
    return Space(draw(st.permutations(dimensions)))


# Small whole numbers: sums are exact, ties are common, and budgets are met to the last unit.
figures = st.integers(-3, 9).map(float)


@st.composite
def entries_of(draw, space):
    return {dimension.name: {value: draw(figures) for value in dimension.values} for dimension in space.dimensions}


@st.composite
def pairs_in(draw, space):
    names = [dimension.name for dimension in space.dimensions]
    pairs = [(one, other) for index, one in enumerate(names) for other in names[:index]]
    chosen = draw(st.lists(st.sampled_from(pairs), max_size=3, unique=True)) if pairs else []
    return {
        (one, other): {
            (value, further): draw(figures) for value in space[one].values for further in space[other].values
        }
        for one, other in chosen
    }


@st.composite
def problems(draw, with_pairs=False):
    space = draw(spaces())
    pairs = draw(pairs_in(space)) if with_pairs else {}
    sensitivity = SensitivityTable(space, draw(entries_of(space)), draw(figures), pairs)
    cost_pairs = draw(pairs_in(space)) if with_pairs else {}
    cost = CostTable(space, draw(entries_of(space)), draw(figures), cost_pairs, "latency_ms")
    return sensitivity, cost


def small():
    """Two widths and a block that a depth may drop."""
    space = Space(
        [
            Dimension("depth", Kind.DEPTH, (1, 2)),
            Dimension("inner", Kind.HIDDEN, (8, 16), (Condition("depth", 2),)),
            Dimension("width", Kind.WIDTH, (4, 8, 12)),
        ]
    )
    sensitivity = SensitivityTable(
        space, {"depth": {1: 5.0, 2: 0.0}, "inner": {8: 1.0, 16: 0.0}, "width": {4: 4.0, 8: 1.0, 12: 0.0}}, 2.0
    )
    cost = CostTable(
        space,
        {"depth": {1: 1.0, 2: 2.0}, "inner": {8: 2.0, 16: 4.0}, "width": {4: 1.0, 8: 2.0, 12: 3.0}},
        0.5,
        name="latency_ms",
    )
    return sensitivity, cost
