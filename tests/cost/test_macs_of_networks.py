"""Multiply-accumulates of known networks, against PyTorch's own counter on a run without fused attention."""

import without_torchvision  # noqa: F401  # before timm and transformers

from collections.abc import Callable  # isort: skip
from dataclasses import dataclass, field
from functools import partial
from math import prod

import pytest
import timm
import torch
import transformers
from torch import nn
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

from supple.cost.recording import record
from supple.family.counting import count_macs
from supple.models import mobilenet_small, resnet_demo, resnet_small
from supple.trace import ModelInputs

torch.set_num_threads(1)
WORDS = {"input_ids": torch.zeros(1, 6, dtype=torch.int64)}
SIZES = {"vocab_size": 50, "hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4}


@dataclass(frozen=True)
class Network:
    model: Callable[[], nn.Module]
    inputs: object = field(default_factory=lambda: torch.zeros(1, 3, 64, 64))


def of_timm(name: str, size: int = 64) -> Network:
    settings = {} if size == 64 else {"img_size": size}
    return Network(partial(timm.create_model, name, **settings), torch.zeros(1, 3, size, size))


def encoder() -> nn.Module:
    return nn.TransformerEncoder(nn.TransformerEncoderLayer(16, 4, 32, batch_first=True), 2)


NETWORKS = {
    "resnet_demo": Network(resnet_demo, torch.zeros(1, 1, 28, 28)),
    "resnet_small": Network(resnet_small),
    "mobilenet_small": Network(mobilenet_small),
    "transformer encoder": Network(encoder, torch.zeros(1, 7, 16)),
    "transposed convolutions": Network(
        lambda: nn.Sequential(
            nn.Conv2d(3, 8, 3, 2, groups=1), nn.ConvTranspose2d(8, 4, 3, 2, groups=2), nn.Conv2d(4, 4, 3, groups=4)
        )
    ),
    "convolutions in one and three axes": Network(
        lambda: nn.Sequential(nn.Conv1d(3, 8, 3), nn.Unflatten(1, (4, 2, 1)), nn.Conv3d(4, 2, (2, 1, 3))),
        torch.zeros(1, 3, 20),
    ),
    "gru": Network(lambda: nn.GRU(6, 8, batch_first=True), torch.zeros(1, 5, 6)),
    "bert": Network(
        lambda: transformers.BertForSequenceClassification(transformers.BertConfig(**SIZES, intermediate_size=64)),
        WORDS,
    ),
    "gpt2": Network(
        lambda: transformers.GPT2LMHeadModel(transformers.GPT2Config(vocab_size=50, n_embd=32, n_layer=2, n_head=4)),
        WORDS,
    ),
    "llama": Network(
        lambda: transformers.LlamaForCausalLM(
            transformers.LlamaConfig(**SIZES, intermediate_size=64, num_key_value_heads=2)
        ),
        WORDS,
    ),
    "t5": Network(
        lambda: transformers.T5ForConditionalGeneration(
            transformers.T5Config(vocab_size=50, d_model=32, d_kv=8, d_ff=64, num_layers=2, num_heads=4)
        ),
        {**WORDS, "decoder_input_ids": WORDS["input_ids"][:, :4]},
    ),
    "mobilenetv3_small_100": of_timm("mobilenetv3_small_100"),
    "convnext_atto": of_timm("convnext_atto"),
    "vit_tiny_patch16_224": of_timm("vit_tiny_patch16_224", 48),
    "mobilevit_xxs": of_timm("mobilevit_xxs"),
}
LARGE = {
    "resnet18": of_timm("resnet18"),
    "densenet121": of_timm("densenet121"),
    "efficientnet_b0": of_timm("efficientnet_b0"),
    "swin_tiny_patch4_window7_224": of_timm("swin_tiny_patch4_window7_224", 224),
    "efficientvit_b0": of_timm("efficientvit_b0"),
    "res2net50_26w_4s": of_timm("res2net50_26w_4s"),
    "hrnet_w18_small": of_timm("hrnet_w18_small"),
}


@pytest.mark.parametrize(
    "network",
    [
        *(pytest.param(network, id=name) for name, network in NETWORKS.items()),
        *(pytest.param(network, id=name, marks=pytest.mark.slow) for name, network in LARGE.items()),
    ],
)
def test_macs_are_half_of_what_pytorch_counts(network):
    model, inputs = network.model().eval(), ModelInputs.of(network.inputs)
    fast = torch.backends.mha.get_fastpath_enabled()
    torch.backends.mha.set_fastpath_enabled(False)
    try:
        with torch.no_grad(), sdpa_kernel(SDPBackend.MATH), FlopCounterMode(display=False) as counter:
            inputs.run(model)
    finally:
        torch.backends.mha.set_fastpath_enabled(fast)
    expected = counter.get_total_flops() // 2
    assert expected > 0
    assert count_macs(model, network.inputs) == expected
    recording = record(model, inputs)
    assert sum(prod(term) for operator in recording.whole.operators() for term in operator.terms) == expected
