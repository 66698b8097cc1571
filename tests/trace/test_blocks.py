"""Blocks: which parts of a network can be left out, and how deep it can then be."""

from collections.abc import Callable

import torch
from torch import nn

from supple import convert
from supple.models import mobilenet_small
from supple.models.resnet import BasicBlock
from supple.space import Condition, Kind
from supple.trace import Block, Structure, trace

IMAGE = torch.randn(2, 3, 8, 8)


class Residual(nn.Module):
    """x + conv(x)."""

    def __init__(self, channels: int = 16) -> None:
        super().__init__()
        self.conv = nn.Conv2d(channels, channels, 3, padding=1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x + self.conv(x).relu()


class Plain(nn.Module):
    """conv(x): the same shape, but another meaning of its channels."""

    def __init__(self, channels: int = 16) -> None:
        super().__init__()
        self.conv = nn.Conv2d(channels, channels, 3, padding=1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.conv(x).relu()


class Other(Residual):
    """A residual block of another class."""


class Looped(nn.Module):
    """A `ModuleList` that the forward pass loops over."""

    def __init__(self, *blocks: nn.Module) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, 16, 1)
        self.blocks = nn.ModuleList(blocks)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.stem(x)
        for block in self.blocks:
            x = block(x)
        return x.mean((2, 3))


def network(*blocks: nn.Module) -> nn.Module:
    return nn.Sequential(nn.Conv2d(3, 16, 1), nn.Sequential(*blocks), nn.AdaptiveAvgPool2d(1), nn.Flatten())


def depths(structure: Structure) -> dict[str, tuple[int, ...]]:
    return {entry.name: entry.values for entry in structure.space.dimensions if entry.kind is Kind.DEPTH}


def test_residual_blocks_can_be_left_out_from_the_last_on() -> None:
    structure = trace(network(Residual(), Residual(), Residual()), (IMAGE,))
    assert depths(structure) == {"1.depth": (1, 2, 3)}
    assert structure.blocks == (Block("1.0", "1.depth", 1), Block("1.1", "1.depth", 2), Block("1.2", "1.depth", 3))
    assert structure.dropped_blocks(structure.space.config({"1.depth": 2})) == ("1.2",)


def test_plain_blocks_cannot() -> None:
    assert depths(trace(network(Plain(), Plain(), Plain()), (IMAGE,))) == {}


def test_plain_blocks_cannot_even_where_nothing_can_shrink() -> None:
    # The operator without a rule fixes all channels: that does not make the blocks residual.
    stack = nn.Sequential(*(nn.Sequential(Plain(), nn.GroupNorm(2, 16)) for _ in range(3)))
    assert depths(trace(network(stack), (IMAGE,))) == {}


def test_residual_blocks_can_also_where_nothing_can_shrink() -> None:
    model = nn.Sequential(nn.Conv2d(3, 16, 1), nn.GroupNorm(2, 16), nn.Sequential(Residual(), Residual()))
    structure = trace(model, (IMAGE,))
    assert [entry.name for entry in structure.space.dimensions] == ["2.depth"]


def test_one_block_of_the_stage_stays() -> None:
    assert depths(trace(network(Residual()), (IMAGE,))) == {}
    assert depths(trace(network(Residual(), Residual()), (IMAGE,)))["1.depth"] == (1, 2)


def test_the_block_that_changes_the_shape_counts_as_part_of_the_stage() -> None:
    structure = trace(network(BasicBlock(16, 32, 2), BasicBlock(32, 32, 1)), (IMAGE,))
    assert depths(structure) == {"1.depth": (1, 2)}
    assert structure.blocks == (Block("1.1", "1.depth", 2),)


def test_stages_of_one_flat_container_are_told_apart() -> None:
    stages = (BasicBlock(16, 16, 1), BasicBlock(16, 16, 1), BasicBlock(16, 32, 2), BasicBlock(32, 32, 1))
    structure = trace(network(*stages), (IMAGE,))
    assert depths(structure) == {"1.0.depth": (1, 2), "1.2.depth": (1, 2)}
    assert [block.path for block in structure.blocks] == ["1.0", "1.1", "1.3"]


def test_another_class_begins_another_stage() -> None:
    structure = trace(network(Residual(), Residual(), Other(), Other()), (IMAGE,))
    assert depths(structure) == {"1.0.depth": (1, 2), "1.2.depth": (1, 2)}


def test_blocks_of_a_loop_are_found() -> None:
    assert depths(trace(Looped(Residual(), Residual()), (IMAGE,))) == {"blocks.depth": (1, 2)}


class Stage(nn.Module):
    """Goes through its children in turn, as the stages of timm's RegNet do."""

    def __init__(self, *blocks: nn.Module) -> None:
        super().__init__()
        for number, block in enumerate(blocks, 1):
            self.add_module(f"b{number}", block)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        for block in self.children():
            x = block(x)
        return x


class Named(Stage):
    """Asks for its blocks by name."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.b3(self.b2(self.b1(x)))  # type: ignore[operator,no-any-return]


class Keyed(nn.Module):
    """Goes through the values of a dictionary."""

    def __init__(self, *blocks: nn.Module) -> None:
        super().__init__()
        self.blocks = nn.ModuleDict({f"block {number}": block for number, block in enumerate(blocks)})

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        for block in self.blocks.values():
            x = block(x)
        return x


def stage(kind: Callable[..., nn.Module]) -> nn.Module:
    return nn.Sequential(nn.Conv2d(3, 16, 1), kind(Residual(), Residual(), Residual()), nn.Conv2d(16, 4, 1))


def test_blocks_that_code_of_the_users_own_goes_through_are_found() -> None:
    family = convert(stage(Stage), IMAGE).eval()
    assert depths(family.structure) == {"1.depth": (1, 2, 3)}
    member = family.extract(family.space.min())
    assert [name for name, _ in member[1].named_children()] == ["b1"]
    assert torch.equal(member(IMAGE), family(IMAGE, config=family.space.min()))


def test_blocks_that_code_asks_for_by_name_are_none() -> None:
    model = stage(Named)
    family = convert(model, IMAGE)
    assert depths(family.structure) == {}
    assert not any("depth" in entry.what for entry in family.structure.frozen)
    assert type(model[1]._modules) is type(family.model[1]._modules) is type(nn.Module()._modules)


def test_blocks_of_a_dictionary_are_found() -> None:
    assert depths(convert(stage(Keyed), IMAGE).structure) == {"1.blocks.depth": (1, 2, 3)}


def test_a_block_that_runs_twice_is_no_block_to_drop() -> None:
    shared = Residual()
    assert depths(trace(network(Residual(), shared, shared), (IMAGE,))) == {}


def test_blocks_without_parameters_are_no_depth() -> None:
    assert depths(trace(network(nn.ReLU(), nn.ReLU(), Plain()), (IMAGE,))) == {}


def test_a_block_with_two_outputs_is_no_block_to_drop() -> None:
    class Leaking(Residual):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            self.last = self.conv(x)
            return x + self.last

    class Reader(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.stem = nn.Conv2d(3, 16, 1)
            self.blocks = nn.Sequential(Leaking(), Leaking())

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            x = self.blocks(self.stem(x))
            return x + self.blocks[1].last  # type: ignore[return-value,operator]

    assert depths(trace(Reader(), (IMAGE,))) == {}


class Group(nn.Module):
    """A residual block that is made of residual blocks."""

    def __init__(self) -> None:
        super().__init__()
        self.inner = nn.Sequential(Residual(), Residual())
        self.conv = nn.Conv2d(16, 16, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x + self.conv(self.inner(x))


def test_a_depth_within_a_block_hangs_on_that_block() -> None:
    structure = trace(network(Group(), Group()), (IMAGE,))
    assert depths(structure) == {"1.depth": (1, 2), "1.0.inner.depth": (1, 2), "1.1.inner.depth": (1, 2)}
    assert structure.space["1.0.inner.depth"].conditions == ()
    assert structure.space["1.1.inner.depth"].conditions == (Condition("1.depth", 2),)


def test_depths_of_nested_containers_have_names_of_their_own() -> None:
    pair = lambda: nn.Sequential(Residual(), Residual())  # noqa: E731
    structure = trace(nn.Sequential(pair(), pair()), (torch.randn(2, 16, 8, 8),))
    assert sorted(depths(structure)) == ["0.depth", "0.depth_2", "1.depth"]


def test_what_stands_twice_in_a_container_separates_its_blocks() -> None:
    relu = nn.ReLU()
    assert depths(trace(network(Residual(), relu, Residual(), relu, Residual()), (IMAGE,))) == {}


def test_the_stages_of_a_mobilenet_are_found_in_its_one_container() -> None:
    structure = trace(mobilenet_small(), (torch.randn(2, 3, 16, 16),))
    assert depths(structure) == {
        "blocks.0.depth": (1, 2, 3),
        "blocks.3.depth": (1, 2, 3),
        "blocks.6.depth": (1, 2, 3, 4),
    }
    # The first block of a stage changes the shape, and stays.
    assert [block.path for block in structure.blocks] == [f"blocks.{number}" for number in (1, 2, 4, 5, 7, 8, 9)]


class NormedInTurn(nn.Module):
    """The same features through several bare norms."""

    def __init__(self) -> None:
        super().__init__()
        self.stem, self.norms = nn.Linear(8, 16), nn.ModuleList(nn.LayerNorm(16) for _ in range(3))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.stem(x)
        for norm in self.norms:
            x = norm(x)
        return x.mean(-1)


def test_bare_norms_are_no_blocks() -> None:
    assert depths(trace(NormedInTurn(), (torch.randn(2, 8),))) == {}


class Stacked(nn.Module):
    """Results of layers side by side, in an order of the code's own."""

    def __init__(self, order: tuple[int, ...]) -> None:
        super().__init__()
        self.order = order
        self.weights, self.layers = nn.Linear(8, 4), nn.ModuleList(nn.Linear(8, 16) for _ in range(4))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        results = torch.stack([self.layers[number](x) for number in self.order], 1)
        return (results * self.weights(x).softmax(-1).unsqueeze(-1)).sum((1, 2))


def test_results_side_by_side_are_experts_only_where_each_block_gives_one_in_order() -> None:
    x = torch.randn(2, 8)
    kinds = {entry.name: (entry.kind, entry.values) for entry in trace(Stacked((0, 1, 2, 3)), (x,)).space.dimensions}
    assert kinds["layers.expert"] == (Kind.EXPERT, (1, 2, 3, 4))
    structure = trace(Stacked((1, 0, 2, 3)), (x,))
    assert Kind.EXPERT not in {entry.kind for entry in structure.space.dimensions}
    assert "tensors lie side by side along it" in {entry.reason for entry in structure.frozen}


class Joined(nn.Module):
    """Layers in turn, whose results are all joined (Res2Net)."""

    def __init__(self) -> None:
        super().__init__()
        self.stem, self.head = nn.Linear(8, 64), nn.Linear(64, 4)
        self.layers = nn.ModuleList(nn.Linear(16, 16) for _ in range(4))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        parts = self.stem(x).split(16, -1)
        results, y = [], torch.zeros_like(parts[0])
        for part, layer in zip(parts, self.layers, strict=True):
            y = layer(y + part)
            results.append(y)
        return self.head(torch.cat(results, -1))


def test_blocks_whose_results_are_also_joined_are_none() -> None:
    assert depths(trace(Joined(), (torch.randn(2, 8),))) == {}
