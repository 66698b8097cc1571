"""A network of inverted residuals with depthwise convolutions and squeeze-and-excitation gates.

Source: Sandler et al., MobileNetV2, 2018; Howard et al., Searching for MobileNetV3, 2019.
"""

from collections.abc import Sequence

import torch
from torch import nn


class Gate(nn.Module):
    """Squeeze-and-excitation: scale every channel by a factor computed from all channels' means."""

    def __init__(self, channels: int, reduced: int) -> None:
        super().__init__()
        self.reduce = nn.Conv2d(channels, reduced, 1)
        self.expand = nn.Conv2d(reduced, channels, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Map x: (batch, channels, height, width) to the same shape."""
        scale = x.mean((2, 3), keepdim=True)
        scale = self.expand(torch.relu(self.reduce(scale)))
        return x * nn.functional.hardsigmoid(scale)


class InvertedResidual(nn.Module):
    """Expand, convolve each channel by itself, gate, project; with a shortcut where the shapes allow it."""

    def __init__(self, in_channels: int, out_channels: int, expanded: int, kernel_size: int, stride: int) -> None:
        super().__init__()
        self.expand = nn.Sequential(
            nn.Conv2d(in_channels, expanded, 1, bias=False), nn.BatchNorm2d(expanded), nn.Hardswish()
        )
        self.depthwise = nn.Sequential(
            nn.Conv2d(expanded, expanded, kernel_size, stride, kernel_size // 2, groups=expanded, bias=False),
            nn.BatchNorm2d(expanded),
            nn.Hardswish(),
        )
        self.gate = Gate(expanded, max(16, expanded // 4))
        self.project = nn.Sequential(nn.Conv2d(expanded, out_channels, 1, bias=False), nn.BatchNorm2d(out_channels))
        self.has_shortcut = stride == 1 and in_channels == out_channels

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Map x: (batch, in_channels, height, width) to (batch, out_channels, height / stride, width / stride)."""
        y = self.project(self.gate(self.depthwise(self.expand(x))))
        return x.add(y) if self.has_shortcut else y


class MobileNet(nn.Module):
    """A stem with stride 2, stages of inverted residuals, a head.

    A stage is (channels, blocks, kernel size, stride).
    """

    def __init__(
        self,
        in_channels: int = 3,
        num_classes: int = 10,
        stem_channels: int = 16,
        stages: Sequence[tuple[int, int, int, int]] = ((24, 3, 3, 2), (40, 3, 5, 2), (80, 4, 3, 2)),
        expansion: int = 4,
        head_channels: int = 320,
    ) -> None:
        super().__init__()
        self.stem = nn.Sequential(
            nn.Conv2d(in_channels, stem_channels, 3, 2, 1, bias=False), nn.BatchNorm2d(stem_channels), nn.Hardswish()
        )
        blocks: list[nn.Module] = []
        channels = stem_channels
        for width, count, kernel_size, stride in stages:
            for position in range(count):
                step = stride if position == 0 else 1
                blocks.append(InvertedResidual(channels, width, channels * expansion, kernel_size, step))
                channels = width
        self.blocks = nn.Sequential(*blocks)
        self.head = nn.Sequential(
            nn.Conv2d(channels, head_channels, 1, bias=False), nn.BatchNorm2d(head_channels), nn.Hardswish()
        )
        self.classifier = nn.Linear(head_channels, num_classes)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Map images x: (batch, in_channels, height, width) to logits: (batch, num_classes)."""
        x = self.head(self.blocks(self.stem(x)))
        return self.classifier(x.mean((2, 3)))  # type: ignore[no-any-return]


def mobilenet_small(in_channels: int = 3, num_classes: int = 10) -> MobileNet:
    """Return a MobileNet-like network of ten inverted residuals with about 150 parameter tensors."""
    return MobileNet(in_channels, num_classes)
