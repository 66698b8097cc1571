"""Conversion of recurrent, point-cloud and graph networks, mixtures of experts, and modules with caches."""

import random
from collections import Counter
from collections.abc import Callable

import pytest
import torch
from other_architecture_cases import (
    CachedBias,
    DenseGraph,
    EdgeList,
    ListedExperts,
    Mixture,
    PointNet,
    StackedExperts,
    Tagger,
    Translator,
)
from torch import nn

from supple import Family, convert
from supple.space import Kind

WORDS, NODES, SEQUENCE = torch.randint(20, (2, 6)), torch.randn(7, 12), torch.randn(2, 6, 12)
MODELS: dict[str, tuple[Callable[[], nn.Module], tuple[torch.Tensor, ...]]] = {
    "lstm": (lambda: Tagger(nn.LSTM), (WORDS,)),
    "projected lstm": (lambda: Tagger(nn.LSTM, proj_size=16), (WORDS,)),
    "gru": (lambda: Tagger(nn.GRU), (WORDS,)),
    "rnn": (lambda: Tagger(nn.RNN), (WORDS,)),
    "points": (PointNet, (torch.randn(2, 3, 9),)),
    "dense graph": (DenseGraph, (NODES, torch.rand(7, 7))),
    "edge list": (EdgeList, (NODES, torch.randint(7, (2, 12)))),
    "all experts": (lambda: Mixture(StackedExperts), (SEQUENCE,)),
    "best experts": (lambda: Mixture(StackedExperts, best=3), (SEQUENCE,)),
    "listed experts": (lambda: Mixture(ListedExperts), (SEQUENCE,)),
    "translator": (Translator, (WORDS, WORDS[:, :4])),
    "cached": (CachedBias, (SEQUENCE,)),
}


@pytest.fixture(scope="module")
def families() -> dict[str, Family]:
    torch.manual_seed(0)
    return {name: convert(model(), inputs).eval() for name, (model, inputs) in MODELS.items()}


def kinds(family: Family) -> Counter[Kind]:
    return Counter(dimension.kind for dimension in family.space.dimensions)


@pytest.mark.parametrize("name", MODELS)
def test_members_equal_their_extracted_networks(name: str, families: dict[str, Family]) -> None:
    family, inputs, rng = families[name], MODELS[name][1], random.Random(1)
    for config in (family.space.min(), *(family.space.sample(rng) for _ in range(4)), family.space.max()):
        with torch.no_grad():
            assert torch.equal(family(*inputs, config=config), family.extract(config)(*inputs))


@pytest.mark.parametrize("name", MODELS)
def test_no_proof_fails(name: str, families: dict[str, Family]) -> None:
    reasons = [entry.reason for entry in families[name].structure.frozen]
    assert not [reason for reason in reasons if "run" in reason or "output" in reason or "rule" in reason]


@pytest.mark.parametrize("name", sorted(MODELS.keys() - {"projected lstm"}))
def test_the_smallest_member_is_small(name: str, families: dict[str, Family]) -> None:
    family = families[name]
    assert family.count_parameters(family.space.min()) < 0.35 * family.count_parameters(family.space.max())


@pytest.mark.parametrize(("name", "gates"), [("lstm", 4), ("gru", 3), ("rnn", 1)])
def test_every_gate_of_a_recurrent_layer_keeps_its_own_rows(name: str, gates: int, families: dict[str, Family]) -> None:
    family = families[name]
    member = family.extract(family.space.config({"recurrent.width": 24})).recurrent
    full = family.model.recurrent.weight_hh_l1_reverse.reshape(gates, 64, 64)
    assert member.hidden_size == 24
    assert torch.equal(member.weight_hh_l1_reverse, full[:, :24, :24].reshape(-1, 24))
    # The second layer reads both directions of the first.
    full = family.model.recurrent.weight_ih_l1.reshape(gates, 64, 2, 64)
    assert torch.equal(member.weight_ih_l1, full[:, :24, :, :24].reshape(-1, 48))
    assert all(one is other for one, other in zip(member._flat_weights, member.parameters(), strict=True))


