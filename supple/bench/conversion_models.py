"""The models that the benchmark `convert` converts, by name.

Those of timm have their own shapes. Those of transformers are made from configs of the shape of a published small model
of the kind, where there is one, with random weights.
"""

from collections.abc import Callable, Mapping
from typing import Any

from torch import nn

from supple.bench.networks import GraphNetwork, LstmTagger, PointNet, UNet
from supple.bench.torchvision_absent import declare_missing_operators
from supple.sources import InputSpec, NamedModel, load_model
from supple.sources.transformers_inputs import model_constants, model_inputs

TIMM = (
    "resnet18",
    "resnet50",
    "mobilenetv3_small_100",
    "efficientnet_b0",
    "tf_efficientnetv2_s",
    "densenet121",
    "convnext_atto",
    "regnety_002",
    "vit_tiny_patch16_224",
    "swin_tiny_patch4_window7_224",
    "levit_128s",
    "mobilevit_xxs",
    "mixer_s32_224",
    "fastvit_t8",
    "efficientvit_b0",
    "mobilenetv4_conv_small",
    "mobilenetv4_hybrid_medium",
    "efficientformer_l1",
    "hrnet_w18_small",
    "res2net50_26w_4s",
    "poolformer_s12",
)

_VOCABULARY = 8192
# (class of the model, class of its config, settings): small models in the proportions of the published base models, in
# which the embedding of the words is about a fifth; then ViT-tiny, and Whisper-tiny (its config's defaults).
TRANSFORMERS: Mapping[str, tuple[str, str, Mapping[str, Any]]] = {
    "bert": (
        "BertForMaskedLM",
        "BertConfig",
        {
            "vocab_size": _VOCABULARY,
            "hidden_size": 384,
            "num_hidden_layers": 6,
            "num_attention_heads": 6,
            "intermediate_size": 1536,
        },
    ),
    "gpt2": (
        "GPT2LMHeadModel",
        "GPT2Config",
        {"vocab_size": _VOCABULARY, "n_embd": 384, "n_layer": 6, "n_head": 6},
    ),
    "llama": (
        "LlamaForCausalLM",
        "LlamaConfig",
        {
            "vocab_size": _VOCABULARY,
            "hidden_size": 384,
            "intermediate_size": 1024,
            "num_hidden_layers": 6,
            "num_attention_heads": 6,
            "num_key_value_heads": 2,
        },
    ),
    "t5": (
        "T5ForConditionalGeneration",
        "T5Config",
        {"vocab_size": _VOCABULARY, "d_model": 384, "d_ff": 1536, "d_kv": 64, "num_heads": 6, "num_layers": 4},
    ),
    "vit": (
        "ViTForImageClassification",
        "ViTConfig",
        {"hidden_size": 192, "num_hidden_layers": 12, "num_attention_heads": 3, "intermediate_size": 768},
    ),
    "whisper": ("WhisperForConditionalGeneration", "WhisperConfig", {}),
}

_NODES = 32
PLAIN: Mapping[str, tuple[Callable[[], nn.Module], tuple[InputSpec, ...]]] = {
    "unet": (UNet, (InputSpec(None, (3, 64, 64)),)),
    "lstm_tagger": (LstmTagger, (InputSpec(None, (16,), "int64"),)),
    "pointnet": (PointNet, (InputSpec(None, (3, 256)),)),
    "graph_network": (GraphNetwork, (InputSpec(None, (_NODES, 500)), InputSpec(None, (_NODES, _NODES)))),
}

NAMES = (*TIMM, *TRANSFORMERS, *PLAIN)

WITH_HEADS = frozenset(
    {
        "vit_tiny_patch16_224",
        "swin_tiny_patch4_window7_224",
        "levit_128s",
        "mobilevit_xxs",
        "efficientvit_b0",
        "mobilenetv4_hybrid_medium",
        "efficientformer_l1",
        *TRANSFORMERS,
    }
)
"""The models with attention, whose families should have heads."""


def build(name: str) -> NamedModel:
    """Return the model of this name with random weights: one of `NAMES`, any other of timm, or `SOURCE:NAME`.

    Raises `SuppleError` where there is none.
    """
    if name in PLAIN:
        make, inputs = PLAIN[name]
        return NamedModel(make(), inputs)
    declare_missing_operators()
    if name in TRANSFORMERS:
        return _of_transformers(*TRANSFORMERS[name])
    return load_model(name if ":" in name else f"timm:{name}", pretrained=False)


def _of_transformers(model_class: str, config_class: str, settings: Mapping[str, Any]) -> NamedModel:
    import transformers

    model = getattr(transformers, model_class)(getattr(transformers, config_class)(**settings))
    return NamedModel(model, model_inputs(model), model_constants(model))
