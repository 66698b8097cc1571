"""A small family with dropout, and data that it can learn in seconds."""

import copy
from collections.abc import Iterator

import pytest
import torch
from torch import nn

from supple.data import ImageBatches
from supple.family import Family, convert
from supple.progress import Silent
from supple.training import SandwichConfig, TrainConfig


class SmallNet(nn.Module):
    """A convolution, two residual blocks of which one can be dropped, dropout, a head."""

    def __init__(self, classes: int = 3) -> None:
        super().__init__()
        self.stem = nn.Sequential(nn.Conv2d(1, 16, 3, padding=1), nn.BatchNorm2d(16), nn.ReLU())
        self.blocks = nn.Sequential(*(SmallBlock(16) for _ in range(2)))
        self.dropout = nn.Dropout(0.1)
        self.head = nn.Linear(16, classes)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.head(self.dropout(self.blocks(self.stem(x)).mean((2, 3))))


class SmallBlock(nn.Module):
    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(channels, channels, 3, padding=1)
        self.norm = nn.BatchNorm2d(channels)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.relu(x + self.norm(self.conv(x)))


class Listener(Silent):
    """Remembers what progress is told."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self.stages: list[tuple[str, int, int]] = []
        self.figures: list[dict[str, float | str]] = []

    def start(self, stage: str, total: int, unit: str = "steps", done: int = 0) -> None:
        self.stages.append((stage, total, done))

    def advance(self, units: int = 1, **figures: float | str) -> None:
        self.figures.append(figures)

    def say(self, line: str) -> None:
        self.lines.append(line)


def image_batches(count: int, seed: int, shuffle: bool = False, batch_size: int = 16) -> ImageBatches:
    """Return images with one bright row each; its third of the image is the class."""
    generator = torch.Generator().manual_seed(seed)
    rows = torch.randint(0, 6, (count,), generator=generator)
    images = torch.randint(0, 60, (count, 1, 6, 6), generator=generator, dtype=torch.uint8)
    images[torch.arange(count), 0, rows] += 190
    return ImageBatches(
        images, rows // 2, batch_size, shuffle=shuffle, seed=seed, mean=(0.25,), std=(0.3,), drop_last=shuffle
    )


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    """Keep small networks from waiting for threads; results hang on their number."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture(scope="session")
def converted() -> Family:
    torch.manual_seed(0)
    return convert(SmallNet(), torch.randn(2, 1, 6, 6))


@pytest.fixture
def family(converted: Family) -> Family:
    return Family(copy.deepcopy(converted.model), converted.structure)


@pytest.fixture
def train_data() -> ImageBatches:
    return image_batches(96, seed=1, shuffle=True)


@pytest.fixture
def valid_data() -> ImageBatches:
    return image_batches(48, seed=2)


@pytest.fixture
def config() -> TrainConfig:
    return TrainConfig(epochs=3, learning_rate=0.01, sampler=SandwichConfig(random_members=1), calibration_images=64)
