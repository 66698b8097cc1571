"""A small project of a user's own: a tiny model and a few images, and the command run on them as a process."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from PIL import Image

# So that a process runs the code that stands beside these tests, wherever the package is installed.
REPOSITORY = Path(__file__).parents[2]

MODEL = """
import torch
from torch import nn
from supple.models import ResNet


def network(num_classes=3):
    return ResNet(1, num_classes, 16, (16, 32), (1, 2))


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


@pytest.fixture
def project(tmp_path):
    """Return a folder with `small_project.py`, `config.yaml` and 300 images of three classes."""
    (tmp_path / "small_project.py").write_text(MODEL)
    (tmp_path / "config.yaml").write_text(CONFIG)
    write_images(tmp_path / "images")
    return tmp_path


@pytest.fixture
def start(project):
    """Return a function that starts `supple` with arguments in the project's folder, and gives the process.

    With `together=2` that process is torchrun, which starts two.
    """
    processes = []

    def begin(*arguments, together=1, **options):
        launcher = ["torch.distributed.run", "--standalone", "--nproc-per-node", str(together), "-m"]
        process = subprocess.Popen(
            [sys.executable, "-W", "ignore", "-m", *(launcher if together > 1 else []), "supple", *arguments],
            cwd=project,
            env={**os.environ, "NO_COLOR": "1", "COLUMNS": "200", "PYTHONPATH": f"{project}{os.pathsep}{REPOSITORY}"},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            **options,
        )
        processes.append(process)
        return process

    yield begin
    for process in processes:
        if process.poll() is None:
            # torchrun ends the processes that it started, if it is asked to end and not killed.
            process.terminate() if "torch.distributed.run" in process.args else process.kill()
        process.communicate()


@pytest.fixture
def supple(start):
    """Return a function that runs `supple` with arguments and gives (exit status, stdout, stderr)."""

    def run(*arguments, **options):
        process = start(*arguments, **options)
        output, errors = process.communicate(timeout=300)
        return process.returncode, output, errors

    return run
