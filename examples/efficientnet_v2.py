"""The space of EfficientNetV2: the kind of block and the kernel of each stage, the number and expansion of its layers.

Source: Tan & Le, EfficientNetV2: Smaller Models and Faster Training, 2021, section 3.2 (without squeeze-excitation,
whose share the paper fixes). Run it: python examples/efficientnet_v2.py
"""

import torch
from blocks import Residual, conv_norm, fused_mbconv, mbconv
from torch import nn

import supple

# (channels, most layers, stride), about EfficientNet-B4.
STAGES = ((24, 2, 1), (48, 4, 2), (64, 4, 2), (128, 6, 2), (160, 9, 1), (256, 15, 2))


class Layer(nn.Module):
    """Either block at its largest, with a shortcut where the shapes allow it."""

    def __init__(self, in_channels: int, out_channels: int, stride: int) -> None:
        super().__init__()
        plain = mbconv(in_channels, out_channels, 5, 6, stride)
        self.block = supple.Choice(
            plain.body if isinstance(plain, Residual) else plain,
            fused_mbconv(in_channels, out_channels, 5, 6, stride),
        )
        self.has_shortcut = stride == 1 and in_channels == out_channels

    def forward(self, x):
        """Map x: (batch, in_channels, height, width) to (batch, out_channels, height / stride, width / stride)."""
        return x + self.block(x) if self.has_shortcut else self.block(x)


def network(stages=STAGES, num_classes: int = 1000) -> nn.Sequential:
    """Return the network for images (batch, 3, 224, 224)."""
    channels, made = 24, []
    for out_channels, count, stride in stages:
        first = Layer(channels, out_channels, stride)
        made.append(nn.Sequential(first, *(Layer(out_channels, out_channels, 1) for _ in range(count - 1))))
        channels = out_channels
    head = nn.Sequential(*conv_norm(channels, 1280, 1), nn.SiLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten())
    return nn.Sequential(conv_norm(3, 24, 3, 2), nn.SiLU(), nn.Sequential(*made), head, nn.Linear(1280, num_classes))


def family(stages=STAGES, size: int = 224) -> supple.Family:
    """Return the family: the layers of a stage are of one kind and one kernel; each is 1, 4 or 6 times expanded."""
    numbers = range(len(stages))
    return supple.convert(
        network(stages),
        torch.randn(2, 3, size, size),
        choices={"2.*.hidden": [1 / 6, 4 / 6, 1.0]},
        freeze=["*.width"],
        ties={f"stage{number}.operator": f"2.{number}.*.operator" for number in numbers}
        | {f"stage{number}.kernel": f"2.{number}.*.kernel" for number in numbers},
    )


if __name__ == "__main__":
    print(family().summary())
