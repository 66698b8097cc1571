"""Tables of precision for the allocator: harm as it was measured, and costs from both ends."""

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from supple import SuppleError
from supple.family.quantized.formats import Format
from supple.precision import Measure, Sensitivity
from supple.searching.allocator import precision_costs, sensitivity_table
from supple.space import Dimension, Kind, Space

WIDTH = Dimension("width", Kind.WIDTH, (8, 16))
BITS = [Dimension("a.bits", Kind.BITS, (4, 8, 32)), Dimension("b.bits", Kind.BITS, (8, 32))]
PRECISIONS = Space(BITS)


def sensitivity(pairs=None):
    harms = {"a.bits": {4: 0.3, 8: 0.1}, "b.bits": {8: 0.2}}
    formats = {"a.bits": {4: Format.INT4_WEIGHTS, 8: Format.INT8}, "b.bits": {8: Format.INT8}}
    saved = {"a.bits": {4: 70, 8: 60}, "b.bits": {8: 60}}
    shape = Space([WIDTH, *BITS]).max()
    return Sensitivity(Measure.INTERACTIONS, shape, 0.5, harms, formats, saved, pairs or {})


def test_the_table_holds_harms_and_pairs():
    table = sensitivity_table(sensitivity({("a.bits", "b.bits"): {(4, 8): -0.05, (8, 8): 0.01}}))
    assert table.space == PRECISIONS
    assert table.of(PRECISIONS.max()) == 0.5
    assert table.of(PRECISIONS.config({"a.bits": 4, "b.bits": 8})) == pytest.approx(0.5 + 0.3 + 0.2 - 0.05)
    assert table.name == "interactions"


def test_the_table_of_the_familys_space_adds_nothing_for_other_dimensions():
    space = Space([WIDTH, *BITS])
    table = sensitivity_table(sensitivity(), space)
    assert table.of(space.config({"width": 8, "a.bits": 8})) == pytest.approx(0.6)


def test_the_table_of_another_space_is_refused():
    with pytest.raises(SuppleError, match=r'has a dimension "a\.bits" that the space lacks'):
        sensitivity_table(sensitivity(), Space([WIDTH]))


def test_costs_that_change_in_pairs_add_up_to_the_whole():
    space = Space(Dimension(f"layer{number}.bits", Kind.BITS, (8, 32)) for number in range(4))

    def cost(config):
        rounded = [bits == 8 for bits in config.values()]
        # Converting between neighbours of different precision costs more than a layer alone gains.
        return 10 - 1.0 * sum(rounded) + 0.8 * sum(one != other for one, other in itertools.pairwise([False, *rounded]))

    asked = []

    def costs_of(configs):
        asked.append(len(configs))
        return [cost(config) for config in configs]

    table = precision_costs(space, "latency_ms", costs_of)
    assert table.of(space.max()) == 10
    assert table.of(space.min()) == pytest.approx(cost(space.min()))
    assert all(row[8] < 0 for row in table.entries.values())
    assert asked == [10]


@given(noise=st.lists(st.floats(-1, 1), min_size=10, max_size=10))
def test_parts_add_up_to_the_whole_whatever_measurements_are_off_by(noise):
    space = Space(Dimension(f"layer{number}.bits", Kind.BITS, (8, 32)) for number in range(4))
    measured = {}

    def costs_of(configs):
        measured.update(zip(configs, (5 + error for error in noise), strict=True))
        return [measured[config] for config in configs]

    table = precision_costs(space, "latency_ms", costs_of)
    assert table.of(space.max()) == measured[space.max()]
    assert table.of(space.min()) == pytest.approx(measured[space.min()])


def test_additive_costs_are_what_each_choice_changes():
    gains = {("a.bits", 4): 3.0, ("a.bits", 8): 2.0, ("b.bits", 8): -1.0}
    table = precision_costs(
        PRECISIONS,
        "ms",
        lambda configs: [9 - sum(gains.get(item, 0.0) for item in config.items()) for config in configs],
    )
    assert table.entries == {"a.bits": {4: -3.0, 8: -2.0, 32: 0.0}, "b.bits": {8: 1.0, 32: 0.0}}
    assert table.base == 9


def test_a_cost_that_is_not_finite_is_refused():
    with pytest.raises(SuppleError, match="table of ms holds nan: every entry must be a finite number"):
        precision_costs(PRECISIONS, "ms", lambda configs: [float("nan")] * len(configs))
