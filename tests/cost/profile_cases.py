"""A small family to profile."""

import functools

import torch
from torch import nn

from supple.family import convert
from supple.runtime import OnnxTemplate


class Block(nn.Module):
    def __init__(self, channels: int) -> None:
        super().__init__()
        self.expand, self.norm = nn.Conv2d(channels, 32, 1, bias=False), nn.BatchNorm2d(32)
        self.spatial = nn.Conv2d(32, 32, 3, padding=1, groups=32)
        self.project = nn.Conv2d(32, channels, 1)

    def forward(self, x):
        return x + self.project(torch.relu(self.spatial(torch.relu(self.norm(self.expand(x))))))


class Network(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, 16, 3, padding=1)
        self.blocks = nn.Sequential(Block(16), Block(16), Block(16))
        self.head = nn.Linear(16, 4)

    def forward(self, x):
        return self.head(self.blocks(torch.relu(self.stem(x))).mean((2, 3)))


@functools.cache
def template() -> OnnxTemplate:
    torch.set_num_threads(1)
    torch.manual_seed(0)
    inputs = torch.randn(2, 3, 8, 8)
    return OnnxTemplate(convert(Network(), inputs), inputs)
