"""What the proof runs, and how it finds what is to blame."""

from collections.abc import Iterator
from contextlib import contextmanager

import pytest
import torch
from torch import nn

from supple import Family, convert
from supple.family.proof import proved
from supple.trace import ModelInputs, trace


class Watched(nn.Module):
    """Notes what runs it: the shape of the input, the widths and the mode."""

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.head = nn.Conv2d(3, 32, 3, padding=1), nn.Linear(32, 16)
        self.norm, self.last = nn.BatchNorm1d(16), nn.Linear(16, 5)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        if runs is not None:
            runs.append((tuple(x.shape), len(self.conv.weight), len(self.head.weight), self.training))
        x = self.conv(x).relu().mean((2, 3))
        return self.last(self.norm(self.head(x)))  # type: ignore[no-any-return]


runs: list[tuple[tuple[int, ...], int, int, bool]] | None = None


@contextmanager
def watched() -> Iterator[list[tuple[tuple[int, ...], int, int, bool]]]:
    global runs  # noqa: PLW0603 - a copied or extracted model must note into the same list
    runs = []
    try:
        yield runs
    finally:
        runs = None


def test_each_dimension_runs_alone_on_one_small_sample_and_all_together_on_the_inputs() -> None:
    model, x = Watched(), torch.randn(4, 3, 128, 128)
    family = Family(model.eval(), trace(model, ModelInputs.of(x)))
    with watched() as noted:
        proved(family, model, ModelInputs.of(x))
    members = [entry for entry in noted if entry[1:3] != (32, 16)]
    small, whole = (1, 3, 32, 32), (4, 3, 128, 128)
    # Inside the family and taken out.
    assert members[:4] == [(small, 8, 16, False)] * 2 + [(small, 32, 8, False)] * 2
    assert members[4:6] == [(whole, 8, 8, False)] * 2
    # One sample has no batch statistics.
    assert members[6] == ((4, 3, 32, 32), 8, 8, True)
    assert {entry[0] for entry in members[4:] if not entry[3]} == {whole}


def test_without_the_proof_nothing_is_run_and_nothing_frozen() -> None:
    class Choosy(Watched):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            if len(self.conv.weight) != 32:
                raise ValueError("wants its 32 channels")
            return super().forward(x)

    x = torch.randn(2, 3, 8, 8)
    assert [entry.name for entry in convert(Choosy(), x).space.dimensions] == ["head.width"]
    unproved = convert(Choosy(), x, prove=False)
    assert [entry.name for entry in unproved.space.dimensions] == ["conv.width", "head.width"]
    with pytest.raises(ValueError, match="wants its 32 channels"):
        unproved(x, config=unproved.space.min())


class Together(nn.Module):
    """Eight widths, of which training wants one or another whole."""

    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.ModuleList(nn.Linear(12, 32) for _ in range(8))
        self.heads = nn.ModuleList(nn.Linear(32, 5) for _ in range(8))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        widths = [layer(x) for layer in self.layers]
        if self.training and widths[2].shape[1] < 32 and widths[5].shape[1] < 32:
            raise ValueError("three and six are too small")
        return sum(head(y) for head, y in zip(self.heads, widths, strict=True))  # type: ignore[return-value]


def test_the_one_to_blame_for_a_joint_failure_is_found_among_many() -> None:
    family = convert(Together(), torch.randn(2, 12))
    (frozen,) = family.structure.frozen
    assert frozen.what in ("layers.2.width", "layers.5.width")
    assert "three and six are too small" in frozen.reason
    assert len(family.space) == 7


def test_the_search_for_the_one_to_blame_runs_few_members() -> None:
    model, x = Together(), torch.randn(2, 12)
    family = Family(model, trace(model, ModelInputs.of(x)))
    calls = 0

    def count(*_: object) -> None:
        nonlocal calls
        calls += 1

    handle = model.register_forward_hook(count)
    proved(family, model, ModelInputs.of(x))
    handle.remove()
    # Twice eight alone, five together at three runs each, three steps of the search, and what checks the inputs.
    assert calls < 50
