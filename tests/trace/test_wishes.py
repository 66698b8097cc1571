"""Values, frozen dimensions and ties that a user asks for by pattern."""

import pytest
import torch
from torch import nn

from supple import Choice, SuppleError
from supple.space import Kind
from supple.trace import Structure, trace
from supple.trace.wishes import with_wishes


class Block(nn.Module):
    def __init__(self, kernel: int = 5) -> None:
        super().__init__()
        self.expand = nn.Conv2d(16, 64, 1)
        self.spatial = nn.Conv2d(64, 64, kernel, padding=kernel // 2, groups=64)
        self.project = nn.Conv2d(64, 16, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x + self.project(self.spatial(self.expand(x)))


@pytest.fixture(scope="module")
def structure() -> Structure:
    blocks = nn.Sequential(Block(), Block(7), Choice(Block(), nn.Conv2d(16, 16, 1), nn.Identity()))
    model = nn.Sequential(nn.Conv2d(3, 16, 1), blocks, nn.Conv2d(16, 48, 1), nn.Conv2d(48, 4, 1))
    return trace(model.eval(), torch.randn(2, 3, 8, 8))


def values(structure: Structure) -> dict[str, tuple[int, ...]]:
    return {entry.name: entry.values for entry in structure.space.dimensions}


def test_what_is_there_without_wishes(structure: Structure) -> None:
    assert values(with_wishes(structure, {}, (), {})) == {
        "1.depth": (1, 2),
        "1.2.operator": (2, 1, 0),
        "1.0.spatial.kernel": (3, 5),
        "1.1.spatial.kernel": (3, 5, 7),
        "1.2.options.0.spatial.kernel": (3, 5),
        "0.width": (8, 16),
        "1.0.hidden": (16, 24, 32, 40, 48, 56, 64),
        "1.1.hidden": (16, 24, 32, 40, 48, 56, 64),
        "1.2.options.0.hidden": (16, 24, 32, 40, 48, 56, 64),
        "2.width": (16, 24, 32, 40, 48),
    }


def test_values_are_set_by_pattern_as_sizes_or_as_shares(structure: Structure) -> None:
    wished = values(with_wishes(structure, {"1.*.hidden": [0.5, 1], "1.1": [3], "1.1.hidden": [10, 20]}, (), {}))
    assert wished["1.0.hidden"] == wished["1.2.options.0.hidden"] == (32, 64)
    assert wished["1.1.hidden"] == (10, 20, 64)
    assert wished["1.1.spatial.kernel"] == (3, 7)


def test_options_are_chosen_by_number_and_take_their_dimensions_along(structure: Structure) -> None:
    assert values(with_wishes(structure, {"*.operator": [0, 2]}, (), {}))["1.2.operator"] == (2, 0)


def test_what_is_frozen_by_pattern_is_listed(structure: Structure) -> None:
    wished = with_wishes(structure, {}, ["1.*"], {})
    assert values(wished) == {"1.2.operator": (0,), "0.width": (8, 16), "2.width": (16, 24, 32, 40, 48)}
    assert {entry.reason for entry in wished.frozen} == {"you asked for it to stay as it is"}
    # A member holds no option that it does not run, all the same.
    assert wished.dropped_blocks(wished.space.max()) == ("1.2.options.1", "1.2.options.2")


@pytest.mark.parametrize("pattern", ["3*", "*.heads"])
def test_a_module_without_a_dimension_and_a_kind_that_is_not_there_may_be_frozen(
    structure: Structure, pattern: str
) -> None:
    assert with_wishes(structure, {}, [pattern], {}) == structure


def test_tied_dimensions_are_one_with_the_values_that_all_have(structure: Structure) -> None:
    wished = with_wishes(structure, {"1.0.hidden": [16, 32, 64]}, (), {"stage.hidden": ["1.0.hidden", "1.1.hidden"]})
    assert values(wished)["stage.hidden"] == (16, 32, 64)
    assert not {"1.0.hidden", "1.1.hidden"} & set(values(wished))
    config = wished.space.config({"stage.hidden": 32})
    assert wished.shape("1.0.project.weight", config) == wished.shape("1.1.project.weight", config) == (16, 32, 1, 1)


def test_tied_choices_tie_their_options(structure: Structure) -> None:
    two = nn.Sequential(*(Choice(Block(), nn.Conv2d(16, 16, 1)) for _ in range(2)))
    wished = with_wishes(trace(two.eval(), torch.randn(2, 16, 4, 4)), {}, (), {"operator": "*.operator"})
    assert wished.dropped_blocks(wished.space.config({"operator": 1})) == ("0.options.0", "1.options.0")
    (condition,) = wished.space["1.options.0.hidden"].conditions
    assert (condition.parent, condition.allows(1)) == ("operator", False)


@pytest.mark.parametrize(
    ("choices", "freeze", "ties", "message"),
    [
        ({"0.widht": [8]}, (), {}, r'by the pattern "0\.widht"; did you mean "0\.width"\?'),
        ({}, ["4*"], {}, r'No dimension is found by the pattern "4\*"'),
        (
            {"0.width": [8, 32]},
            (),
            {},
            r'"0\.width" for 8, 32: it can have sizes from 1 to 16, or shares of 16 up to 1',
        ),
        ({"0.width": []}, (), {}, r'"0\.width" for nothing: it can have sizes'),
        (
            {"*.kernel": [4]},
            (),
            {},
            r"kernel\" for 4: it can have sizes from 3 to 5, .*; the sizes of a kernel are odd",
        ),
        ({"*.operator": [1, 2]}, (), {}, r"for 1, 2: it has the options 0, 1, 2, and option 0 must stay"),
        (
            {},
            (),
            {"a": ["0.width", "2.width"]},
            r'"0\.width" \(width, 16\) and "2\.width" \(width, 48\) cannot be tied',
        ),
        ({}, (), {"0.width": "1.*.hidden"}, r'There is a dimension "0\.width" already'),
    ],
)
def test_wishes_that_cannot_be_met_are_refused(
    structure: Structure, choices: dict[str, list[float]], freeze: list[str], ties: dict[str, str], message: str
) -> None:
    with pytest.raises(SuppleError, match=message):
        with_wishes(structure, choices, freeze, ties)


def test_values_at_which_an_attribute_is_no_whole_number_freeze_it() -> None:
    class Halves(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.half = 16
            self.first = nn.Linear(8, 32)
            self.last = nn.Linear(32, 4)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.last(torch.relu(self.first(x).reshape(len(x), self.half * 2)))

    structure = trace(Halves().eval(), torch.randn(2, 8))
    assert values(with_wishes(structure, {"first": [10, 20]}, (), {})) == {"first.width": (10, 20, 32)}
    assert values(with_wishes(structure, {"first": [15]}, (), {})) == {}


def test_kinds_stay(structure: Structure) -> None:
    wished = with_wishes(structure, {}, (), {"kernels": ["1.0.spatial", "1.2.options.0.spatial"]})
    assert wished.space["kernels"].kind is Kind.KERNEL
