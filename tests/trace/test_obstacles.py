"""A model that cannot be captured: the message has the line of the user's code."""

import re
from pathlib import Path

import pytest
import torch
from torch import nn

from supple import convert
from supple.errors import SuppleError

X = torch.randn(4, 12)


class Plain(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.first, self.last = nn.Linear(12, 32), nn.Linear(32, 5)


class Branching(Plain):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.first(x)
        if x.sum() > 0:  # the branch
            x = x + 1
        return self.last(x)  # type: ignore[no-any-return]


class Leaving(Plain):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        numbers = self.first(x).detach().numpy()  # leaves PyTorch
        return self.last(torch.from_numpy(numbers))  # type: ignore[no-any-return]


class Mistaken(Plain):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.last(self.first(x)[:, :7])  # type: ignore[no-any-return]


def line_of(text: str) -> str:
    lines = Path(__file__).read_text(encoding="utf-8").splitlines()
    return str(next(number for number, line in enumerate(lines, 1) if text in line))


@pytest.mark.parametrize(
    ("kind", "source", "reason"),
    [
        (Branching, "if x.sum() > 0:", "what it computes depends on the numbers in a tensor, which no graph can hold"),
        (Leaving, "numbers = self.first(x)", "RuntimeError: .numpy() is not supported"),
        (Mistaken, "return self.last(self.first(x)[:, :7])", "RuntimeError: mat1 and mat2 shapes cannot be multiplied"),
    ],
)
def test_the_line_in_the_way_is_named(kind: type[nn.Module], source: str, reason: str) -> None:
    with pytest.raises(SuppleError) as caught:
        convert(kind(), X)
    message = str(caught.value)
    place = rf"{re.escape(__file__)}:{line_of(source)}: `{re.escape(source)}[^`]*`: {re.escape(reason)}"
    assert re.search(place, message)
    assert "\n" not in message


def test_without_a_line_of_the_users_the_message_is_pytorchs() -> None:
    with pytest.raises(SuppleError, match=r"Linear cannot be captured with inputs of shape \[4, 11\]: ") as caught:
        convert(nn.Linear(12, 32), X[:, :11])
    assert "RuntimeError: mat1 and mat2 shapes cannot be multiplied" in str(caught.value)
