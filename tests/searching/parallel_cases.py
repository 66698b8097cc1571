"""What is sent to processes that evaluate members: it stands in a module, so that they find it."""

import os
import signal
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import nn

from supple.errors import SuppleError


class TinyNet(nn.Module):
    def __init__(self):
        super().__init__()
        self.stem = nn.Sequential(nn.Conv2d(1, 16, 3, padding=1), nn.BatchNorm2d(16), nn.ReLU())
        self.body = nn.Sequential(nn.Conv2d(16, 32, 3, stride=2, padding=1), nn.BatchNorm2d(32), nn.ReLU())
        self.head = nn.Linear(32, 4)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.head(self.body(self.stem(x)).mean((2, 3)))


def batches(count, seed):
    """Return batches of images of which each has a bright row: its place is the class."""
    generator = torch.Generator().manual_seed(seed)
    found = []
    for _ in range(count):
        labels = torch.randint(0, 4, (8,), generator=generator)
        images = torch.randn(8, 1, 8, 8, generator=generator)
        images[torch.arange(8), 0, 2 * labels] += 3
        found.append((images, labels))
    return found


@dataclass(frozen=True)
class Scored:
    """Evaluates a member as its first width; those of some widths send their process a signal, so many times."""

    folder: Path
    signals: dict[int, tuple[signal.Signals, int]]

    def __call__(self, configs):
        for config in configs:
            width = config["width0"]
            number, times = self.signals.get(width, (0, 0))
            if len(list(self.folder.glob(f"{width}-*"))) < times:
                (self.folder / f"{width}-{os.getpid()}").touch()
                os.kill(os.getpid(), number)
        return [float(config["width0"]) for config in configs]


@dataclass(frozen=True)
class Refusing:
    """Says that a member cannot be evaluated."""

    error: str

    def __call__(self, configs):
        if self.error == "SuppleError":
            raise SuppleError("There is no data.")
        raise ValueError("This is a mistake.")


class EndingItsProcess:
    """Ends the process that reads it."""

    def __reduce__(self):
        return os._exit, (3,)


class FailingWhereItIsRead:
    """Cannot be read by another process."""

    def __reduce__(self):
        return _fail, ()


def _fail():
    raise AttributeError("there is no such class")
