"""Tests of finding which numbers of a graph are sizes, and of which axes."""

import numpy as np
import onnx
import pytest
from onnx import helper, numpy_helper

from supple.errors import SuppleError
from supple.runtime.onnx_sizes import Place, Size, choose_probe, elastic_axes, match_sizes, with_sizes
from supple.space import Dimension, Kind, Space
from supple.trace import Attribute, Axis, Factor, Structure

SPACE = Space(
    [
        Dimension("depth", Kind.DEPTH, (1, 2)),
        Dimension("one.width", Kind.WIDTH, (8, 16, 24, 32)),
        Dimension("two.width", Kind.WIDTH, (8, 16, 24, 32)),
    ]
)
ONE = Axis(((Factor(32, "one.width"),),))
TWO = Axis(((Factor(32, "two.width"),),))


def graph(groups, shape, scale=1.0):
    nodes = [
        helper.make_node("Conv", ["x", "w"], ["y"], group=groups, pads=[1, 1, 1, 1]),
        helper.make_node("Reshape", ["y", "shape"], ["z"]),
        helper.make_node("LeakyRelu", ["z"], ["out"], alpha=scale),
    ]
    constants = [
        numpy_helper.from_array(np.zeros((groups, 1, 3, 3), np.float32), "w"),
        numpy_helper.from_array(np.array(shape, np.int64), "shape"),
    ]
    return helper.make_model(helper.make_graph(nodes, "graph", [], [], constants))


def config(one, two):
    return SPACE.config({"one.width": one, "two.width": two})


def test_sizes_are_told_from_other_numbers_and_matched_with_their_axes():
    models = [graph(32, [-1, 128, 7]), graph(16, [-1, 32, 7])]
    matches = match_sizes(models, [SPACE.max(), config(16, 8)], [ONE, TWO], [], {"w"}, {})
    assert matches == {
        Place("y", "group", 0): frozenset([Size(((1, ("one.width",)),))]),
        Place("shape", "", 1): frozenset([Size(((4, ("two.width",)),))]),
    }


def test_a_size_that_fits_two_axes_has_both():
    matches = match_sizes([graph(32, [1]), graph(16, [1])], [SPACE.max(), config(16, 16)], [ONE, TWO], [], {"w"}, {})
    assert len(matches[Place("y", "group", 0)]) == 2


def test_a_product_of_dimensions_is_one_size():
    heads = Axis(((Factor(4, "heads"), Factor(8, "head_size")), (Factor(3),)))
    assert Size.of(heads, 2)({"heads": 2, "head_size": 5}) == 2 * (2 * 5 + 3)


@pytest.mark.parametrize(
    ("narrower", "message"),
    [
        (graph(17, [-1, 32, 7]), 'a size at "y" .32 in the full network. is that of no known axis'),
        (graph(16, [-1, 32]), "other shapes in narrower members"),
        (graph(16, [-1, 32, 7], scale=0.5), 'a number at "out" that is not whole'),
    ],
)
def test_what_follows_no_axis_is_refused(narrower, message):
    with pytest.raises(SuppleError, match=message):
        match_sizes([graph(32, [-1, 128, 7]), narrower], [SPACE.max(), config(16, 8)], [ONE, TWO], [], {"w"}, {})


def test_a_graph_of_another_form_is_refused():
    other = graph(16, [-1, 32, 7])
    other.graph.node[2].op_type = "Relu"
    with pytest.raises(SuppleError, match='another form from "out" on'):
        match_sizes([graph(32, [-1, 128, 7]), other], [SPACE.max(), config(16, 8)], [ONE, TWO], [], {"w"}, {})


def test_a_probe_keeps_all_blocks_and_tells_equal_axes_apart():
    probe = choose_probe(SPACE, [ONE, TWO], [])
    assert probe["depth"] == 2
    assert 32 not in (probe["one.width"], probe["two.width"])
    assert probe["one.width"] != probe["two.width"]


def test_dimensions_of_two_values_are_told_apart_by_later_probes():
    space = Space([Dimension("one.kernel", Kind.KERNEL, (3, 5)), Dimension("two.kernel", Kind.KERNEL, (3, 5))])
    axes = [Axis(((Factor(5, name, centred=True),),)) for name in ("one.kernel", "two.kernel")]
    first = choose_probe(space, axes, [])
    assert (first["one.kernel"], first["two.kernel"]) == (3, 3)
    second = choose_probe(space, axes, [first])
    assert second["one.kernel"] != second["two.kernel"]


def test_elastic_axes_leave_fixed_ones_and_depths_out():
    structure = Structure(SPACE, {"w": (ONE, Axis(((Factor(3),),)))}, (), (), ())
    assert elastic_axes(structure) == (ONE, TWO)


def test_a_node_gets_its_sizes_in_a_copy():
    node = helper.make_node("Split", ["x"], ["y"], num_outputs=2, axes=[8, 16])
    changed = with_sizes(node, {Place("y", "axes", 1): 4, Place("y", "num_outputs", 0): 3})
    assert {entry.name: helper.get_attribute_value(entry) for entry in changed.attribute} == {
        "axes": [8, 4],
        "num_outputs": 3,
    }
    assert onnx.helper.get_attribute_value(node.attribute[0]) in ([8, 16], 2)


def test_a_padding_follows_its_kernel():
    space = Space([Dimension("kernel", Kind.KERNEL, (3, 5, 7))])
    padding = Attribute("conv", "padding", Axis(((Factor(7, "kernel", centred=True),),)), 0, scale=2, offset=1)
    small = space.config({"kernel": 3})
    models = [graph(32, [3]), graph(32, [1])]
    (sizes,) = match_sizes(models, [space.max(), small], [padding.axis], [padding], {"w"}, {}).values()
    (size,) = sizes
    assert [size(space.config({"kernel": kernel})) for kernel in (3, 5, 7)] == [1, 2, 3]
