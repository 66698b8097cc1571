"""The structure of a model: index sets, freezing, and JSON that nobody can break it with."""

import json
import math
import random

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from supple.errors import SuppleError
from supple.models import mobilenet_small
from supple.models.resnet import BasicBlock
from supple.space import Condition, Dimension, Kind, Space
from supple.trace import Attribute, Axis, Block, Factor, Frozen, Structure, trace
from supple.trace.input_shapes import InputShapes, TensorShape

SPACE = Space(
    [
        Dimension("outer", Kind.DEPTH, (1, 2)),
        Dimension("inner", Kind.DEPTH, (1, 2), (Condition("outer", 2),)),
        Dimension("width", Kind.WIDTH, (8, 16), (Condition("inner", 2),)),
    ]
)
WIDTH = Axis(((Factor(16, "width"),),))
STRUCTURE = Structure(
    SPACE,
    {"a.weight": (WIDTH, Axis(((Factor(3),),))), "a.b.weight": (Axis(((Factor(2), Factor(16, "width")),)),)},
    (Attribute("a", "out_channels", WIDTH), Attribute("a", "normalized_shape", WIDTH, 1)),
    (Block("a", "outer", 2), Block("a.b", "inner", 2)),
    (Frozen("head.width", "it is too small"),),
    InputShapes((TensorShape((2, 3), "float32"),), {"mask": None}),
)

FACTORS = st.builds(Factor, st.integers(1, 4), st.sampled_from([None, "x", "y"]))
AXES = st.builds(
    Axis, st.lists(st.lists(FACTORS, min_size=1, max_size=3).map(tuple), min_size=1, max_size=3).map(tuple)
)


@given(AXES, st.integers(1, 4), st.integers(1, 4))
def test_indices_are_ascending_and_as_many_as_the_size(axis: Axis, x: int, y: int) -> None:
    # A dimension keeps at most what a factor has.
    smallest = min(factor.full for segment in axis.segments for factor in segment)
    config = {"x": min(x, smallest), "y": min(y, smallest)}
    indices = axis.indices(config)
    kept = list(range(axis.full))[indices] if isinstance(indices, slice) else indices
    assert kept == sorted(set(kept))
    assert len(kept) == axis.size(config)
    assert isinstance(indices, slice) == (kept == list(range(len(kept))))


def test_an_outermost_factor_keeps_a_prefix() -> None:
    assert Axis(((Factor(4, "heads"), Factor(3)),)).indices({"heads": 2}) == slice(0, 6)


def test_an_inner_factor_keeps_a_prefix_of_every_outer_index() -> None:
    assert Axis(((Factor(3), Factor(4, "size")),)).indices({"size": 2}) == [0, 1, 4, 5, 8, 9]


def test_each_segment_keeps_its_own_prefix() -> None:
    axis = Axis(((Factor(4, "left"),), (Factor(1),), (Factor(3, "right"),)))
    assert axis.indices({"left": 2, "right": 1}) == [0, 1, 4, 5]
    assert axis.indices({"left": 4, "right": 3}) == slice(0, 8)


def test_a_fixed_axis_keeps_everything() -> None:
    axis = Axis(((Factor(5),),))
    assert (axis.indices({}), axis.dimensions, axis.full) == (slice(0, 5), (), 5)


def test_blocks_below_their_depth_are_dropped_with_their_tensors() -> None:
    config = SPACE.config({"outer": 1})
    assert STRUCTURE.dropped_blocks(config) == ("a",)
    assert not STRUCTURE.keeps("a.weight", config)
    assert STRUCTURE.keeps("ab.weight", config)
    assert STRUCTURE.keeps("a.weight", SPACE.max())


def test_a_frozen_dimension_leaves_axes_attributes_and_space() -> None:
    less = STRUCTURE.without("width", "it fails")
    assert [entry.name for entry in less.space.dimensions] == ["outer", "inner"]
    assert less.shape("a.weight", less.space.max()) == (16, 3)
    assert less.axes["a.weight"][0].dimensions == ()
    assert all(not entry.axis.dimensions for entry in less.attributes)
    assert less.frozen[-1] == Frozen("width", "it fails")
    assert less.blocks == STRUCTURE.blocks
    assert less.inputs == STRUCTURE.inputs


