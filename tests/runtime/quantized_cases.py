"""A small convolutional network and a small transformer, trained for some seconds, as families with precisions."""

from dataclasses import dataclass
from functools import cache
from itertools import islice
from typing import Any

import torch
from torch import nn
from torch.nn import functional

from supple.data import FashionMnistConfig, load_splits
from supple.family import Family, QuantizationConfig, convert, quantize
from supple.models.resnet import BasicBlock
from supple.space import Config, Kind

STEPS = 120


class SmallCnn(nn.Module):
    """A stem, residual blocks, a depthwise convolution with ReLU6, a layer that is called twice, and a head."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Sequential(nn.Conv2d(1, 8, 3, 2, 1, bias=False), nn.BatchNorm2d(8), nn.ReLU())
        self.blocks = nn.Sequential(BasicBlock(8, 16, 2), BasicBlock(16, 16, 1))
        self.depthwise = nn.Sequential(nn.Conv2d(16, 16, 3, 1, 1, groups=16), nn.BatchNorm2d(16), nn.ReLU6())
        self.twice = nn.Conv2d(16, 16, 1)
        self.hidden = nn.Linear(16 * 9, 24)
        self.head = nn.Linear(24, 10)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Map x: (batch, 1, 28, 28) to logits (batch, 10)."""
        x = self.depthwise(self.blocks(self.stem(x)))
        x = self.twice(functional.relu(self.twice(x)))
        return self.head(functional.relu(self.hidden(functional.avg_pool2d(x, 2).flatten(1))))


class Attention(nn.Module):
    """Multi-head self-attention over tokens."""

    def __init__(self, embed: int, num_heads: int) -> None:
        super().__init__()
        self.num_heads = num_heads
        self.qkv = nn.Linear(embed, 3 * embed)
        self.proj = nn.Linear(embed, embed)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Map x: (batch, tokens, embed) to the same shape."""
        batch, tokens, embed = x.shape
        q, k, v = self.qkv(x).reshape(batch, tokens, 3, self.num_heads, embed // self.num_heads).permute(2, 0, 3, 1, 4)
        x = functional.scaled_dot_product_attention(q, k, v)
        return self.proj(x.transpose(1, 2).reshape(batch, tokens, embed))


class Block(nn.Module):
    """Attention and two linear layers, each behind a norm and with a shortcut around it."""

    def __init__(self, embed: int, num_heads: int) -> None:
        super().__init__()
        self.norm1, self.attention = nn.LayerNorm(embed), Attention(embed, num_heads)
        self.norm2, self.fc1, self.fc2 = nn.LayerNorm(embed), nn.Linear(embed, 2 * embed), nn.Linear(2 * embed, embed)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Map x: (batch, tokens, embed) to the same shape."""
        x = x + self.attention(self.norm1(x))
        return x + self.fc2(functional.gelu(self.fc1(self.norm2(x))))


class SmallTransformer(nn.Module):
    """A vision transformer of two blocks; no size of a layer is a multiple of 32."""

    def __init__(self) -> None:
        super().__init__()
        self.patches = nn.Conv2d(1, 24, 7, 7)
        self.positions = nn.Parameter(torch.randn(1, 16, 24) * 0.02)
        self.blocks = nn.Sequential(Block(24, 3), Block(24, 3))
        self.norm, self.head = nn.LayerNorm(24), nn.Linear(24, 10)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Map x: (batch, 1, 28, 28) to logits (batch, 10)."""
        x = self.blocks(self.patches(x).flatten(2).transpose(1, 2) + self.positions)
        return self.head(self.norm(x).mean(1))


NETWORKS = {"cnn": SmallCnn, "transformer": SmallTransformer}


@dataclass(frozen=True)
class Data:
    """Batches of images with labels to train on, of images to calibrate on, and test images."""

    training: list[tuple[torch.Tensor, torch.Tensor]]
    calibration: list[torch.Tensor]
    test: torch.Tensor


@cache
def data() -> Data:
    splits = load_splits(FashionMnistConfig(), 64, 0)
    training = list(islice(splits.train, STEPS))
    return Data(training, [images for images, _ in training[:4]], torch.cat([images for images, _ in splits.test]))


@cache
def trained(network: str) -> Family:
    """Return a family whose members differ in widths and depth, and whose full network was trained for some steps.

    Some channels' batch norms multiply by negative numbers, and one by 0.
    """
    torch.set_num_threads(1)
    torch.manual_seed(0)
    model = NETWORKS[network]()
    norms = [module for module in model.modules() if isinstance(module, nn.BatchNorm2d)]
    for norm in norms:
        nn.init.uniform_(norm.weight, 0.5, 1.0)
        norm.weight.data[1::4] *= -1
    optimizer = torch.optim.Adam(model.parameters())
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 1e-2, STEPS)
    for images, labels in data().training:
        optimizer.zero_grad()
        functional.cross_entropy(model(images), labels).backward()
        optimizer.step()
        schedule.step()
    for norm in norms[:1]:
        norm.weight.data[2] = 0.0
    return convert(model.eval(), data().calibration[0][:2])


def with_precision(network: str, config: QuantizationConfig) -> Family:
    """Return the trained family with dimensions of precision."""
    return quantize(trained(network), config)


def bits_everywhere(family: Family, **others: int) -> Config:
    """Return the member whose layers all have the fewest bits, but for other values of some dimensions."""
    bits = {entry.name: entry.values[0] for entry in family.space.dimensions if entry.kind is Kind.BITS}
    return family.space.config({**bits, **others})


def taken_out(family: Family, config: Config) -> nn.Module:
    """Return a calibrated member, ready to export."""
    family.calibrate(config, data().calibration)
    return family.extract(config).eval()


class Corners(nn.Module):
    """Channels that a batch norm turns round or switches off, and a convolution that gives the model's output."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.conv, self.norm = nn.Conv2d(3, 16, 3, bias=False), nn.BatchNorm2d(16)
        self.last = nn.Conv2d(16, 5, 3)
        with torch.no_grad():
            self.norm.weight[:3] = torch.tensor([-1.0, 0.0, -0.5])
            self.norm.bias[1] = 0.7
            self.last.weight += 0.05

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Map x: (batch, 3, height, width) to (batch, 5, height - 4, width - 4)."""
        return self.last(functional.relu6(self.norm(self.conv(x))))


PICTURES = torch.randn(16, 3, 8, 8, generator=torch.Generator().manual_seed(3))


def corners(**settings: Any) -> nn.Module:
    """Return a calibrated member of it that rounds all that it can to 8 bits."""
    torch.set_num_threads(1)
    family = quantize(convert(Corners().eval(), PICTURES[:2]), QuantizationConfig(**settings))
    bits = {entry.name: 8 for entry in family.space.dimensions if entry.kind is Kind.BITS}
    config = family.space.config(bits)
    family.calibrate(config, [PICTURES])
    return family.extract(config).eval()
