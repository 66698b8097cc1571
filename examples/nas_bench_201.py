"""The space of NAS-Bench-201: cells of six edges, each with one of five operations, the same in all cells.

Source: Dong & Yang, NAS-Bench-201: Extending the Scope of Reproducible Neural Architecture Search, 2020. It counts
5^6 = 15,625 networks. Run it: python examples/nas_bench_201.py
"""

import torch
from blocks import Residual, conv_norm
from torch import nn

import supple


class Zero(nn.Module):
    """No connection."""

    def forward(self, x):
        """Map x to zeros of its shape."""
        return torch.zeros_like(x)


class Cell(nn.Module):
    """Four nodes; each is the sum of an operation on every node before it."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.edges = nn.ModuleDict({f"{start}_{end}": edge(channels) for end in (1, 2, 3) for start in range(end)})

    def forward(self, x):
        """Map x: (batch, channels, height, width) to the same shape."""
        nodes = [x]
        for end in (1, 2, 3):
            nodes.append(sum(self.edges[f"{start}_{end}"](nodes[start]) for start in range(end)))
        return nodes[-1]


def edge(channels: int) -> supple.Choice:
    """Return the five operations."""
    return supple.Choice(
        nn.Sequential(nn.ReLU(), *conv_norm(channels, channels, 3)),
        nn.Sequential(nn.ReLU(), *conv_norm(channels, channels, 1)),
        nn.AvgPool2d(3, 1, 1),
        nn.Identity(),
        Zero(),
    )


def down(channels: int) -> nn.Sequential:
    """Return the residual block between two stages: half the size, twice the channels."""
    block = nn.Sequential(
        *conv_norm(channels, 2 * channels, 3, stride=2), nn.ReLU(), *conv_norm(2 * channels, 2 * channels, 3)
    )
    return nn.Sequential(block, Residual(nn.Identity()))


def network(cells: int = 5, channels: int = 16, num_classes: int = 10) -> nn.Sequential:
    """Return the network for images (batch, 3, 32, 32)."""
    stages = [
        [Cell(width) for _ in range(cells)] + ([down(width)] if width < 4 * channels else [])
        for width in (channels, 2 * channels, 4 * channels)
    ]
    stem, blocks = conv_norm(3, channels, 3), nn.Sequential(*(block for stage in stages for block in stage))
    head = nn.Sequential(nn.BatchNorm2d(4 * channels), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten())
    return nn.Sequential(stem, blocks, head, nn.Linear(4 * channels, num_classes))


def family(cells: int = 5) -> supple.Family:
    """Return the family: nothing but the six operations is elastic."""
    model = network(cells)
    edges = [f"{start}_{end}" for end in (1, 2, 3) for start in range(end)]
    return supple.convert(
        model,
        torch.randn(2, 3, 32, 32),
        freeze=["*.width", "*.depth"],
        ties={f"edge.{name}": f"*.edges.{name}.operator" for name in edges},
    )


if __name__ == "__main__":
    print(family().summary())
