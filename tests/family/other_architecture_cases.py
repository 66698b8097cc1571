"""Recurrent, point-cloud and graph networks, mixtures of experts, and attention that keeps its bias in a cache."""

from typing import Any

import torch
from torch import nn
from torch.nn import functional


class Tagger(nn.Module):
    """A label for each word, by two recurrent layers in both directions."""

    def __init__(self, kind: type[nn.RNNBase], **options: Any) -> None:
        super().__init__()
        self.table = nn.Embedding(20, 32)
        self.recurrent = kind(32, 64, 2, bidirectional=True, batch_first=True, **options)
        self.head = nn.Linear(2 * (options.get("proj_size") or 64), 5)

    def forward(self, words: torch.Tensor) -> torch.Tensor:
        """Map words: (batch, length) to (batch, length, 5)."""
        return self.head(self.recurrent(self.table(words))[0])  # type: ignore[no-any-return]


class Alignment(nn.Module):
    """A square matrix for each cloud of points, close to the identity (PointNet's T-net)."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.channels = channels
        self.points, self.norm = nn.Conv1d(channels, 48, 1), nn.BatchNorm1d(48)
        self.hidden, self.out = nn.Linear(48, 32), nn.Linear(32, channels * channels)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Map x: (batch, channels, points) to (batch, channels, channels)."""
        x = self.norm(self.points(x)).relu().max(2).values
        matrix = self.out(self.hidden(x).relu()).view(-1, self.channels, self.channels)
        return matrix + torch.eye(self.channels)  # type: ignore[no-any-return]


class PointNet(nn.Module):
    """Points and their features, aligned by learned matrices; the maximum over all points."""

    def __init__(self) -> None:
        super().__init__()
        self.align_points, self.first = Alignment(3), nn.Conv1d(3, 32, 1)
        self.align_features, self.second = Alignment(32), nn.Conv1d(32, 64, 1)
        self.head = nn.Linear(64, 5)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Map x: (batch, 3, points) to (batch, 5)."""
        x = self.first(torch.bmm(self.align_points(x), x)).relu()
        x = self.second(torch.bmm(self.align_features(x), x)).relu()
        return self.head(torch.max(x, 2)[0])  # type: ignore[no-any-return]


class DenseGraph(nn.Module):
    """Graph convolutions by a dense adjacency matrix."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.second, self.head = nn.Linear(12, 32), nn.Linear(32, 32), nn.Linear(32, 5)

    def forward(self, x: torch.Tensor, adjacency: torch.Tensor) -> torch.Tensor:
        """Map x: (nodes, 12), adjacency: (nodes, nodes) to (nodes, 5)."""
        x = (adjacency @ self.first(x)).relu()
        return self.head(adjacency @ self.second(x))  # type: ignore[no-any-return]


class EdgeList(nn.Module):
    """Graph convolutions by a list of edges, gathered and summed in three written forms."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.second, self.third = nn.Linear(12, 32), nn.Linear(32, 40), nn.Linear(40, 48)
        self.head = nn.Linear(48, 5)

    def forward(self, x: torch.Tensor, edges: torch.Tensor) -> torch.Tensor:
        """Map x: (nodes, 12), edges: (2, number of edges) to (nodes, 5)."""
        source, target = edges
        messages = self.first(x).index_select(0, source)
        x = torch.zeros(x.size(0), messages.size(1)).index_add(0, target, messages).relu()
        messages = self.second(x)[source]
        x = messages.new_zeros(x.size(0), messages.shape[1]).scatter_add(
            0, target[:, None].expand_as(messages), messages
        )
        y = self.third(x.relu())
        index = target.unsqueeze(-1).expand(-1, y.size(-1))
        return self.head(torch.zeros_like(y).scatter_add_(0, index, y[source]))  # type: ignore[no-any-return]


class StackedExperts(nn.Module):
    """Experts whose matrices are stacked in one parameter each; all of them, or the best, for each position."""

    def __init__(self, dim: int, best: int | None = None) -> None:
        super().__init__()
        self.count, self.best = 8, best
        self.router = nn.Linear(dim, 8)
        self.up, self.down = nn.Parameter(torch.randn(8, dim, 48) / 6), nn.Parameter(torch.randn(8, 48, dim) / 7)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Map x: (batch, length, dim) to the same shape."""
        weights = self.router(x).softmax(-1)
        if self.best is not None:
            values, chosen = weights.topk(self.best, -1)
            weights = (functional.one_hot(chosen, self.count) * values.unsqueeze(-1)).sum(-2)
        y = torch.einsum("bnd,edh->bneh", x, self.up).relu()
        return x + torch.einsum("bneh,ehd,bne->bnd", y, self.down, weights)


class ListedExperts(nn.Module):
    """Experts as modules of their own, whose results are stacked and weighed."""

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.router = nn.Linear(dim, 6)
        self.experts = nn.ModuleList(nn.Sequential(nn.Linear(dim, 48), nn.ReLU(), nn.Linear(48, dim)) for _ in range(6))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Map x: (batch, length, dim) to the same shape."""
        results = torch.stack([expert(x) for expert in self.experts], -2)
        return x + (results * self.router(x).softmax(-1).unsqueeze(-1)).sum(-2)  # type: ignore[no-any-return]


class Mixture(nn.Module):
    """Two mixtures of experts between two layers."""

    def __init__(self, kind: type[nn.Module], **options: int) -> None:
        super().__init__()
        self.stem, self.first, self.second = nn.Linear(12, 32), kind(32, **options), kind(32, **options)
        self.head = nn.Linear(32, 5)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Map x: (batch, length, 12) to (batch, length, 5)."""
        return self.head(self.second(self.first(self.stem(x))))  # type: ignore[no-any-return]


class Translator(nn.Module):
    """PyTorch's own transformer, and its attention with keys of another width."""

    def __init__(self) -> None:
        super().__init__()
        self.table, self.narrow = nn.Embedding(20, 64), nn.Linear(64, 32)
        self.transformer = nn.Transformer(64, 4, 2, 2, 96, batch_first=True)
        self.attention = nn.MultiheadAttention(64, 4, kdim=32, vdim=32, batch_first=True)
        self.head = nn.Linear(64, 5)

    def forward(self, source: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
        """Map source: (batch, length) and target: (batch, other length) to (batch, other length, 5)."""
        x = self.transformer(self.table(source), self.table(target))
        keys = self.narrow(x)
        return self.head(x + self.attention(x, keys, keys)[0])  # type: ignore[no-any-return]


class CachedBias(nn.Module):
    """Attention whose bias is kept in a dictionary in eval mode, as timm's LeViT does."""

    def __init__(self) -> None:
        super().__init__()
        self.num_heads, self.cache = 4, {}
        self.qkv, self.out = nn.Linear(12, 96), nn.Linear(32, 5)
        self.bias = nn.Parameter(torch.randn(4, 6, 6))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Map x: (batch, 6, 12) to (batch, 6, 5)."""
        if "bias" not in self.cache:
            self.cache["bias"] = self.bias * 2
        q, k, v = self.qkv(x).unflatten(-1, (3, self.num_heads, 8)).permute(2, 0, 3, 1, 4)
        weights = (q @ k.transpose(-1, -2) + self.cache["bias"]).softmax(-1)
        return self.out((weights @ v).transpose(1, 2).flatten(2))  # type: ignore[no-any-return]
