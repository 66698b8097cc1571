"""Parts of a forward under autocast or without gradients are part of the graph like any other."""

import torch
from torch import nn

from supple import convert
from supple.trace import trace


class Wrapped(nn.Module):
    """Works in full precision for a while, and stops gradients, one inside the other."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.inner, self.last = nn.Linear(8, 32), nn.Linear(32, 24), nn.Linear(24, 4)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Map x: (batch, 8) to (batch, 4)."""
        x = self.first(x)
        with torch.autocast("cpu", enabled=False):
            y, shift = self.inner(x.relu()), x.mean(1, keepdim=True)
            with torch.no_grad():
                scale = (y * 2).sigmoid()
        return self.last(y * scale + shift)  # type: ignore[no-any-return]


def test_what_runs_under_a_wrapper_is_traced() -> None:
    structure = trace(Wrapped().eval(), torch.randn(2, 8))
    assert not structure.frozen
    assert {entry.name for entry in structure.space.dimensions} == {"first.width", "inner.width"}


def test_members_equal_their_extracted_networks() -> None:
    family = convert(Wrapped().eval(), torch.randn(2, 8))
    x = torch.randn(5, 8)
    for config in (family.space.max(), family.space.min()):
        assert torch.equal(family(x, config=config), family.extract(config)(x))
