"""Orders of indices along axes: they are permutations, they keep together what belongs together, they can be undone."""

import random

import torch
from hypothesis import given
from hypothesis import strategies as st

from supple.family.permutation import axis_order, inverse, sums_by_index
from supple.trace import Axis, Factor

SIZES = {"x": 3, "y": 4}
FACTORS = st.sampled_from([Factor(2), Factor(5), Factor(SIZES["x"], "x"), Factor(SIZES["y"], "y")])
SEGMENTS = st.lists(FACTORS, min_size=1, max_size=3).map(tuple)
AXES = st.lists(SEGMENTS, min_size=1, max_size=3).map(tuple).map(Axis)


def shuffled(size: int, seed: int) -> list[int]:
    return random.Random(seed).sample(range(size), size)


@given(AXES, st.integers(0, 99))
def test_an_order_is_a_permutation_that_its_inverse_undoes(axis: Axis, seed: int) -> None:
    orders = {name: shuffled(size, seed) for name, size in SIZES.items()}
    there = axis_order(axis, orders)
    back = axis_order(axis, {name: inverse(order) for name, order in orders.items()})
    assert sorted(there) == list(range(axis.full))
    assert [there[index] for index in back] == list(range(axis.full))


@given(AXES, st.integers(0, 99), st.sampled_from(sorted(SIZES)))
def test_sums_move_with_their_indices(axis: Axis, seed: int, dimension: str) -> None:
    if dimension not in axis.dimensions:
        return
    values = torch.rand(2, axis.full, dtype=torch.float64)
    order = shuffled(SIZES[dimension], seed)
    before = sums_by_index(values, axis, dimension)
    after = sums_by_index(values[:, axis_order(axis, {dimension: order})], axis, dimension)
    assert before.shape == (2, SIZES[dimension])
    assert torch.allclose(after, before[:, order])


def test_what_belongs_to_an_index_is_what_a_member_loses_without_it() -> None:
    axis = Axis(((Factor(2), Factor(4, "y"), Factor(5)), (Factor(4, "y"),), (Factor(3, "x"),)))
    values = torch.rand(axis.full, dtype=torch.float64)
    smaller, larger = ({"x": 3, "y": size} for size in (2, 3))
    lost = values[axis.indices(larger)].sum() - values[axis.indices(smaller)].sum()
    assert torch.isclose(sums_by_index(values, axis, "y")[2], lost)


def test_another_dimension_moves_nothing() -> None:
    assert axis_order(Axis(((Factor(3, "x"), Factor(2)),)), {"y": [1, 0]}) == list(range(6))
