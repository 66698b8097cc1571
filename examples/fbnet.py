"""The space of FBNet: 22 layers, each with one of nine blocks.

Source: Wu et al., FBNet: Hardware-Aware Efficient ConvNet Design via Differentiable Neural Architecture Search, 2019.
Layers that change the shape cannot be skipped. Run it: python examples/fbnet.py
"""

import torch
from blocks import choice_or_nothing, conv_norm, mbconv, stacked
from torch import nn

import supple

# (kernel, expansion, groups), table 2 of the paper.
BLOCKS = ((3, 6, 1), (5, 6, 1), (3, 3, 1), (5, 3, 1), (3, 1, 1), (5, 1, 1), (3, 1, 2), (5, 1, 2))
# (channels, layers, stride), table 1.
STAGES = ((16, 1, 1), (24, 4, 2), (32, 4, 2), (64, 4, 2), (112, 4, 1), (184, 4, 2), (352, 1, 1))


def layer(in_channels: int, out_channels: int, stride: int) -> supple.Choice:
    """Return the blocks of one layer."""
    blocks = [
        mbconv(in_channels, out_channels, kernel, expansion, stride, groups) for kernel, expansion, groups in BLOCKS
    ]
    return choice_or_nothing(blocks, in_channels, out_channels, stride)


def network(stages=STAGES, num_classes: int = 1000) -> nn.Sequential:
    """Return the network for images (batch, 3, 224, 224)."""
    layers = stacked(layer, 16, stages)
    head = nn.Sequential(*conv_norm(stages[-1][0], 1504, 1), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten())
    return nn.Sequential(conv_norm(3, 16, 3, 2), nn.ReLU(), nn.Sequential(*layers), head, nn.Linear(1504, num_classes))


def family(stages=STAGES, size: int = 224) -> supple.Family:
    """Return the family: the blocks of the layers are elastic, their widths and kernels are not."""
    return supple.convert(network(stages), torch.randn(2, 3, size, size), freeze=["*.width", "*.hidden", "*.kernel"])


if __name__ == "__main__":
    print(family().summary())
