"""Units: what is found in a member's graph, and what is written of it as a program of its own."""

import random

import numpy as np
import pytest
from profile_cases import template

from supple.cost.elastic_units import find_elastic_units
from supple.cost.unit_programs import idle_program, unit_program
from supple.cost.units import UnitKind, find_units, with_numbers
from supple.errors import SuppleError
from supple.runtime import OnnxSession
from supple.space import Dimension, Kind, Space


def full_units():
    return find_units(template().outline(template().family.space.max(), 1))


def test_what_runtimes_fuse_is_one_unit():
    found = [(unit.form.kind, [node.op_type for node in unit.form.parsed.node]) for unit in full_units()]
    block = [
        (UnitKind.POINTWISE, ["Conv", "BatchNormalization", "Relu"]),
        (UnitKind.DEPTHWISE, ["Conv", "Relu"]),
        (UnitKind.POINTWISE, ["Conv", "Add"]),
    ]
    assert found == [
        (UnitKind.CONVOLUTION, ["Conv", "Relu"]),
        *block * 3,
        (UnitKind.POOL, ["ReduceMean"]),
        (UnitKind.LINEAR, ["Gemm"]),
    ]


def test_equal_layers_have_one_form_and_one_signature():
    first, second, _ = (unit for unit in full_units() if unit.form.kind is UnitKind.DEPTHWISE)
    assert (first.form, first.numbers) == (second.form, second.numbers)
    assert first.name != second.name


def test_numbers_go_back_to_where_they_came_from():
    unit = full_units()[1]
    graph = with_numbers(unit.form, unit.numbers)
    shapes = {entry.name: [axis.dim_value for axis in entry.type.tensor_type.shape.dim] for entry in graph.input}
    assert shapes["x0"] == [1, 16, 8, 8]
    assert shapes["w0"] == [32, 16, 1, 1]


@pytest.mark.parametrize("place", range(12))
def test_each_unit_runs_by_itself(place):
    unit = full_units()[place]
    session = OnnxSession(unit_program(unit.form, unit.numbers).content)
    assert np.isfinite(session.run(*session.random_inputs(1))).all()


def test_the_same_unit_is_the_same_program():
    unit = full_units()[0]
    assert unit_program(unit.form, unit.numbers).digest == unit_program(unit.form, unit.numbers).digest


def test_the_idle_program_runs():
    session = OnnxSession(idle_program().content)
    assert session.run(*session.random_inputs(1)).shape == (1,)


@pytest.mark.parametrize("batch", [1, 3])
def test_formulas_of_the_config_give_what_a_member_has(batch):
    space, elastic = template().family.space, find_elastic_units(template(), batch)
    rng = random.Random(7)
    for config in [space.max(), space.min(), *(space.sample(rng) for _ in range(20))]:
        found = [(unit.form, unit.numbers) for unit in find_units(template().outline(config, batch))]
        assert [(elastic.forms[entry.form], entry.numbers) for entry in elastic.signatures(config)] == found


def test_a_config_of_another_space_is_refused():
    other = Space([Dimension("one.width", Kind.WIDTH, (8, 16))])
    with pytest.raises(SuppleError, match="belongs to space"):
        find_elastic_units(template(), 1).signatures(other.max())


def test_a_size_that_follows_no_axis_is_named(monkeypatch):
    monkeypatch.setattr("supple.cost.elastic_units.elastic_axes", lambda structure: ())
    with pytest.raises(SuppleError, match=r'a size of the operator ".*" \(\d+ in the full network\) follows no known'):
        find_elastic_units(template(), 1)


def test_members_that_cannot_be_cut_have_no_outline(monkeypatch):
    monkeypatch.setattr(template(), "reason", "they are too different")
    with pytest.raises(SuppleError, match="cannot be cut out of one ONNX export: they are too different"):
        template().outline(template().family.space.max(), 1)
