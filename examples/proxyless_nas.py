"""The space of ProxylessNAS: 21 layers of MBConv with kernels of 3, 5 or 7 and expansions of 3 or 6, or none.

Source: Cai et al., ProxylessNAS: Direct Neural Architecture Search on Target Task and Hardware, 2019. Two ways to write
it down: as choices among six blocks with weights of their own, or with one block whose kernel and hidden width are
elastic, so that its sizes share their weights, as in once-for-all. Run it: python examples/proxyless_nas.py
"""

import torch
from blocks import choice_or_nothing, conv_norm, mbconv, stacked
from torch import nn

import supple

# (channels, layers, stride) after the first block.
STAGES = ((24, 4, 2), (40, 4, 2), (80, 4, 2), (96, 4, 1), (192, 4, 2), (320, 1, 1))


def separate(in_channels: int, out_channels: int, stride: int) -> nn.Module:
    """Return six blocks to choose from, and nothing where the shape allows it."""
    blocks = [
        mbconv(in_channels, out_channels, kernel, expansion, stride) for expansion in (6, 3) for kernel in (7, 5, 3)
    ]
    return choice_or_nothing(blocks, in_channels, out_channels, stride)


def shared(in_channels: int, out_channels: int, stride: int) -> nn.Module:
    """Return the largest block, or nothing; the smaller ones are parts of it."""
    block = mbconv(in_channels, out_channels, 7, 6, stride)
    return supple.Choice(block, nn.Identity()) if stride == 1 and in_channels == out_channels else block


def network(layer=separate, stages=STAGES, num_classes: int = 1000) -> nn.Sequential:
    """Return the network for images (batch, 3, 224, 224)."""
    layers = [mbconv(32, 16, 3, 1), *stacked(layer, 16, stages)]
    head = nn.Sequential(*conv_norm(stages[-1][0], 1280, 1), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten())
    return nn.Sequential(conv_norm(3, 32, 3, 2), nn.ReLU(), nn.Sequential(*layers), head, nn.Linear(1280, num_classes))


def family_of_choices(stages=STAGES, size: int = 224) -> supple.Family:
    """Return the family of separate blocks."""
    return supple.convert(
        network(separate, stages),
        torch.randn(2, 3, size, size),
        freeze=["*.width", "*.hidden", "*.kernel"],
    )


def family_of_sizes(stages=STAGES, size: int = 224) -> supple.Family:
    """Return the family of shared blocks: kernel and expansion are elastic."""
    return supple.convert(
        network(shared, stages),
        torch.randn(2, 3, size, size),
        choices={"2.*.hidden": [0.5, 1.0]},
        freeze=["*.width", "2.0"],
        kernel_transform=True,
    )


if __name__ == "__main__":
    print(family_of_choices().summary())
    print()
    print(family_of_sizes().summary())
