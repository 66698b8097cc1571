"""Models by name: which class comes back, with which weights and which inputs."""

from pathlib import Path

import pytest
import torch
import without_torchvision  # noqa: F401 (before timm and transformers)
from torch import nn
from transformers import (
    BertConfig,
    BertForMaskedLM,
    CLIPConfig,
    CLIPModel,
    GPT2Config,
    GPT2LMHeadModel,
    T5Config,
    T5ForConditionalGeneration,
    ViTConfig,
    ViTForImageClassification,
    Wav2Vec2Config,
    Wav2Vec2ForCTC,
    WhisperConfig,
    WhisperForConditionalGeneration,
)

from supple.models import resnet_demo
from supple.sources import InputSpec, load_model, random_inputs
from supple.storage import save_tensors

SMALL = {"num_hidden_layers": 1, "hidden_size": 16, "num_attention_heads": 2, "intermediate_size": 32}
SMALL_T5 = {"num_layers": 1, "d_model": 16, "d_ff": 32, "num_heads": 2, "d_kv": 8, "vocab_size": 50}
SMALL_WHISPER = {
    "d_model": 16, "encoder_layers": 1, "decoder_layers": 1, "encoder_attention_heads": 2, "decoder_attention_heads": 2,
    "encoder_ffn_dim": 32, "decoder_ffn_dim": 32, "max_source_positions": 20, "vocab_size": 50, "pad_token_id": 0,
}  # fmt: skip
TRANSFORMERS = {
    "bert": (
        lambda: BertForMaskedLM(BertConfig(vocab_size=50, **SMALL)),
        (InputSpec("input_ids", (16,), "int64", 50),),
    ),
    "gpt2": (
        lambda: GPT2LMHeadModel(GPT2Config(vocab_size=50, n_positions=8, n_embd=16, n_layer=1, n_head=2)),
        (InputSpec("input_ids", (8,), "int64", 50),),
    ),
    "t5": (
        lambda: T5ForConditionalGeneration(T5Config(**SMALL_T5)),
        (InputSpec("input_ids", (16,), "int64", 50), InputSpec("decoder_input_ids", (16,), "int64", 50)),
    ),
    "vit": (
        lambda: ViTForImageClassification(ViTConfig(image_size=32, patch_size=16, **SMALL)),
        (InputSpec("pixel_values", (3, 32, 32)),),
    ),
    "whisper": (
        lambda: WhisperForConditionalGeneration(WhisperConfig(**SMALL_WHISPER)),
        (InputSpec("input_features", (80, 40)), InputSpec("decoder_input_ids", (16,), "int64", 50)),
    ),
    "wav2vec2": (
        lambda: Wav2Vec2ForCTC(Wav2Vec2Config(vocab_size=50, **SMALL)),
        (InputSpec("input_values", (16_000,)),),
    ),
    "clip": (
        lambda: CLIPModel(
            CLIPConfig(
                text_config={"vocab_size": 50, **SMALL},
                vision_config={"image_size": 32, "patch_size": 16, **SMALL},
            )
        ),
        (InputSpec("input_ids", (16,), "int64", 50), InputSpec("pixel_values", (3, 32, 32))),
    ),
}


@pytest.mark.parametrize("name", TRANSFORMERS)
def test_a_transformers_folder_gives_its_class_its_weights_and_its_inputs(name: str, tmp_path: Path) -> None:
    build, inputs = TRANSFORMERS[name]
    saved = build()
    saved.save_pretrained(tmp_path)
    found = load_model(str(tmp_path))
    assert type(found.model) is type(saved)
    assert same_weights(found.model, saved)
    assert found.inputs == inputs
    with torch.no_grad():
        random_inputs(found.model, found.inputs, found.constants).run(found.model.eval())


def test_a_transformers_folder_without_weights_gives_random_ones(tmp_path: Path) -> None:
    BertConfig(vocab_size=50, **SMALL).save_pretrained(tmp_path)
    one, other = load_model(str(tmp_path)), load_model(str(tmp_path))
    assert type(one.model).__name__ == "BertModel"
    assert same_weights(one.model, other.model)
    assert not same_weights(one.model, load_model(str(tmp_path), seed=1).model)


def test_a_config_that_names_something_else_than_a_model_gives_the_bare_model(tmp_path: Path) -> None:
    BertConfig(vocab_size=50, architectures=["Trainer", "pipeline"], **SMALL).save_pretrained(tmp_path)
    assert type(load_model(str(tmp_path)).model).__name__ == "BertModel"


def test_weights_that_are_not_asked_for_are_not_loaded(tmp_path: Path) -> None:
    saved = TRANSFORMERS["bert"][0]()
    saved.save_pretrained(tmp_path)
    assert not same_weights(load_model(str(tmp_path), pretrained=False).model, saved)


def test_a_hub_name_goes_to_transformers_as_it_is(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    saved = TRANSFORMERS["bert"][0]()
    saved.save_pretrained(tmp_path / "small-bert")
    # transformers takes a folder where the hub has a repository of the name.
    monkeypatch.chdir(tmp_path)
    assert same_weights(load_model("transformers:small-bert").model, saved)


def test_a_timm_model_comes_with_the_size_of_its_images() -> None:
    found = load_model("timm:test_vit")
    assert type(found.model).__module__ == "timm.models.vision_transformer"
    assert found.inputs == (InputSpec(None, (3, 160, 160)),)
    assert same_weights(found.model, load_model("timm:test_vit").model)


def test_pretrained_weights_of_timm_are_read_from_safetensors(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    source = load_model("timm:test_vit", seed=5).model
    save_tensors(tmp_path / "model.safetensors", source.state_dict())
    asked: list[tuple[str, str]] = []

    def download(repository: str, file: str) -> str:
        asked.append((repository, file))
        return str(tmp_path / file)

    monkeypatch.setattr("huggingface_hub.hf_hub_download", download)
    assert same_weights(load_model("timm:test_vit", pretrained=True).model, source)
    assert asked == [("timm/test_vit.r160_in1k", "model.safetensors")]


def test_a_function_is_called_and_a_module_is_taken_as_it_is() -> None:
    assert isinstance(load_model("supple.models:resnet_demo").model, type(resnet_demo()))
    assert load_model(f"{__name__}:READY").model is READY


def test_weights_from_a_file_are_loaded(tmp_path: Path) -> None:
    source = resnet_demo()
    save_tensors(tmp_path / "w.safetensors", source.state_dict())
    found = load_model("supple.models:resnet_demo", weights=tmp_path / "w.safetensors")
    assert same_weights(found.model, source)


READY = nn.Linear(3, 16)


def same_weights(one: nn.Module, other: nn.Module) -> bool:
    first, second = one.state_dict(), other.state_dict()
    return first.keys() == second.keys() and all(torch.equal(first[key], second[key]) for key in first)
