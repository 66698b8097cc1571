"""Tests of formulas of sizes, and of tables of what depends on them."""

import numpy as np
import pytest

from supple.cost.config_arrays import positions_of, random_values
from supple.cost.sizes import Effect, Size, fit_size, product_at
from supple.cost.tables import LARGEST_TABLE, Tables, Term
from supple.space import Dimension, Kind, Space

HEADS = Effect("heads", (1, 4), (16, 64))
WIDTH = Effect("width", (8, 32), (40, 64))


def test_a_product_of_two_dimensions():
    size = fit_size(64, [HEADS, Effect("size", (4, 16), (16, 64))], [({"heads": 2, "size": 8}, 16)])
    assert size is not None
    assert not size.adds
    assert size.of({"heads": 3, "size": 4}) == 12


def test_a_sum_of_two_dimensions():
    size = fit_size(64, [WIDTH, Effect("other", (4, 16), (52, 64))], [({"width": 16, "other": 8}, 40)])
    assert size is not None
    assert size.adds
    assert size.of({"width": 8, "other": 4}) == 28


def test_what_is_neither_has_no_formula():
    assert fit_size(64, [HEADS, WIDTH], [({"heads": 1, "width": 8}, 11)]) is None


def test_a_resolution_has_a_size_for_each_value():
    size = Size(49, (Effect("input.resolution", (96, 160, 224), (9, 25, 49)),))
    assert size.at({"input.resolution": np.array([224, 96, 160])}).tolist() == [49, 9, 25]


def test_a_product_of_sizes_for_many_configs():
    found = product_at([Size(3), Size(64, (HEADS,)), Size(2)], {"heads": np.array([1, 2, 4])})
    assert found.tolist() == [96, 192, 384]


@pytest.mark.parametrize("count", [3, 12])
def test_a_table_gives_the_sum_of_its_terms(count):
    # Of twelve dimensions some terms are too large for a table.
    space = Space(Dimension(f"d{number}", Kind.WIDTH, (1, 2, 5, 7)) for number in range(count))
    names = [entry.name for entry in space.dimensions]
    assert (4 ** len(names) > LARGEST_TABLE) == (count == 12)
    terms = [
        Term(frozenset(names), lambda values: sum(values[name] ** 2 for name in names)),
        Term(frozenset(names[:2]), lambda values: values["d0"] * values["d1"]),
        Term(frozenset(), lambda values: np.asarray(3.0)),
    ]
    values = random_values(space, 100, np.random.default_rng(0))
    found = Tables(space, terms)(positions_of(space, values), 100)
    assert found.tolist() == ((values**2).sum(axis=1) + values[:, 0] * values[:, 1] + 3).tolist()
