"""Small models in the written forms of today's architectures, without a hint for the tracing."""

import torch
from torch import nn
from torch.nn import functional


class Attention(nn.Module):
    """Multi-head attention with fused queries, keys and values, as in vision transformers."""

    def __init__(self, dim: int, num_heads: int) -> None:
        super().__init__()
        self.num_heads = num_heads
        self.head_dim = dim // num_heads
        self.qkv, self.proj = nn.Linear(dim, 3 * dim), nn.Linear(dim, dim)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Map x: (batch, length, dim) to the same shape."""
        batch, length, _ = x.shape
        q, k, v = self.qkv(x).reshape(batch, length, 3, self.num_heads, self.head_dim).permute(2, 0, 3, 1, 4).unbind(0)
        y = functional.scaled_dot_product_attention(q, k, v)
        return self.proj(y.transpose(1, 2).flatten(2))  # type: ignore[no-any-return]


class Encoder(nn.Module):
    """A block of a vision transformer, with layer scale."""

    def __init__(self, dim: int, num_heads: int) -> None:
        super().__init__()
        self.norm1, self.attn, self.norm2 = nn.LayerNorm(dim), Attention(dim, num_heads), nn.LayerNorm(dim)
        self.mlp = nn.Sequential(nn.Linear(dim, 2 * dim), nn.GELU(), nn.Linear(2 * dim, dim))
        self.scale = nn.Parameter(torch.full((dim,), 0.5))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Map x: (batch, length, dim) to the same shape."""
        x = x + self.attn(self.norm1(x)) * self.scale
        return x + self.mlp(self.norm2(x))  # type: ignore[no-any-return]


class VisionTransformer(nn.Module):
    """Patches, a class token and positions, three blocks."""

    def __init__(self) -> None:
        super().__init__()
        self.patches = nn.Conv2d(3, 32, 4, 4)
        self.token = nn.Parameter(torch.randn(1, 1, 32))
        self.positions = nn.Parameter(torch.randn(1, 17, 32))
        self.blocks = nn.ModuleList(Encoder(32, 4) for _ in range(3))
        self.norm, self.head = nn.LayerNorm(32), nn.Linear(32, 5)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Map x: (batch, 3, 16, 16) to (batch, 5)."""
        x = self.patches(x).flatten(2).transpose(1, 2)
        x = torch.cat([self.token.expand(x.size(0), -1, -1), x], 1) + self.positions
        for block in self.blocks:
            x = block(x)
        return self.head(self.norm(x)[:, 0])  # type: ignore[no-any-return]


class GroupedAttention(nn.Module):
    """Causal attention with rotary positions, in which two query heads share a key head."""

    def __init__(self, dim: int, num_heads: int) -> None:
        super().__init__()
        self.head_dim = dim // num_heads
        self.q, self.out = nn.Linear(dim, dim, bias=False), nn.Linear(dim, dim, bias=False)
        self.k, self.v = nn.Linear(dim, dim // 2, bias=False), nn.Linear(dim, dim // 2, bias=False)
        angles = torch.outer(torch.arange(6.0), 100 ** -torch.linspace(0, 1, self.head_dim // 2)).repeat(1, 2)
        self.register_buffer("cos", angles.cos())
        self.register_buffer("sin", angles.sin())

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Map x: (batch, length, dim) to the same shape."""
        q, k, v = (layer(x).view(*x.shape[:2], -1, self.head_dim).transpose(1, 2) for layer in (self.q, self.k, self.v))
        q, k = self.rotated(q), self.rotated(k)
        k, v = k.repeat_interleave(2, 1), v.repeat_interleave(2, 1)
        y = functional.scaled_dot_product_attention(q, k, v, is_causal=True)
        return self.out(y.transpose(1, 2).reshape(*x.shape[:2], -1))  # type: ignore[no-any-return]

    def rotated(self, x: torch.Tensor) -> torch.Tensor:
        """Rotate pairs of x: (..., length, size) by angles that grow with the position."""
        half = x.shape[-1] // 2
        return x * self.cos + torch.cat((-x[..., half:], x[..., :half]), -1) * self.sin


