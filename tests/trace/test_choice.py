"""Choices: a plain module by itself, and the dimensions that tracing makes of it."""

import pytest
import torch
from torch import nn

from supple import Choice, SuppleError
from supple.trace import Structure, trace
from supple.trace.choice import all_options, find_choices

X = torch.randn(2, 16)


def options() -> tuple[nn.Module, ...]:
    return nn.Linear(16, 24), nn.Sequential(nn.Linear(16, 40), nn.ReLU(), nn.Linear(40, 24)), nn.Linear(16, 24, False)


@pytest.fixture
def structure() -> Structure:
    return trace(nn.Sequential(nn.Linear(8, 16), Choice(*options()), nn.Linear(24, 4)).eval(), torch.randn(2, 8))


def test_by_itself_it_runs_the_first_option() -> None:
    choice = Choice(*options())
    assert torch.equal(choice(X), choice.options[0](X))


def test_for_tracing_all_options_add_up_for_a_while() -> None:
    choice = Choice(nn.Identity(), nn.ReLU())
    with all_options(nn.Sequential(choice)):
        assert torch.equal(choice(X), X + X.relu())
    assert torch.equal(choice(X), X)


@pytest.mark.parametrize(("given", "message"), [((nn.ReLU(),), "two modules or more"), ((nn.ReLU(), None), "Identity")])
def test_what_is_no_choice_is_refused(given: tuple[nn.Module, ...], message: str) -> None:
    with pytest.raises(SuppleError, match=message):
        Choice(*given)


def test_choices_are_found_by_path() -> None:
    inner = Choice(nn.ReLU(), nn.Tanh())
    (outer, nested) = find_choices(nn.Sequential(nn.ReLU(), Choice(nn.Identity(), inner)))
    assert (outer.path, outer.options) == ("1", ("1.options.0", "1.options.1"))
    assert nested.path == "1.options.1"
    assert find_choices(inner)[0].options == ("options.0", "options.1")


def test_options_are_tied_at_both_ends_and_free_inside(structure: Structure) -> None:
    assert {entry.name: entry.values for entry in structure.space.dimensions} == {
        "1.operator": (2, 1, 0),
        "0.width": (8, 16),
        "1.options.1.0.hidden": (16, 24, 32, 40),
        "1.options.width": (8, 16, 24),
    }


def test_what_is_inside_an_option_matters_where_it_is_chosen(structure: Structure) -> None:
    space = structure.space
    assert [space.is_active("1.options.1.0.hidden", {"1.operator": number}) for number in range(3)] == [
        False,
        True,
        False,
    ]
    assert space.count() == 2 * 3 * (1 + 4 + 1)


@pytest.mark.parametrize("number", range(3))
def test_a_member_holds_the_chosen_option_alone(structure: Structure, number: int) -> None:
    config = structure.space.config({"1.operator": number})
    kept = {key.split(".")[2] for key in structure.axes if key.startswith("1.") and structure.keeps(key, config)}
    assert kept == {str(number)}


def test_a_choice_is_no_block_of_a_depth_but_may_stand_in_one() -> None:
    class Residual(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.body = Choice(nn.Linear(8, 8), nn.Linear(8, 8, bias=False))

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return x + self.body(x)

    choices = [Choice(nn.Linear(8, 8), nn.Identity()) for _ in range(2)]
    structure = trace(nn.Sequential(*choices, nn.Sequential(Residual(), Residual())).eval(), torch.randn(2, 8))
    names = {entry.name: entry.conditions for entry in structure.space.dimensions}
    assert {name for name in names if name.endswith("depth")} == {"2.depth"}
    (condition,) = names["2.1.body.operator"]
    assert (condition.parent, condition.at_least) == ("2.depth", 2)
