"""Small families whose sensitivities are known, and data for them."""

from collections.abc import Sequence

import torch
from torch import nn

from supple import Family, QuantizationConfig, convert, quantize

CLASSES = 4


class Perceptron(nn.Module):
    """Three linear layers with a smooth function between them: its loss has second derivatives everywhere."""

    def __init__(self, features: int = 6, hidden: int = 16) -> None:
        super().__init__()
        self.first = nn.Linear(features, hidden)
        self.second = nn.Linear(hidden, hidden)
        self.last = nn.Linear(hidden, CLASSES)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Map x (batch, features) to logits (batch, classes)."""
        return self.last(torch.tanh(self.second(torch.tanh(self.first(x)))))  # type: ignore[no-any-return]


class Convolutions(nn.Module):
    """Two convolutions with batch norms, in blocks that can be dropped, and a head."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Sequential(nn.Conv2d(1, 8, 3, padding=1, bias=False), nn.BatchNorm2d(8), nn.ReLU())
        self.blocks = nn.Sequential(Residual(), Residual())
        self.head = nn.Linear(8, CLASSES)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Map x (batch, 1, height, width) to logits (batch, classes)."""
        return self.head(self.blocks(self.stem(x)).mean((2, 3)))  # type: ignore[no-any-return]


class Residual(nn.Module):
    """A convolution and a batch norm with a shortcut around them."""

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.norm = nn.Conv2d(8, 8, 3, padding=1, bias=False), nn.BatchNorm2d(8)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Map x (batch, 8, height, width) to the same shape."""
        return torch.relu(x + self.norm(self.conv(x)))


def perceptron_family(formats: Sequence[str] = ("int8",), **settings: object) -> Family:
    """Return the family of a perceptron with random weights."""
    torch.manual_seed(0)
    family = convert(Perceptron(), torch.randn(2, 6))
    return quantize(family, QuantizationConfig(formats={"*": formats}, **settings)).eval()  # type: ignore[arg-type]


def convolution_family(formats: Sequence[str] = ("int8",)) -> Family:
    """Return the family of two residual blocks with random weights and statistics of random data."""
    torch.manual_seed(0)
    model = Convolutions()
    model(torch.randn(64, 1, 8, 8))
    return quantize(convert(model.eval(), torch.randn(2, 1, 8, 8)), QuantizationConfig(formats={"*": formats})).eval()


def vectors(batches: int = 2, count: int = 16, seed: int = 1) -> list[tuple[torch.Tensor, torch.Tensor]]:
    """Return batches of inputs (count, 6) and labels (count,)."""
    generator = torch.Generator().manual_seed(seed)
    return [
        (torch.randn(count, 6, generator=generator), torch.randint(0, CLASSES, (count,), generator=generator))
        for _ in range(batches)
    ]


def images(batches: int = 2, count: int = 16, seed: int = 1) -> list[tuple[torch.Tensor, torch.Tensor]]:
    """Return batches of inputs (count, 1, 8, 8) and labels (count,)."""
    generator = torch.Generator().manual_seed(seed)
    return [
        (torch.randn(count, 1, 8, 8, generator=generator), torch.randint(0, CLASSES, (count,), generator=generator))
        for _ in range(batches)
    ]
