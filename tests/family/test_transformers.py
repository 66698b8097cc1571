"""Conversion of transformers' models, as their users call them: named inputs, structured outputs, caches."""

import random
from collections import Counter
from collections.abc import Callable, Mapping
from typing import Any

import pytest
import torch
import without_torchvision  # noqa: F401 (before transformers)
from torch import nn

from supple import Family, convert
from supple.space import Kind
from supple.trace.outputs import seen_leaves

transformers = pytest.importorskip("transformers")

WORDS = torch.randint(5, 100, (2, 9))
SIZES = {"vocab_size": 100, "hidden_size": 64, "num_hidden_layers": 3, "num_attention_heads": 4}
SPECIAL = {"pad_token_id": 0, "bos_token_id": 1, "eos_token_id": 2, "decoder_start_token_id": 1}


def bert() -> Any:
    return transformers.BertConfig(**SIZES, intermediate_size=128)


def whisper() -> Any:
    sides = {f"{side}_{name}": size for side in ("encoder", "decoder") for name, size in _WHISPER_SIDE.items()}
    return transformers.WhisperConfig(vocab_size=100, d_model=64, max_source_positions=20, **sides, **SPECIAL)


_WHISPER_SIDE = {"layers": 2, "attention_heads": 4, "ffn_dim": 128}

MODELS: dict[str, tuple[Callable[[], Any], Mapping[str, torch.Tensor]]] = {
    "bert": (
        lambda: transformers.BertForSequenceClassification(bert()),
        {"input_ids": WORDS, "attention_mask": torch.ones_like(WORDS)},
    ),
    "bare bert": (lambda: transformers.BertModel(bert()), {"input_ids": WORDS}),
    "gpt2": (
        lambda: transformers.GPT2LMHeadModel(transformers.GPT2Config(vocab_size=100, n_embd=64, n_layer=3, n_head=4)),
        {"input_ids": WORDS},
    ),
    "llama": (
        lambda: transformers.LlamaForCausalLM(
            transformers.LlamaConfig(**SIZES, intermediate_size=128, num_key_value_heads=2)
        ),
        {"input_ids": WORDS},
    ),
    "t5": (
        lambda: transformers.T5ForConditionalGeneration(
            transformers.T5Config(vocab_size=100, d_model=64, d_kv=16, d_ff=128, num_layers=3, num_heads=4)
        ),
        {"input_ids": WORDS, "decoder_input_ids": WORDS[:, :5]},
    ),
    "vit": (
        lambda: transformers.ViTForImageClassification(
            transformers.ViTConfig(**SIZES, intermediate_size=128, image_size=32)
        ),
        {"pixel_values": torch.randn(2, 3, 32, 32)},
    ),
    "whisper": (
        lambda: transformers.WhisperForConditionalGeneration(whisper()),
        {"input_features": torch.randn(2, 80, 40), "decoder_input_ids": WORDS},
    ),
    "mixtral": (
        lambda: transformers.MixtralForCausalLM(
            transformers.MixtralConfig(**SIZES, intermediate_size=128, num_key_value_heads=2, num_local_experts=4)
        ),
        {"input_ids": WORDS},
    ),
}
KINDS = {
    "bert": {Kind.DEPTH: 1, Kind.EMBED: 1, Kind.HEADS: 3, Kind.HIDDEN: 3, Kind.WIDTH: 1},
    "bare bert": {Kind.DEPTH: 1, Kind.HEADS: 3, Kind.HIDDEN: 3},
    "gpt2": {Kind.DEPTH: 1, Kind.EMBED: 1, Kind.HEADS: 3, Kind.HIDDEN: 3},
    # Key heads, and how many query heads share each of them.
    "llama": {Kind.DEPTH: 1, Kind.EMBED: 1, Kind.HEADS: 6, Kind.HIDDEN: 3},
    # One table of relative positions ties the heads of all layers of a stack; the cross attention has its own.
    "t5": {Kind.DEPTH: 2, Kind.EMBED: 1, Kind.HEADS: 3, Kind.HIDDEN: 6},
    "vit": {Kind.DEPTH: 1, Kind.EMBED: 1, Kind.HEADS: 3, Kind.HIDDEN: 3},
    "whisper": {Kind.DEPTH: 2, Kind.EMBED: 2, Kind.HEADS: 6, Kind.HIDDEN: 4, Kind.WIDTH: 1},
    "mixtral": {Kind.DEPTH: 1, Kind.EMBED: 1, Kind.HEADS: 6, Kind.HIDDEN: 3, Kind.EXPERT: 3},
}


@pytest.fixture(scope="module")
def families() -> dict[str, Family]:
    transformers.logging.set_verbosity_error()
    torch.manual_seed(0)
    return {name: convert(model().eval(), dict(inputs)).eval() for name, (model, inputs) in MODELS.items()}


@pytest.mark.parametrize("name", MODELS)
def test_members_equal_their_extracted_networks(name: str, families: dict[str, Family]) -> None:
    family, inputs, rng = families[name], MODELS[name][1], random.Random(1)
    for config in (family.space.min(), *(family.space.sample(rng) for _ in range(3))):
        member = family.extract(config)
        assert type(member) is type(family.model)
        with torch.no_grad():
            inside, outside = seen_leaves(family(**inputs, config=config)), seen_leaves(member(**inputs))
        assert all(torch.equal(one, other) for one, other in zip(inside, outside, strict=True))


@pytest.mark.parametrize("name", MODELS)
def test_every_dimension_is_found(name: str, families: dict[str, Family]) -> None:
    assert Counter(dimension.kind for dimension in families[name].space.dimensions) == KINDS[name]


@pytest.mark.parametrize("name", sorted(MODELS.keys() - {"bare bert"}))
def test_nothing_is_frozen_and_the_smallest_member_is_small(name: str, families: dict[str, Family]) -> None:
    family = families[name]
    assert family.structure.frozen == ()
    assert family.count_parameters(family.space.min()) < 0.15 * family.count_parameters(family.space.max())


def test_the_stream_of_a_bare_encoder_is_its_output_and_the_summary_says_so(families: dict[str, Family]) -> None:
    (entry,) = families["bare bert"].structure.frozen
    assert entry.what.endswith(".embed")
    assert entry.reason == "it is an output of the model"


def test_attributes_of_grouped_queries_follow_their_heads(families: dict[str, Family]) -> None:
    family = families["llama"]
    attention: nn.Module = family.extract(family.space.min()).model.layers[0].self_attn
    assert [layer.out_features for layer in (attention.q_proj, attention.k_proj, attention.v_proj)] == [16, 16, 16]
    assert attention.num_key_value_groups == 1
