"""Small networks with every kind of layer whose precision can be chosen, and some whose cannot."""

import torch
from torch import nn
from torch.nn import functional


class Mixed(nn.Module):
    """Convolutions with batch norm before a ReLU, a ReLU6 and a sum, a depthwise one, and linear layers."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Sequential(nn.Conv2d(3, 8, 3, padding=1, bias=False), nn.BatchNorm2d(8), nn.ReLU())
        self.blocks = nn.ModuleList(Block(8) for _ in range(3))
        self.last = nn.Conv2d(8, 16, 1)
        self.head = nn.Linear(16, 12)
        self.classes = nn.Linear(12, 5)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.stem(x)
        for block in self.blocks:
            x = block(x)
        x = functional.relu6(self.last(x)).mean((2, 3))
        return self.classes(functional.gelu(self.head(x)))


class Block(nn.Module):
    """A residual block whose first convolution is depthwise."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.depthwise = nn.Conv2d(channels, channels, 3, padding=1, groups=channels, bias=False)
        self.norm = nn.BatchNorm2d(channels)
        self.project = nn.Conv2d(channels, channels, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x + self.project(functional.relu(self.norm(self.depthwise(x))))


class Odd(nn.Module):
    """Layers that cannot be quantized alone: a tied one, one that is read but not called, one called by name."""

    def __init__(self) -> None:
        super().__init__()
        self.embedding = nn.Embedding(11, 8)
        self.attention = nn.MultiheadAttention(8, 2, batch_first=True)
        self.named = nn.Linear(8, 8)
        self.plain = nn.Linear(8, 8)
        self.output = nn.Linear(8, 11, bias=False)
        self.output.weight = self.embedding.weight

    def forward(self, tokens: torch.Tensor) -> torch.Tensor:
        x = self.embedding(tokens)
        x = x + self.attention(x, x, x, need_weights=False)[0]
        return self.output(self.plain(self.named(input=x)))


IMAGES = torch.randn(16, 3, 8, 8, generator=torch.Generator().manual_seed(0))


def mixed() -> Mixed:
    """Return a network whose batch norms have seen data, and change signs."""
    torch.manual_seed(0)
    model = Mixed()
    with torch.no_grad():
        for module in model.modules():
            if isinstance(module, nn.BatchNorm2d):
                module.weight.copy_(torch.randn(module.num_features))
                module.bias.copy_(torch.randn(module.num_features))
    for _ in range(3):
        model(IMAGES)
    return model.eval()
