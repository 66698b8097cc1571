"""Blocks that the spaces of the literature are made of: convolutions with batch norm, MBConv, Fused-MBConv."""

from collections.abc import Callable, Iterable

from torch import nn

import supple


def conv_norm(in_channels: int, out_channels: int, kernel: int, stride: int = 1, groups: int = 1) -> nn.Sequential:
    """Return a convolution that keeps the image's size (but for the stride), and its norm."""
    conv = nn.Conv2d(in_channels, out_channels, kernel, stride, kernel // 2, groups=groups, bias=False)
    return nn.Sequential(conv, nn.BatchNorm2d(out_channels))


def mbconv(
    in_channels: int, out_channels: int, kernel: int, expansion: int, stride: int = 1, groups: int = 1
) -> nn.Module:
    """Return an inverted residual: expand, convolve each channel by itself, project.

    `groups` are those of the two 1 x 1 convolutions. There is a shortcut where the shapes allow it.
    Source: Sandler et al., MobileNetV2: Inverted Residuals and Linear Bottlenecks, 2018.
    """
    hidden = in_channels * expansion
    body = nn.Sequential(
        *conv_norm(in_channels, hidden, 1, groups=groups),
        nn.ReLU(),
        *conv_norm(hidden, hidden, kernel, stride, groups=hidden),
        nn.ReLU(),
        *conv_norm(hidden, out_channels, 1, groups=groups),
    )
    return Residual(body) if stride == 1 and in_channels == out_channels else body


def fused_mbconv(in_channels: int, out_channels: int, kernel: int, expansion: int, stride: int = 1) -> nn.Sequential:
    """Return one whole convolution in place of the first two of an MBConv (Tan & Le, EfficientNetV2, 2021)."""
    hidden = in_channels * expansion
    return nn.Sequential(
        *conv_norm(in_channels, hidden, kernel, stride), nn.SiLU(), *conv_norm(hidden, out_channels, 1)
    )


def choice_or_nothing(blocks: Iterable[nn.Module], in_channels: int, out_channels: int, stride: int) -> supple.Choice:
    """Return a choice among the blocks, and of none of them where the shape stays."""
    can_be_skipped = stride == 1 and in_channels == out_channels
    return supple.Choice(*blocks, *([nn.Identity()] if can_be_skipped else []))


def stacked(
    layer: Callable[[int, int, int], nn.Module], in_channels: int, stages: Iterable[tuple[int, int, int]]
) -> list[nn.Module]:
    """Return the layers of all stages of (channels, layers, stride); the first layer of a stage has its stride.

    `layer` makes one of its channels in, its channels out and its stride.
    """
    layers = []
    for out_channels, count, stride in stages:
        for number in range(count):
            layers.append(layer(in_channels, out_channels, stride if number == 0 else 1))
            in_channels = out_channels
    return layers


class Residual(nn.Module):
    """x + f(x)."""

    def __init__(self, body: nn.Module) -> None:
        super().__init__()
        self.body = body

    def forward(self, x):
        """Map x to the same shape."""
        return x + self.body(x)
