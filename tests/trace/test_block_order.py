"""Another order of dropping blocks: the blocks, and what hangs on them, take their new places."""

import pytest
import torch

from supple.errors import SuppleError
from supple.models import mobilenet_small
from supple.space import Condition, Dimension, Kind, Space
from supple.trace import Axis, Block, Factor, Structure, trace
from supple.trace.block_order import with_block_order


def width(name: str, condition: Condition | None) -> Dimension:
    return Dimension(name, Kind.WIDTH, (8, 16), () if condition is None else (condition,))


def axis(name: str) -> tuple[Axis, ...]:
    return (Axis(((Factor(16, name),),)),)


# Three blocks, the first of which always stays; the last one holds two blocks of its own.
STRUCTURE = Structure(
    Space(
        [
            Dimension("depth", Kind.DEPTH, (1, 2, 3)),
            Dimension("inner", Kind.DEPTH, (1, 2), (Condition("depth", 3),)),
            width("a", None),
            width("b", Condition("depth", 2)),
            width("both", None),
            width("c", Condition("depth", 3)),
            width("in c", Condition("inner", 2)),
            width("outside", None),
        ]
    ),
    {
        "blocks.a.weight": axis("a"),
        "blocks.b.weight": axis("b"),
        "blocks.a.both": axis("both"),
        "blocks.b.both": axis("both"),
        "blocks.c.weight": axis("c"),
        "blocks.c.1.weight": axis("in c"),
        "blocks.a.outside": axis("outside"),
        "head": axis("outside"),
    },
    (),
    (
        Block("blocks.a", "depth", 1),
        Block("blocks.b", "depth", 2),
        Block("blocks.c", "depth", 3),
        Block("blocks.c.0", "inner", 1),
        Block("blocks.c.1", "inner", 2),
    ),
    (),
)


def conditions(structure: Structure) -> dict[str, Condition | None]:
    return {entry.name: next(iter(entry.conditions), None) for entry in structure.space.dimensions}


def test_blocks_and_what_hangs_on_them_take_their_new_places() -> None:
    moved = with_block_order(STRUCTURE, "depth", ["blocks.c", "blocks.b", "blocks.a"])
    assert moved.dropped_blocks(moved.space.config({"depth": 1})) == ("blocks.a", "blocks.b")
    assert conditions(moved) == {
        "depth": None,
        "inner": None,
        "a": Condition("depth", 3),
        "b": Condition("depth", 2),
        "both": Condition("depth", 2),
        "c": None,
        "in c": Condition("inner", 2),
        "outside": None,
    }
    assert moved.axes == STRUCTURE.axes
    assert moved.space.digest != STRUCTURE.space.digest


def test_the_old_order_brings_everything_back() -> None:
    moved = with_block_order(STRUCTURE, "depth", ["blocks.c", "blocks.a", "blocks.b"])
    assert with_block_order(moved, "depth", ["blocks.a", "blocks.b", "blocks.c"]) == STRUCTURE


def test_blocks_of_an_inner_depth_stay_inside() -> None:
    moved = with_block_order(STRUCTURE, "inner", ["blocks.c.1", "blocks.c.0"])
    assert conditions(moved)["in c"] == Condition("depth", 3)
    assert with_block_order(moved, "inner", ["blocks.c.0", "blocks.c.1"]) == STRUCTURE


def test_the_order_of_tracing_is_kept_by_itself() -> None:
    structure = trace(mobilenet_small(), (torch.randn(2, 3, 16, 16),))
    for depth in (entry for entry in structure.space.dimensions if entry.kind is Kind.DEPTH):
        paths = [block.path for block in structure.blocks if block.dimension == depth.name]
        assert with_block_order(structure, depth.name, paths) == structure


@pytest.mark.parametrize(
    ("dimension", "paths", "message"),
    [
        ("dept", [], 'The space has no depth dimension "dept"; did you mean "depth"'),
        ("a", [], 'The space has no depth dimension "a"'),
        ("inner", ["blocks.c.0"], r'The order of the blocks of "inner" must name each of .* once, not \['),
        ("inner", ["blocks.c.0", "blocks.c.0"], r'The order of the blocks of "inner" must name each of .* once, not'),
    ],
)
def test_mistakes_are_told(dimension: str, paths: list[str], message: str) -> None:
    with pytest.raises(SuppleError, match=message):
        with_block_order(STRUCTURE, dimension, paths)
