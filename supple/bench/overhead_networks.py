"""The networks whose members' cost is measured: convolutions, a vision transformer's shape and a language model's."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import torch
from torch import nn
from torch.nn import functional

from supple.models import mobilenet_small, resnet_demo


class Attention(nn.Module):
    """Multi-head attention with its queries, keys and values in one projection."""

    def __init__(self, width: int, num_heads: int) -> None:
        super().__init__()
        self.head_size = width // num_heads
        self.qkv, self.out = nn.Linear(width, 3 * width), nn.Linear(width, width)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Map x: (batch, positions, width) to the same shape."""
        batch, positions, _ = x.shape
        q, k, v = self.qkv(x).reshape(batch, positions, 3, -1, self.head_size).permute(2, 0, 3, 1, 4).unbind(0)
        y = functional.scaled_dot_product_attention(q, k, v)
        return self.out(y.transpose(1, 2).flatten(2))  # type: ignore[no-any-return]


class Layer(nn.Module):
    """Attention and an MLP, each with a shortcut; the norms stand before them (ViT) or after (BERT)."""

    def __init__(self, width: int, num_heads: int, norm_first: bool) -> None:
        super().__init__()
        self.norm_first = norm_first
        self.attention, self.norm1 = Attention(width, num_heads), nn.LayerNorm(width)
        self.mlp = nn.Sequential(nn.Linear(width, 4 * width), nn.GELU(), nn.Linear(4 * width, width))
        self.norm2 = nn.LayerNorm(width)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Map x: (batch, positions, width) to the same shape."""
        if self.norm_first:
            x = x + self.attention(self.norm1(x))
            return x + self.mlp(self.norm2(x))  # type: ignore[no-any-return]
        x = self.norm1(x + self.attention(x))
        return self.norm2(x + self.mlp(x))  # type: ignore[no-any-return]


class ViT(nn.Module):
    """By default ViT-Tiny with a third of its layers, on images of the published size: 196 patches of 16 x 16 pixels.

    Source: Dosovitskiy et al., An Image is Worth 16x16 Words, 2021.
    """

    def __init__(
        self,
        width: int = 192,
        depth: int = 4,
        num_heads: int = 3,
        positions: int = 196,
        in_channels: int = 3,
        patch: int = 16,
    ) -> None:
        super().__init__()
        self.patches = nn.Conv2d(in_channels, width, patch, patch)
        self.token = nn.Parameter(torch.zeros(1, 1, width))
        self.positions = nn.Parameter(0.02 * torch.randn(1, positions + 1, width))
        self.layers = nn.Sequential(*(Layer(width, num_heads, norm_first=True) for _ in range(depth)))
        self.norm, self.head = nn.LayerNorm(width), nn.Linear(width, 10)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Map images: (batch, channels, height, width) to (batch, 10)."""
        x = self.patches(images).flatten(2).transpose(1, 2)
        x = torch.cat([self.token.expand(x.shape[0], -1, -1), x], 1) + self.positions
        return self.head(self.norm(self.layers(x))[:, 0])  # type: ignore[no-any-return]


class Bert(nn.Module):
    """A small text encoder, on texts of 128 words. Source: Devlin et al., BERT, 2019."""

    def __init__(self, width: int = 256, depth: int = 4, num_heads: int = 4, words: int = 2000) -> None:
        super().__init__()
        self.words, self.positions = nn.Embedding(words, width), nn.Embedding(128, width)
        self.norm = nn.LayerNorm(width)
        self.layers = nn.Sequential(*(Layer(width, num_heads, norm_first=False) for _ in range(depth)))
        self.pooler, self.head = nn.Linear(width, width), nn.Linear(width, 10)

    def forward(self, words: torch.Tensor) -> torch.Tensor:
        """Map words: (batch, positions) to (batch, 10)."""
        x = self.norm(self.words(words) + self.positions(torch.arange(words.shape[1], device=words.device)))
        return self.head(self.pooler(self.layers(x)[:, 0]).tanh())  # type: ignore[no-any-return]


@dataclass(frozen=True)
class Network:
    """A network to measure, how to draw a batch for it, and the size of the batch that it trains on."""

    build: Callable[[], nn.Module]
    draw: Callable[[int], torch.Tensor]
    batch_size: int = 64


# The network of the demo, MobileNetV3's shape, a ViT's and BERT's.
NETWORKS: Mapping[str, Network] = {
    "resnet_demo": Network(resnet_demo, lambda batch_size: torch.randn(batch_size, 1, 28, 28)),
    "mobilenet_small": Network(mobilenet_small, lambda batch_size: torch.randn(batch_size, 3, 32, 32)),
    "vit": Network(ViT, lambda batch_size: torch.randn(batch_size, 3, 224, 224), batch_size=32),
    "bert": Network(Bert, lambda batch_size: torch.randint(0, 2000, (batch_size, 128)), batch_size=32),
}
