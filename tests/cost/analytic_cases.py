"""Small families that are hard to cost in one way each."""

from collections.abc import Callable

import torch
from torch import nn
from torch.nn import functional

from supple import Choice, Family, convert
from supple.models import mobilenet_small, resnet_small


class Mixed(nn.Module):
    """Choices, one of them of nothing at all, an elastic kernel, a convolution under weight norm, two branches."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, 16, 3, 2, 1)
        self.choices = nn.Sequential(
            Choice(nn.Conv2d(16, 16, 5, padding=2), nn.Sequential(nn.Conv2d(16, 32, 1), nn.Conv2d(32, 16, 1))),
            Choice(nn.Conv2d(16, 16, 3, padding=1), nn.Identity()),
        )
        self.left, self.right = nn.Conv2d(16, 24, 1), nn.Conv2d(16, 8, 3, padding=1)
        self.normed = nn.utils.parametrizations.weight_norm(nn.Conv2d(32, 24, 3, 2, 1))
        self.head = nn.Linear(24, 3)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Map x: (batch, 3, height, width) to (batch, 3)."""
        x = self.choices(self.stem(x)).relu_()
        x = torch.cat([self.left(x), self.right(x)], 1)
        return self.head(self.normed(x).relu().mean((2, 3)))  # type: ignore[no-any-return]


class Residual(nn.Module):
    """x + f(x) with a hidden layer."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.second = nn.Linear(32, 48), nn.Linear(48, 32)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Map x: (batch, 32) to the same shape."""
        return x + self.second(functional.gelu(self.first(x)))  # type: ignore[no-any-return]


class Loops(nn.Module):
    """Two loops over blocks, each with something of its own after every block; then a norm."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Linear(12, 32)
        self.first, self.second = (nn.ModuleList(Residual() for _ in range(3)) for _ in range(2))
        self.activation, self.norm, self.head = nn.ReLU(), nn.LayerNorm(32), nn.Linear(32, 5)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Map x: (batch, 12) to (batch, 5)."""
        x = self.stem(x)
        for block in self.first:
            x = block(x).tanh()
        x = x.relu()
        for block in self.second:
            x = self.activation(block(x))
        x = x.tanh()
        return self.head(self.norm(x))  # type: ignore[no-any-return]


class Attention(nn.Module):
    """Causal attention in which two query heads share a key head, by PyTorch's fused operator."""

    def __init__(self) -> None:
        super().__init__()
        self.query, self.key, self.value = nn.Linear(32, 32), nn.Linear(32, 16), nn.Linear(32, 16)
        self.out = nn.Linear(32, 32)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Map x: (batch, length, 32) to the same shape."""
        q, k, v = (layer(x).view(*x.shape[:2], -1, 8).transpose(1, 2) for layer in (self.query, self.key, self.value))
        y = functional.scaled_dot_product_attention(
            q, k.repeat_interleave(2, 1), v.repeat_interleave(2, 1), is_causal=True
        )
        return self.out(y.transpose(1, 2).reshape(*x.shape[:2], -1))  # type: ignore[no-any-return]


class Decoder(nn.Module):
    """A block of a language model."""

    def __init__(self) -> None:
        super().__init__()
        self.norm1, self.attention, self.norm2 = nn.LayerNorm(32), Attention(), nn.LayerNorm(32)
        self.mlp = nn.Sequential(nn.Linear(32, 64), nn.GELU(), nn.Linear(64, 32))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Map x: (batch, length, 32) to the same shape."""
        x = x + self.attention(self.norm1(x))
        return x + self.mlp(self.norm2(x))  # type: ignore[no-any-return]


class LanguageModel(nn.Module):
    """Decoder blocks between a table and a head that share their weight."""

    def __init__(self) -> None:
        super().__init__()
        self.table = nn.Embedding(20, 32)
        self.blocks = nn.ModuleList(Decoder() for _ in range(3))
        self.head = nn.Linear(32, 20, bias=False)
        self.head.weight = self.table.weight

    def forward(self, words: torch.Tensor) -> torch.Tensor:
        """Map words: (batch, length) to logits: (batch, length, 20)."""
        x = self.table(words)
        for block in self.blocks:
            x = block(x)
        return self.head(x)  # type: ignore[no-any-return]


class Experts(nn.Module):
    """A mixture of experts: all run, and a router weighs their results."""

    def __init__(self) -> None:
        super().__init__()
        self.stem, self.router = nn.Linear(12, 32), nn.Linear(32, 4)
        self.experts = nn.ModuleList(nn.Sequential(nn.Linear(32, 64), nn.ReLU(), nn.Linear(64, 32)) for _ in range(4))
        self.head = nn.Linear(32, 5)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Map x: (batch, 12) to (batch, 5)."""
        x = self.stem(x)
        results = torch.stack([expert(x) for expert in self.experts], 1)
        weights = self.router(x).softmax(-1)
        return self.head((weights.unsqueeze(-1) * results).sum(1))  # type: ignore[no-any-return]


class Recurrent(nn.Module):
    """An LSTM between two layers."""

    def __init__(self) -> None:
        super().__init__()
        self.embed, self.recurrent, self.head = nn.Linear(6, 16), nn.LSTM(16, 24, batch_first=True), nn.Linear(24, 3)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Map x: (batch, length, 6) to (batch, 3)."""
        return self.head(self.recurrent(self.embed(x))[0][:, -1])  # type: ignore[no-any-return]


FAMILIES: dict[str, Callable[[], Family]] = {
    "mobilenet": lambda: convert(mobilenet_small(), torch.zeros(2, 3, 32, 32)),
    "resnet": lambda: convert(resnet_small(), torch.zeros(2, 3, 16, 16)),
    "mixed": lambda: convert(Mixed(), torch.zeros(2, 3, 17, 17)),
    "resolutions": lambda: convert(Mixed(), torch.zeros(2, 3, 32, 32), resolutions=[19, 24, 32]),
    "loops": lambda: convert(Loops(), torch.zeros(2, 12)),
    "language model": lambda: convert(LanguageModel(), torch.randint(20, (2, 6))),
    "experts": lambda: convert(Experts(), torch.zeros(2, 12)),
    "recurrent": lambda: convert(Recurrent(), torch.zeros(2, 7, 6)),
}
