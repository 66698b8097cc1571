"""Models that name the size of their batch as a number, and models that do not."""

import re
import warnings
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import nn

from supple import convert

X = torch.randn(8, 3, 4)
Forward = Callable[["Plain", torch.Tensor], torch.Tensor]


class Plain(nn.Module):
    def __init__(self, forward: Forward) -> None:
        super().__init__()
        self.own_forward = forward
        self.token = nn.Parameter(torch.zeros(1, 12))
        self.first, self.last = nn.Linear(12, 32), nn.Linear(32, 5)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.own_forward(self, x)

    def end(self, x: torch.Tensor) -> torch.Tensor:
        return self.last(self.first(x).relu())  # type: ignore[no-any-return]


FIXED: dict[str, Forward] = {
    "a view": lambda self, x: self.end(x.view(8, -1)),
    "a view of all sizes": lambda self, x: self.end(x.view(8, 12)),
    "a token": lambda self, x: self.end(torch.stack([self.token.expand(8, -1), x.flatten(1)], 1).mean(1)),
    "zeros that broadcast": lambda self, x: self.end(x.flatten(1)) + torch.zeros(8, 5),
    "an output": lambda self, x: self.end(x.flatten(1)).view(-1).reshape(8, -1),
}

FREE: dict[str, Forward] = {
    "flattened": lambda self, x: self.end(x.flatten(1)),
    "its own size": lambda self, x: self.end(x.view(x.shape[0], -1)),
    "the same number elsewhere": lambda self, x: self.end(x.flatten(1)) + self.last.bias.expand(8, -1).mean(0),
}


@pytest.mark.parametrize("name", FIXED)
def test_a_fixed_batch_is_told_with_its_line(name: str) -> None:
    lines = Path(__file__).read_text(encoding="utf-8").splitlines()
    number, line = next((number, line) for number, line in enumerate(lines, 1) if f'"{name}": lambda' in line)
    place = re.escape(f"{__file__}:{number}: `{line.strip()}`")
    with pytest.warns(
        UserWarning, match=f"Plain fixes the batch size, at {place}: its family runs on batches of 8 only"
    ):
        family = convert(Plain(FIXED[name]), X).eval()
    smallest = family.space.min()
    assert torch.equal(family(X, config=smallest), family.extract(smallest)(X))


@pytest.mark.parametrize("name", FREE)
def test_a_free_batch_is_not(name: str) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        family = convert(Plain(FREE[name]), X).eval()
    assert family(X[:3]).shape == (3, 5)