class Decoder(nn.Module):
    """A block of a language model: RMS norms, grouped attention, a gated MLP."""

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.norm1, self.attn, self.norm2 = nn.RMSNorm(dim), GroupedAttention(dim, 4), nn.RMSNorm(dim)
        self.gate, self.up, self.down = nn.Linear(dim, 48), nn.Linear(dim, 48), nn.Linear(48, dim)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Map x: (batch, length, dim) to the same shape."""
        x = x + self.attn(self.norm1(x))
        y = self.norm2(x)
        return x + self.down(functional.silu(self.gate(y)) * self.up(y))  # type: ignore[no-any-return]


class LanguageModel(nn.Module):
    """Three decoder blocks between a table and a head that share their weight."""

    def __init__(self) -> None:
        super().__init__()
        self.table = nn.Embedding(20, 32)
        self.blocks = nn.ModuleList(Decoder(32) for _ in range(3))
        self.norm, self.head = nn.RMSNorm(32), nn.Linear(32, 20, bias=False)
        self.head.weight = self.table.weight

    def forward(self, words: torch.Tensor) -> torch.Tensor:
        """Map words: (batch, 6) to logits: (batch, 6, 20)."""
        x = self.table(words)
        for block in self.blocks:
            x = block(x)
        return self.head(self.norm(x))  # type: ignore[no-any-return]


class UNet(nn.Module):
    """Down, up by a transposed convolution, and a skip that is concatenated; group norms."""

    def __init__(self) -> None:
        super().__init__()
        self.down1, self.norm1 = nn.Conv2d(3, 16, 3, padding=1), nn.GroupNorm(4, 16)
        self.down2 = nn.Conv2d(16, 32, 3, 2, padding=1)
        self.up = nn.ConvTranspose2d(32, 24, 2, 2)
        self.merge, self.norm2 = nn.Conv2d(40, 32, 3, padding=1), nn.GroupNorm(2, 32)
        self.head = nn.Conv2d(32, 5, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Map x: (batch, 3, 8, 8) to (batch, 5, 8, 8)."""
        skip = self.norm1(self.down1(x)).relu()
        x = self.up(self.down2(skip).relu())
        return self.head(self.norm2(self.merge(torch.cat([x, skip], 1))).relu())  # type: ignore[no-any-return]


class DenseLayer(nn.Module):
    """A norm and a convolution of all features so far."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.norm, self.conv = nn.BatchNorm2d(channels), nn.Conv2d(channels, 16, 3, padding=1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Map x: (batch, channels, height, width) to (batch, 16, height, width)."""
        return self.conv(self.norm(x).relu())  # type: ignore[no-any-return]


class Dense(nn.Module):
    """Each layer reads the concatenation of all before it."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, 16, 3, padding=1)
        self.layers = nn.ModuleList(DenseLayer(16 * (1 + place)) for place in range(3))
        self.head = nn.Linear(64, 5)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Map x: (batch, 3, 8, 8) to (batch, 5)."""
        features = [self.stem(x)]
        for layer in self.layers:
            features.append(layer(torch.cat(features, 1)))
        return self.head(torch.cat(features, 1).mean((2, 3)))  # type: ignore[no-any-return]


class Shuffled(nn.Module):
    """Halves of the channels, one of them convolved in groups; then the channels of both are shuffled."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, 64, 1)
        self.grouped, self.norm = nn.Conv2d(32, 32, 3, padding=1, groups=4), nn.BatchNorm2d(32)
        self.head = nn.Conv2d(64, 5, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Map x: (batch, 3, 8, 8) to (batch, 5, 8, 8)."""
        left, right = self.stem(x).chunk(2, 1)
        x = torch.cat([left, self.norm(self.grouped(right))], 1)
        batch, channels, height, width = x.shape
        x = x.view(batch, 2, channels // 2, height, width).transpose(1, 2).reshape(batch, channels, height, width)
        return self.head(x)  # type: ignore[no-any-return]


class Gated(nn.Module):
    """A gated linear unit in two written forms."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.second, self.head = nn.Linear(12, 64), nn.Linear(32, 64), nn.Linear(32, 5)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Map x: (batch, 12) to (batch, 5)."""
        x, gate = self.first(x).chunk(2, -1)
        return self.head(functional.glu(self.second(x * gate.sigmoid())))  # type: ignore[no-any-return]
