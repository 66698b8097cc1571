"""Conversion of the written forms of today's architectures: which dimensions, and that members are right."""

import random
from collections import Counter

import pytest
import torch
from architecture_cases import Dense, Gated, LanguageModel, Shuffled, UNet, VisionTransformer
from torch import nn

from supple import Family, convert
from supple.space import Kind

IMAGE = torch.randn(2, 3, 8, 8)
MODELS: dict[str, tuple[type[nn.Module], torch.Tensor]] = {
    "vision transformer": (VisionTransformer, torch.randn(2, 3, 16, 16)),
    "language model": (LanguageModel, torch.randint(20, (2, 6))),
    "u-net": (UNet, IMAGE),
    "dense": (Dense, IMAGE),
    "shuffled": (Shuffled, IMAGE),
    "gated": (Gated, torch.randn(2, 12)),
}


@pytest.fixture(scope="module")
def families() -> dict[str, Family]:
    torch.manual_seed(0)
    return {name: convert(model(), x).eval() for name, (model, x) in MODELS.items()}


def kinds(family: Family) -> Counter[Kind]:
    return Counter(dimension.kind for dimension in family.space.dimensions)


@pytest.mark.parametrize("name", MODELS)
def test_members_equal_their_extracted_networks(name: str, families: dict[str, Family]) -> None:
    family, x, rng = families[name], MODELS[name][1], random.Random(1)
    for config in (family.space.min(), *(family.space.sample(rng) for _ in range(4))):
        with torch.no_grad():
            assert torch.equal(family(x, config=config), family.extract(config)(x))


@pytest.mark.parametrize("name", MODELS)
def test_no_proof_fails(name: str, families: dict[str, Family]) -> None:
    reasons = [entry.reason for entry in families[name].structure.frozen]
    assert not [reason for reason in reasons if "run" in reason or "output" in reason or "rule" in reason]


@pytest.mark.parametrize("name", MODELS)
def test_the_smallest_member_is_small(name: str, families: dict[str, Family]) -> None:
    family = families[name]
    assert family.count_parameters(family.space.min()) < 0.3 * family.count_parameters(family.space.max())


def test_a_vision_transformer_has_all_its_dimensions(families: dict[str, Family]) -> None:
    family = families["vision transformer"]
    assert kinds(family) == {Kind.DEPTH: 1, Kind.EMBED: 1, Kind.HEADS: 3, Kind.HIDDEN: 3}
    member = family.extract(family.space.config({"blocks.0.attn.qkv.heads": 1}))
    assert [block.attn.num_heads for block in member.blocks] == [1, 4, 4]
    assert [block.attn.head_dim for block in member.blocks] == [8, 8, 8]
    assert member.blocks[0].attn.qkv.weight.shape == (24, 32)
    embed = next(dimension for dimension in family.space.dimensions if dimension.kind is Kind.EMBED)
    member = family.extract(family.space.config({embed.name: 8}))
    assert member.norm.normalized_shape == (8,)
    assert member.token.shape == (1, 1, 8)
    assert [block.attn.num_heads for block in member.blocks] == [4, 4, 4]


def test_a_head_keeps_its_own_rows(families: dict[str, Family]) -> None:
    family = families["vision transformer"]
    member = family.extract(family.space.config({"blocks.1.attn.qkv.heads": 2}))
    full = family.model.blocks[1].attn.qkv.weight.reshape(3, 4, 8, 32)
    assert torch.equal(member.blocks[1].attn.qkv.weight, full[:, :2].reshape(48, 32))


def test_a_language_model_has_all_its_dimensions(families: dict[str, Family]) -> None:
    family = families["language model"]
    assert kinds(family) == {Kind.DEPTH: 1, Kind.EMBED: 1, Kind.HEADS: 3, Kind.HIDDEN: 3}
    heads = next(dimension for dimension in family.space.dimensions if dimension.kind is Kind.HEADS)
    # Two query heads share each of the two key heads.
    assert heads.values == (1, 2)
    member = family.extract(family.space.config({heads.name: 1}))
    shapes = {name: tuple(getattr(member.blocks[0].attn, name).weight.shape) for name in ("q", "k", "v", "out")}
    assert shapes == {"q": (16, 32), "k": (8, 32), "v": (8, 32), "out": (32, 16)}
    assert member.head.weight is member.table.weight


def test_skips_and_groups_of_a_u_net(families: dict[str, Family]) -> None:
    family = families["u-net"]
    assert family.structure.shape("merge.weight", family.space.min()) == (8, 16, 3, 3)
    assert family.structure.shape("up.weight", family.space.min()) == (8, 8, 2, 2)
    assert family.extract(family.space.min()).norm1.num_groups == 4


def test_each_part_of_a_dense_concatenation_shrinks_by_itself(families: dict[str, Family]) -> None:
    family = families["dense"]
    assert len(family.space) == 4
    (name,) = family.structure.axes["layers.0.conv.weight"][0].dimensions
    config = family.space.config({name: 8})
    assert family.structure.axes["head.weight"][1].indices(config) == [*range(24), *range(32, 64)]


def test_halves_are_of_one_size(families: dict[str, Family]) -> None:
    assert [dimension.largest for dimension in families["gated"].space.dimensions] == [32, 32]


def test_shuffled_channels_shrink(families: dict[str, Family]) -> None:
    family = families["shuffled"]
    config = family.space.min()
    assert family.structure.shape("stem.weight", config)[0] == 2 * family.structure.shape("norm.weight", config)[0] < 64
