"""Members of transformers' models generate text, and save a config that describes them."""

from pathlib import Path
from typing import Any

import pytest
import torch
import transformers
import without_torchvision  # noqa: F401 (before transformers)
from transformers import GPT2LMHeadModel, LlamaForCausalLM

from supple import Family, convert
from supple.errors import SuppleError
from supple.space import Config, Kind

WORDS = torch.tensor([[3, 4, 5], [6, 7, 8]])


def llama() -> Any:
    config = transformers.LlamaConfig(
        vocab_size=96,
        hidden_size=64,
        intermediate_size=128,
        num_hidden_layers=4,
        num_attention_heads=8,
        num_key_value_heads=4,
        max_position_embeddings=64,
    )
    return LlamaForCausalLM(config).eval()


def gpt2() -> Any:
    config = transformers.GPT2Config(
        vocab_size=96, n_embd=64, n_layer=4, n_head=4, n_positions=64, bos_token_id=0, eos_token_id=1
    )
    return GPT2LMHeadModel(config).eval()


@pytest.fixture(scope="module", params=[llama, gpt2])
def family(request: pytest.FixtureRequest) -> Family:
    torch.manual_seed(0)
    return convert(request.param(), {"input_ids": torch.randint(0, 96, (2, 10)), "use_cache": False})


def of_equal_layers(family: Family, share: int) -> Config:
    """Return the config in which every dimension, the depth too, has the full size divided by `share`."""
    return family.space.config({entry.name: max(entry.largest // share, 1) for entry in family.space.dimensions})


@pytest.mark.parametrize("share", [2, 4])
def test_a_member_of_equal_layers_is_saved_and_read_back(family: Family, share: int, tmp_path: Path) -> None:
    member: Any = family.extract(of_equal_layers(family, share))
    expected = member(WORDS).logits
    member.save_pretrained(tmp_path)
    again = type(member).from_pretrained(tmp_path).eval()
    assert type(again) is type(family.model)
    assert again.config.num_hidden_layers == 4 // share
    assert again.config.hidden_size == 64 // share
    assert {key: tensor.shape for key, tensor in again.state_dict().items()} == {
        key: tensor.shape for key, tensor in member.state_dict().items()
    }
    assert torch.allclose(again(WORDS).logits, expected, atol=1e-6)


def test_the_full_member_keeps_its_config(family: Family, tmp_path: Path) -> None:
    member: Any = family.extract(family.space.max())
    member.save_pretrained(tmp_path)
    sizes = {field: value for field, value in member.config.to_dict().items() if isinstance(value, int)}
    assert sizes == {field: family.model.config.to_dict()[field] for field in sizes}


def test_a_member_generates_the_same_text_with_and_without_its_cache(family: Family) -> None:
    for entry in family.space.dimensions:
        member: Any = family.extract(family.space.config({entry.name: entry.smallest}))
        with_cache, without = (
            member.generate(WORDS, max_new_tokens=6, do_sample=False, use_cache=uses, pad_token_id=0)
            for uses in (True, False)
        )
        assert torch.equal(with_cache, without), entry.name


def test_layers_of_unequal_width_are_refused_with_their_names(family: Family, tmp_path: Path) -> None:
    hidden = next(entry for entry in family.space.dimensions if entry.kind is Kind.HIDDEN)
    member: Any = family.extract(family.space.config({hidden.name: hidden.smallest}))
    with pytest.raises(
        SuppleError, match=r"cannot express this member: it has one value.*\(\S*\.0\.mlp\.\S* .*tie these dim"
    ):
        member.save_pretrained(tmp_path)
    assert not list(tmp_path.iterdir())


def test_dropped_layers_leave_no_gap_in_the_numbers_of_the_cache(family: Family) -> None:
    depth = next(entry for entry in family.space.dimensions if entry.kind is Kind.DEPTH)
    member = family.extract(family.space.config({depth.name: 2}))
    numbers = [vars(module)["layer_idx"] for module in member.modules() if "layer_idx" in vars(module)]
    assert sorted(set(numbers)) == [0, 1]
