"""A small project of a user's own: a tiny model, a few images, and the file of a run."""

import sys
from pathlib import Path

import pytest
import torch
from PIL import Image
from typer.testing import CliRunner

from supple.cli import app

# So that a process runs the code that stands beside these tests, wherever the package is installed.
REPOSITORY = Path(__file__).parents[2]

MODEL = """
import torch
from torch import nn
from supple.models import ResNet


def network(num_classes=3):
    return ResNet(1, num_classes, 16, (32,), (2,))


class Pair(nn.Module):
    def __init__(self):
        super().__init__()
        self.network = network()

    def forward(self, x):
        return self.network(x), x.mean()


class Detached(nn.Module):
    def __init__(self):
        super().__init__()
        self.network = network()

    def forward(self, x):
        return self.network(x).detach()


def frozen():
    return network().requires_grad_(False)


def without_norms():
    layers = (nn.Linear(256, 32), nn.ReLU(), nn.Linear(32, 32), nn.ReLU(), nn.Linear(32, 3))
    return nn.Sequential(nn.Flatten(), *layers)


def number():
    return 7
"""

CONFIG = """
model: {function: "small_project:network", arguments: {num_classes: 3}}
data: {kind: folder, path: images}
threads: 1
train: {epochs: 2, batch_size: 32, calibration_images: 64, checkpoint_seconds: 0}
search: {budget: 8, searcher: {kind: nsga2, population: 2}, calibration_images: 64, seconds_per_latency: 0.2}
export: {parity_images: 16, latency_seconds: 0.5}
"""


def write_images(folder: Path, classes: int = 3, per_class: int = 100, size: int = 16) -> None:
    generator = torch.Generator().manual_seed(0)
    for label in range(classes):
        (folder / f"class_{label}").mkdir(parents=True)
        for number in range(per_class):
            noise = torch.randint(0, 100, (size, size), generator=generator, dtype=torch.uint8)
            noise[label * 5 : label * 5 + 4] += 150
            Image.fromarray(noise.numpy()).save(folder / f"class_{label}" / f"{number}.png")


def write_project(folder):
    """Write `small_project.py`, `config.yaml` and 300 images of three classes into a folder, and return it."""
    (folder / "small_project.py").write_text(MODEL)
    (folder / "config.yaml").write_text(CONFIG)
    write_images(folder / "images")
    return folder


def supple_here(folder, *arguments):
    """Run the command in this process, in a project's folder."""
    threads = torch.get_num_threads()
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.syspath_prepend(folder)
        patch.delitem(sys.modules, "small_project", raising=False)
        try:
            return CliRunner().invoke(app, list(arguments))
        finally:
            torch.set_num_threads(threads)


def train_here(folder, *arguments):
    """Train a project's family for one epoch; return the folder."""
    trained = supple_here(folder, "train", "config.yaml", "--set", "train.epochs=1", *arguments)
    assert trained.exit_code == 0, trained.stderr
    return folder
