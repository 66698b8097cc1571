"""The run with tagged integers: which attributes are sizes of which axes, and that the model is left as it was."""

import pytest
import torch
from torch import nn

from supple.trace import Attribute, trace
from supple.trace.capture import capture
from supple.trace.inputs import ModelInputs
from supple.trace.tagging import Source, TaggedInt, find_uses

X = torch.randn(2, 6, 32)
INPUTS = ModelInputs.of(X)


class Attention(nn.Module):
    """Multi-head attention with fused queries, keys and values."""

    def __init__(self) -> None:
        super().__init__()
        self.num_heads, self.head_dim = 4, 8
        self.qkv, self.proj = nn.Linear(32, 96), nn.Linear(32, 32)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        batch, length, _ = x.shape
        q, k, v = self.qkv(x).reshape(batch, length, 3, self.num_heads, self.head_dim).permute(2, 0, 3, 1, 4)
        y = (q @ k.transpose(-1, -2)).softmax(-1) @ v
        return self.proj(y.transpose(1, 2).reshape(batch, length, self.num_heads * 8))  # type: ignore[no-any-return]


class Scaled(nn.Module):
    """An attribute that is a third of an axis."""

    def __init__(self) -> None:
        super().__init__()
        self.width, self.shape = 16, (16, 3)
        self.first, self.last = nn.Linear(32, 48), nn.Linear(48, 5)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.last(self.first(x).reshape(-1, 3 * self.width))  # type: ignore[no-any-return]


class Failing(nn.Module):
    """Runs only with the integers that it was made with."""

    def __init__(self) -> None:
        super().__init__()
        self.sizes, self.size = (8, 8), 32
        self.linear = nn.Linear(32, 32)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        assert type(self.size) is int
        return self.linear(x)  # type: ignore[no-any-return]


def attributes(model: nn.Module, x: torch.Tensor = X) -> dict[str, Attribute]:
    return {
        f"{entry.module}.{entry.name}": entry
        for entry in trace(nn.Sequential(nn.Linear(32, 32), model), (x,)).attributes
    }


def plain(model: nn.Module) -> list[tuple[str, type, object]]:
    return [
        (name, type(value), value)
        for module in model.modules()
        for name, value in vars(module).items()
        if isinstance(value, int | tuple)
    ]


def test_the_number_of_heads_is_found_and_follows_its_dimension() -> None:
    structure = trace(Attention(), (X,))
    (heads,) = [entry for entry in structure.attributes if entry.name == "num_heads"]
    assert heads.axis.dimensions == ("qkv.heads",)
    assert [heads.axis.size({"qkv.heads": count}) for count in (1, 3, 4)] == [1, 3, 4]


def test_the_size_of_a_head_is_bound_where_it_is_used() -> None:
    captured = capture(Attention(), INPUTS)
    uses = {
        (getattr(use.source, "name", None), use.node.target._opname, use.axis, use.scale)
        for use in find_uses(Attention(), INPUTS, captured)
    }
    assert uses == {
        ("num_heads", "reshape", 3, 1),
        ("head_dim", "reshape", 4, 1),
        ("num_heads", "reshape", 2, 8),
    }


def test_an_entry_of_a_tuple_is_found_with_its_position() -> None:
    norm = attributes(nn.Sequential(nn.LayerNorm(32), nn.Linear(32, 5)))["1.0.normalized_shape"]
    assert norm.position == 0
    assert norm.axis.dimensions == ("0.width",)


def test_a_product_with_a_constant_gives_a_scale() -> None:
    entry = attributes(Scaled())["1.width"]
    assert entry.scale == 3
    assert entry.axis.full == 48


def test_a_dimension_that_the_attribute_cannot_follow_everywhere_is_frozen() -> None:
    structure = trace(Scaled(), (X,))
    assert "first.width" not in structure.space
    assert {entry.what: entry.reason for entry in structure.frozen}["first.width"] == (
        ".width times 3 cannot follow each of its values"
    )


@pytest.mark.parametrize("model", [Attention(), Scaled(), nn.LayerNorm(32)], ids=["heads", "scaled", "norm"])
def test_the_model_is_left_as_it_was(model: nn.Module) -> None:
    before = plain(model)
    captured = capture(model, INPUTS)
    find_uses(model, INPUTS, captured)
    assert plain(model) == before
    assert not any(module._forward_hooks or module._forward_pre_hooks for module in model.modules())


def test_what_the_forward_pass_copies_is_plain_afterwards() -> None:
    class Copying(Attention):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            self.seen = self.num_heads
            return super().forward(x)

    model = Copying()
    find_uses(model, INPUTS, capture(model, INPUTS))
    assert type(model.seen) is int


def test_a_model_that_fails_with_tagged_integers_is_left_as_it_was_and_traced_without() -> None:
    model = Failing()
    before = plain(model)
    structure = trace(nn.Sequential(nn.Linear(32, 32), model, nn.Linear(32, 5)), (X,))
    assert plain(model) == before
    assert not model._forward_hooks
    assert [entry.name for entry in structure.space.dimensions] == ["0.width", "1.linear.width"]
    assert any(entry.what == "sizes in attributes" for entry in structure.frozen)


def test_a_tagged_integer_is_that_integer() -> None:
    source = Source("a", "b")
    tagged = TaggedInt(4, source)
    assert (tagged * 3, (2 * tagged).scale, (tagged * 3 * 2).scale) == (12, 2, 6)
    assert type(tagged * tagged) is type(tagged + 1) is type(tagged // 2) is int
    assert torch.zeros(tagged).shape == (4,)


def test_one_size_of_all_parts_is_found() -> None:
    class Halves(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.half = 16
            self.first, self.last = nn.Linear(32, 32), nn.Linear(16, 5)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            left, right = self.first(x).split(self.half, -1)
            return self.last(left * right)  # type: ignore[no-any-return]

    structure = trace(Halves(), (X,))
    config = structure.space.min()
    assert {entry.name: entry.axis.size(config) for entry in structure.attributes}["half"] == 8
    assert structure.shape("first.weight", config) == (16, 32)


class Enlarged(nn.Module):
    """Sizes that are read from one tensor, for others."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.second = nn.Linear(32, 16), nn.Linear(16, 5)
        self.scale = nn.Parameter(torch.ones(1))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y = self.first(x)
        scale = self.scale.expand(y.size(-1)) + torch.zeros(y.shape[2])
        return self.second(y * scale)  # type: ignore[no-any-return]


def test_a_size_that_is_read_from_a_tensor_follows_it() -> None:
    structure = trace(Enlarged(), (X,))
    assert [dimension.name for dimension in structure.space.dimensions] == ["first.width"]


class Unflattened(nn.Module):
    """Heads that are split off the last axis."""

    def __init__(self) -> None:
        super().__init__()
        self.num_heads, self.first = 4, nn.Linear(32, 48)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.first(x).unflatten(-1, (self.num_heads, 12)).mean(-1).flatten(2).sum(-1)


def test_the_sizes_of_an_unflattened_axis_are_told_apart() -> None:
    captured = capture(Unflattened(), INPUTS)
    (use,) = [use for use in find_uses(Unflattened(), INPUTS, captured) if isinstance(use.source, Source)]
    assert (use.source.name, use.axis) == ("num_heads", 2)
