"""A residual network of basic blocks for small images.

Source: He et al., Deep Residual Learning for Image Recognition, 2016.
"""

from collections.abc import Sequence

import torch
from torch import nn
from torch.nn import functional


class BasicBlock(nn.Module):
    """Two 3x3 convolutions with a shortcut around them."""

    def __init__(self, in_channels: int, out_channels: int, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(in_channels, out_channels, 3, stride, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(out_channels)
        self.conv2 = nn.Conv2d(out_channels, out_channels, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(out_channels)
        self.shortcut: nn.Module = nn.Identity()
        if stride != 1 or in_channels != out_channels:
            self.shortcut = nn.Sequential(
                nn.Conv2d(in_channels, out_channels, 1, stride, bias=False), nn.BatchNorm2d(out_channels)
            )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Map x: (batch, in_channels, height, width) to (batch, out_channels, height / stride, width / stride)."""
        y = functional.relu(self.bn1(self.conv1(x)))
        y = self.bn2(self.conv2(y))
        return functional.relu(y + self.shortcut(x))


class ResNet(nn.Module):
    """A stem with stride 2, stages of basic blocks, a head; each later stage halves the resolution."""

    def __init__(
        self,
        in_channels: int = 1,
        num_classes: int = 10,
        stem_channels: int = 16,
        stage_channels: Sequence[int] = (32, 64, 128),
        stage_blocks: Sequence[int] = (2, 2, 2),
    ) -> None:
        super().__init__()
        self.stem = nn.Sequential(
            nn.Conv2d(in_channels, stem_channels, 3, 2, 1, bias=False), nn.BatchNorm2d(stem_channels), nn.ReLU()
        )
        stages: list[nn.Module] = []
        channels = stem_channels
        for position, (width, blocks) in enumerate(zip(stage_channels, stage_blocks, strict=True)):
            stages.append(
                nn.Sequential(
                    BasicBlock(channels, width, 1 if position == 0 else 2),
                    *(BasicBlock(width, width, 1) for _ in range(blocks - 1)),
                )
            )
            channels = width
        self.stages = nn.Sequential(*stages)
        self.head = nn.Linear(channels, num_classes)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Map images x: (batch, in_channels, height, width) to logits: (batch, num_classes)."""
        x = self.stages(self.stem(x))
        x = functional.adaptive_avg_pool2d(x, 1).flatten(1)
        return self.head(x)  # type: ignore[no-any-return]


def resnet_demo(in_channels: int = 1, num_classes: int = 10) -> ResNet:
    """Return the network of the demo: 28 x 28 images, three stages, made to train in minutes on a CPU."""
    return ResNet(in_channels, num_classes, 16, (24, 48, 96), (2, 2, 2))


def resnet_small(in_channels: int = 3, num_classes: int = 10) -> ResNet:
    """Return a ResNet-18-like network: four stages of two blocks."""
    return ResNet(in_channels, num_classes, 32, (32, 64, 128, 256), (2, 2, 2, 2))
