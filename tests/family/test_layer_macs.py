"""Tests of the multiply-accumulates of layers, against those of members that run."""

import random
import time
from collections.abc import Callable
from dataclasses import replace

import pytest
import torch
from architecture_cases import LanguageModel, VisionTransformer
from torch import nn

from supple import Choice
from supple.errors import SuppleError
from supple.family import Family, convert
from supple.family.layer_macs import LayerMacs
from supple.models import mobilenet_small, resnet_demo


class Encoder(nn.Module):
    """Two layers of PyTorch's own transformer over image patches."""

    def __init__(self) -> None:
        super().__init__()
        self.embed = nn.Conv2d(1, 32, 4, 4)
        layers = [nn.TransformerEncoderLayer(32, 4, 64, batch_first=True) for _ in range(2)]
        self.layers = nn.Sequential(*layers)
        self.head = nn.Linear(32, 3)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.head(self.layers(self.embed(x).flatten(2).transpose(1, 2)).mean(1))


class Options(nn.Module):
    """A choice of kernels, a convolution under weight norm, and a gate behind the pooling."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, 16, 3, 2, 1)
        self.choice = Choice(nn.Conv2d(16, 16, 5, padding=2), nn.Conv2d(16, 16, 3, padding=1), nn.Identity())
        self.normed = nn.utils.parametrizations.weight_norm(nn.Conv2d(16, 24, 3, 2, 1))
        self.head = nn.Linear(24, 3)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.head(torch.relu(self.normed(torch.relu(self.choice(self.stem(x))))).mean((2, 3)))


class Recurrent(nn.Module):
    def __init__(self, layer: type[nn.RNNBase]) -> None:
        super().__init__()
        self.embed = nn.Linear(6, 16)
        self.recurrent = layer(16, 24, batch_first=True)
        self.head = nn.Linear(24, 3)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.head(self.recurrent(self.embed(x))[0][:, -1])


class Tied(nn.Module):
    """Words in, words out, by one matrix."""

    def __init__(self) -> None:
        super().__init__()
        self.embed = nn.Embedding(50, 32)
        self.block = nn.Sequential(nn.Linear(32, 64), nn.GELU(), nn.Linear(64, 32))
        self.head = nn.Linear(32, 50, bias=False)
        self.head.weight = self.embed.weight

    def forward(self, words: torch.Tensor) -> torch.Tensor:
        x = self.embed(words)
        return self.head(x + self.block(x))


@pytest.fixture(scope="module")
def mobilenet() -> Family:
    """A family with kernels, hidden widths, gates and depths."""
    return convert(mobilenet_small(), torch.zeros(2, 3, 32, 32))


NETWORKS: dict[str, Callable[[], Family]] = {
    "resnet": lambda: convert(resnet_demo(), torch.zeros(2, 1, 28, 28)),
    "options": lambda: convert(Options(), torch.zeros(2, 3, 17, 17)),
    "resolutions": lambda: convert(Options(), torch.zeros(2, 3, 32, 32), resolutions=[19, 24, 32]),
    "transformer": lambda: convert(Encoder(), torch.zeros(2, 1, 16, 16)),
    "fused attention": lambda: convert(VisionTransformer(), torch.zeros(2, 3, 16, 16)),
    "shared key heads": lambda: convert(LanguageModel(), torch.randint(20, (2, 6))),
    "recurrent": lambda: convert(Recurrent(nn.LSTM), torch.zeros(2, 7, 6)),
    "tied weights": lambda: convert(Tied(), torch.randint(50, (2, 7))),
    "kernel transforms": lambda: convert(resnet_demo(), torch.zeros(2, 1, 28, 28), kernel_transform=True),
}


@pytest.mark.parametrize("make", NETWORKS.values(), ids=NETWORKS)
def test_members_cost_what_running_them_counts(make):
    family, rng = make(), random.Random(1)
    macs = LayerMacs(family)
    for config in [family.space.max(), family.space.min(), *(family.space.sample(rng) for _ in range(20))]:
        assert macs(config) == family.count_macs(config)


def test_layers_of_a_network_with_gates_and_depths_cost_what_running_them_counts(mobilenet):
    rng = random.Random(2)
    macs = LayerMacs(mobilenet)
    for _ in range(20):
        config = mobilenet.space.sample(rng, over=mobilenet.count_parameters)
        assert macs(config) == mobilenet.count_macs(config)


def test_the_products_of_attention_are_there():
    family = convert(Encoder(), torch.zeros(2, 1, 16, 16))
    projections, attention = 4 * 32 * 32 + 2 * 32 * 64, 2 * 16 * 32
    assert LayerMacs(family)(family.space.max()) == 16 * 32 * 16 + 2 * 16 * (projections + attention) + 32 * 3


@pytest.mark.parametrize(("layer", "gates"), [(nn.LSTM, 4), (nn.GRU, 3), (nn.RNN, 1)])
def test_recurrent_layers_are_there(layer, gates):
    family = convert(Recurrent(layer), torch.zeros(2, 7, 6))
    assert LayerMacs(family)(family.space.max()) == 7 * (6 * 16 + gates * 24 * (16 + 24)) + 24 * 3
    narrow = family.space.min()["recurrent.width"]
    assert LayerMacs(family)(family.space.config({"recurrent.width": narrow})) == (
        7 * (6 * 16 + gates * narrow * (16 + narrow)) + narrow * 3
    )


def test_a_config_takes_well_under_a_millisecond(mobilenet):
    macs, rng = LayerMacs(mobilenet), random.Random(4)
    configs = [mobilenet.space.sample(rng) for _ in range(300)]
    start = time.process_time()
    for config in configs:
        macs(config)
    assert (time.process_time() - start) / len(configs) < 1e-3


def test_counting_leaves_the_model_as_it_was(mobilenet):
    before = {key: tensor.clone() for key, tensor in mobilenet.model.state_dict().items()}
    is_training, fast = mobilenet.model.training, torch.backends.mha.get_fastpath_enabled()
    LayerMacs(mobilenet)
    assert all(torch.equal(before[key], tensor) for key, tensor in mobilenet.model.state_dict().items())
    assert (mobilenet.model.training, torch.backends.mha.get_fastpath_enabled()) == (is_training, fast)


def test_inputs_without_shapes_are_refused(mobilenet):
    unknown = mobilenet.with_structure(replace(mobilenet.structure, inputs=None))
    with pytest.raises(SuppleError, match="shapes of the example inputs cannot be written down"):
        LayerMacs(unknown)


def test_a_model_that_does_not_run_on_the_shapes_is_named(mobilenet, monkeypatch):
    monkeypatch.setattr(mobilenet.model, "forward", lambda x: x @ x.new_zeros(3))
    with pytest.raises(SuppleError, match=r"MobileNet does not run on inputs of shape \[2, 3, 32, 32\]: "):
        LayerMacs(mobilenet)