def test_a_recurrent_member_trains_the_shared_weights(families: dict[str, Family]) -> None:
    family = families["gru"]
    family(WORDS, config=family.space.min()).sum().backward()
    gradient = family.model.recurrent.weight_hh_l0.grad.reshape(3, 64, 64)
    family.zero_grad()
    assert gradient[:, :16, :16].abs().sum() > 0
    assert gradient[:, 16:].abs().sum() + gradient[:, :, 16:].abs().sum() == 0


def test_a_projection_keeps_its_size_and_stays_below_the_hidden_size(families: dict[str, Family]) -> None:
    family = families["projected lstm"]
    assert "a recurrent layer's proj_size must stay below its hidden_size" in {
        entry.reason for entry in family.structure.frozen
    }
    assert family.space["recurrent.width"].smallest == 24


def test_a_learned_square_matrix_shrinks_along_both_of_its_axes(families: dict[str, Family]) -> None:
    family = families["points"]
    member = family.extract(family.space.config({"first.width": 8}))
    assert member.align_features.out.weight.shape == (64, 32)
    assert torch.equal(
        member.align_features.out.bias, family.model.align_features.out.bias.view(32, 32)[:8, :8].flatten()
    )
    assert member.align_features.channels == 8


def test_features_of_nodes_shrink_in_every_written_form(families: dict[str, Family]) -> None:
    assert [dimension.name for dimension in families["edge list"].space.dimensions] == [
        "first.width",
        "second.width",
        "third.width",
    ]


@pytest.mark.parametrize(("name", "smallest"), [("all experts", 2), ("best experts", 3), ("listed experts", 2)])
def test_experts_can_be_left_out_but_not_below_those_that_are_chosen(
    name: str, smallest: int, families: dict[str, Family]
) -> None:
    experts = [entry for entry in families[name].space.dimensions if entry.kind is Kind.EXPERT]
    assert [entry.smallest for entry in experts] == [smallest, smallest]
    assert all(entry.values == tuple(range(smallest, entry.largest + 1)) for entry in experts)


def test_a_member_holds_the_first_experts_and_its_router_knows_them_only(families: dict[str, Family]) -> None:
    family = families["best experts"]
    member = family.extract(family.space.config({"first.expert": 5}))
    assert member.first.up.shape == (5, 32, 48)
    assert member.first.router.weight.shape == (5, 32)
    assert (member.first.count, member.first.best, member.second.count) == (5, 3, 8)
    family = families["listed experts"]
    member = family.extract(family.space.config({"first.experts.expert": 4}))
    assert (len(member.first.experts), member.first.router.out_features, len(member.second.experts)) == (4, 4, 6)


def test_what_lies_inside_a_listed_expert_hangs_on_their_number(families: dict[str, Family]) -> None:
    (condition,) = families["listed experts"].space["first.experts.3.0.hidden"].conditions
    assert (condition.parent, condition.at_least) == ("first.experts.expert", 4)


def test_a_member_does_not_see_what_another_has_cached(families: dict[str, Family]) -> None:
    family = families["cached"]
    assert kinds(family)[Kind.HEADS] == 1
    small, large = family.space.min(), family.space.max()
    with torch.no_grad():
        for config in (large, small, large):
            assert torch.equal(family(SEQUENCE, config=config), family.extract(config)(SEQUENCE))
    assert family.model.cache == family.extract(small).cache == {}


def test_heads_of_pytorch_s_own_attention_shrink_with_the_stream(families: dict[str, Family]) -> None:
    family = families["translator"]
    assert family.structure.frozen == ()
    assert kinds(family) == {Kind.HEADS: 1, Kind.WIDTH: 1, Kind.HIDDEN: 4, Kind.DEPTH: 2}
    member = family.extract(family.space.min())
    attention = member.transformer.decoder.layers[0].self_attn
    assert (attention.embed_dim, attention.num_heads, attention.kdim, attention.head_dim) == (16, 1, 16, 16)
    assert (member.attention.embed_dim, member.attention.kdim, member.transformer.d_model) == (16, 8, 16)
    # Each of the queries, keys and values keeps the rows of the first head.
    full = family.model.transformer.decoder.layers[0].self_attn.in_proj_weight.reshape(3, 4, 16, 64)
    assert torch.equal(attention.in_proj_weight, full[:, 0, :, :16].reshape(48, 16))