def test_what_hung_on_a_frozen_depth_hangs_on_what_is_above_it() -> None:
    less = STRUCTURE.without("inner", "it fails")
    assert less.space["width"].conditions == (Condition("outer", 2),)
    assert less.blocks == (Block("a", "outer", 2),)
    assert less.without("outer", "it fails too").space["width"].conditions == ()


def test_a_structure_comes_back_from_json() -> None:
    assert Structure.from_json(STRUCTURE.to_json()) == STRUCTURE


def test_a_traced_structure_comes_back_from_json() -> None:
    structure = trace(mobilenet_small(), (torch.randn(2, 3, 16, 16),))
    again = Structure.from_json(structure.to_json())
    assert again == structure
    config = structure.space.sample(random.Random(0))
    assert {key: again.shape(key, config) for key in again.axes} == {
        key: structure.shape(key, config) for key in structure.axes
    }


def test_every_parameter_and_buffer_has_axes_of_its_shape() -> None:
    model = nn.Sequential(nn.Conv2d(3, 16, 1), nn.BatchNorm2d(16), BasicBlock(16, 32, 2))
    structure = trace(model, (torch.randn(2, 3, 8, 8),))
    shapes = {key: tuple(tensor.shape) for key, tensor in model.state_dict().items()}
    assert {key: structure.shape(key, structure.space.max()) for key in structure.axes} == shapes


CONTENT = json.loads(STRUCTURE.to_json())


def changed(path: list[str | int], value: object) -> str:
    content = json.loads(STRUCTURE.to_json())
    place = content
    for step in path[:-1]:
        place = place[step]
    place[path[-1]] = value
    return json.dumps(content)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        "null",
        "{}",
        "[" * 100_000,
        changed(["space"], 7),
        changed(["space", 0, "kind"], "length"),
        changed(["axes"], []),
        changed(["axes", "a.weight"], 7),
        changed(["axes", "a.weight"], [[]]),
        changed(["axes", "a.weight"], [[[]]]),
        changed(["axes", "a.weight"], [[[[16]]]]),
        changed(["axes", "a.weight"], [[[["16", None]]]]),
        changed(["axes", "a.weight"], [[[[-16, None]]]]),
        changed(["axes", "a.weight"], [[[[16, "height"]]]]),
        changed(["axes", "a.weight"], [[[[12, "width"]]]]),
        changed(["axes", "a.weight"], [[[[16, ["width"]]]]]),
        changed(["attributes"], [7]),
        changed(["attributes", 0, "module"], 7),
        changed(["attributes", 0, "name"], None),
        changed(["attributes", 0, "position"], "0"),
        changed(["attributes", 0, "position"], -1),
        changed(["blocks", 0, "dimension"], "height"),
        changed(["blocks", 0, "at_least"], 1.5),
        changed(["blocks", 0, "path"], 7),
        changed(["frozen", 0, "reason"], None),
        changed(["frozen"], {"what": "a", "reason": "b"}),
        changed(["inputs"], 7),
        changed(["inputs", "args", 0, "dtype"], "load"),
    ],
)
def test_hostile_json_is_refused(text: str) -> None:
    with pytest.raises(SuppleError, match="This is no s"):
        Structure.from_json(text)


JSON = st.recursive(
    st.none() | st.integers(-1, 20) | st.floats() | st.sampled_from(["width", "outer", "a"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["path", "name"]), inner, max_size=2),
)


@given(st.fixed_dictionaries({key: JSON | st.just(value) for key, value in CONTENT.items()}))
def test_any_json_is_a_structure_or_refused(content: dict[str, object]) -> None:
    try:
        structure = Structure.from_json(json.dumps(content))
    except SuppleError:
        return
    largest = structure.space.max()
    for axes in structure.axes.values():
        assert math.prod(axis.size(largest) for axis in axes) == math.prod(axis.full for axis in axes)


def test_with_all_options_no_choice_is_left() -> None:
    space = Space(
        [
            Dimension("choice", Kind.OPERATOR, (1, 0)),
            Dimension("width", Kind.WIDTH, (8, 16), (Condition("choice", 1, 1),)),
        ]
    )
    blocks = (Block("options.0", "choice", 0, 0), Block("options.1", "choice", 1, 1), Block("a", "width", 16))
    structure = Structure(space, {"options.1.weight": (WIDTH,)}, (), blocks, ()).with_all_options()
    assert structure.space == Space([Dimension("width", Kind.WIDTH, (8, 16))])
    assert structure.blocks == (Block("a", "width", 16),)
