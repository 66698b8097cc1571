"""Dimensions: their names, values and conditions."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn
from torch.nn import functional

from supple.models.resnet import BasicBlock
from supple.space import Condition, Kind, Space
from supple.trace import Frozen, trace
from supple.trace.dimensions import sizes_from_a_quarter

IMAGE = torch.randn(2, 3, 8, 8)


@given(st.integers(1, 5000))
def test_widths_are_multiples_of_eight_from_a_quarter_on_and_the_size_itself(size: int) -> None:
    values = sizes_from_a_quarter(size, 8)
    assert values[-1] == size
    assert list(values) == sorted(set(values))
    assert all(value % 8 == 0 and value >= size / 4 for value in values[:-1])
    assert set(values[:-1]) == {value for value in range(8, size, 8) if 4 * value >= size}


@pytest.mark.parametrize(("size", "values"), [(7, (7,)), (8, (8,)), (10, (8, 10)), (64, (16, 24, 32, 40, 48, 56, 64))])
def test_width_values(size: int, values: tuple[int, ...]) -> None:
    assert sizes_from_a_quarter(size, 8) == values


def space_of(model: nn.Module, x: torch.Tensor = IMAGE) -> Space:
    return trace(model, (x,)).space


def test_a_width_has_the_name_of_the_layer_that_makes_it() -> None:
    space = space_of(nn.Sequential(nn.Conv2d(3, 16, 1), nn.ReLU(), nn.Conv2d(16, 5, 1)))
    assert [(entry.name, entry.kind, entry.values) for entry in space.dimensions] == [("0.width", Kind.WIDTH, (8, 16))]


def test_what_lives_inside_one_block_is_hidden() -> None:
    space = space_of(nn.Sequential(nn.Conv2d(3, 16, 1), nn.Sequential(BasicBlock(16, 16, 1), BasicBlock(16, 16, 1))))
    kinds = {entry.name: entry.kind for entry in space.dimensions}
    assert kinds["1.0.hidden"] == kinds["1.1.hidden"] == Kind.HIDDEN


def test_a_dimension_of_a_dropped_block_hangs_on_the_depth() -> None:
    space = space_of(nn.Sequential(nn.Conv2d(3, 16, 1), nn.Sequential(BasicBlock(16, 16, 1), BasicBlock(16, 16, 1))))
    assert space["1.1.hidden"].conditions == (Condition("1.depth", 2),)
    assert space["1.0.hidden"].conditions == ()


def test_a_range_too_small_to_shrink_is_named_with_the_reason() -> None:
    structure = trace(nn.Sequential(nn.Conv2d(3, 6, 1), nn.Conv2d(6, 16, 1), nn.Conv2d(16, 5, 1)), (IMAGE,))
    assert [entry.name for entry in structure.space.dimensions] == ["1.width"]
    assert Frozen("0.width", "of 6, no quarter or more is a smaller multiple of 8") in structure.frozen


def test_kernels_and_inputs_and_outputs_are_not_worth_a_word() -> None:
    structure = trace(nn.Sequential(nn.Conv2d(3, 16, 3), nn.Conv2d(16, 64, 3)), (IMAGE,))
    assert structure.frozen == ()


def test_a_parameter_of_the_model_itself_gives_its_name() -> None:
    class Bare(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.first = nn.Parameter(torch.randn(16, 3))
            self.second = nn.Parameter(torch.randn(3, 16))

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return functional.linear(functional.linear(x, self.first), self.second)

    assert [entry.name for entry in space_of(Bare(), torch.randn(2, 3)).dimensions] == ["first.width"]


def test_two_widths_of_one_place_are_numbered() -> None:
    class Halves(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.left, self.right = nn.Conv2d(3, 16, 1), nn.Conv2d(3, 24, 1)
            self.wide, self.norm = nn.Conv2d(3, 40, 1), nn.BatchNorm2d(40)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return (self.norm(torch.cat([self.left(x), self.right(x)], 1)) + self.wide(x)).mean(1)

    names = [entry.name for entry in space_of(Halves()).dimensions]
    assert len(names) == len(set(names)) == 2
