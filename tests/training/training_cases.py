"""A whole training, by several processes or by one, that may be killed: `training_cases.py FOLDER RESULT [STEPS]`."""

import os
import signal
import sys
from pathlib import Path

import torch
from conftest import image_batches
from torch import Tensor, nn

from supple.family import Family, convert
from supple.progress import Silent
from supple.storage import save_tensors, write_atomically
from supple.training import History, TrainConfig, train
from supple.training.config import Sharding
from supple.training.precision import Precision

CONFIG = TrainConfig(
    epochs=2,
    learning_rate=0.01,
    calibration_images=64,
    checkpoint_seconds=0,
    average_decay=0.5,
    precision=Precision.FP32,
)


class Net(nn.Module):
    """Blocks that can be dropped, and no bias that a norm takes back: its gradient would be nothing but rounding."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Sequential(nn.Conv2d(1, 16, 3, padding=1, bias=False), nn.BatchNorm2d(16), nn.ReLU())
        self.blocks = nn.Sequential(*(Block() for _ in range(2)))
        self.head = nn.Linear(16, 3)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.blocks(self.stem(x)).mean((2, 3)))


class Block(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(16, 16, 3, padding=1, bias=False)
        self.norm = nn.BatchNorm2d(16)

    def forward(self, x: Tensor) -> Tensor:
        return torch.relu(x + self.norm(self.conv(x)))


class Killer(Silent):
    """Kills the process after so many steps, as a machine does that is switched off."""

    def __init__(self, steps: int) -> None:
        self.steps = steps

    def advance(self, units: int = 1, **figures: float | str) -> None:
        self.steps -= 1
        if self.steps == 0:
            os.kill(os.getpid(), signal.SIGKILL)


def trained(folder: Path | None, steps: int = 0) -> tuple[Family, History]:
    # Only the main process's weights count.
    torch.manual_seed(int(os.environ.get("RANK", "0")))
    family = convert(Net(), torch.randn(2, 1, 6, 6))
    train_data, valid_data = image_batches(100, seed=1, shuffle=True, batch_size=15), image_batches(47, seed=2)
    config = CONFIG.model_copy(
        update={
            "sharding": Sharding(os.environ.get("SHARDING", "none")),
            "synchronise_norms": "NORMS_OF_SHARES" not in os.environ,
        }
    )
    progress = Killer(steps) if steps else Silent()
    history = train(family, train_data, valid_data, config, folder=folder, progress=progress)
    return family, history


def main(folder: Path, result: Path, steps: int = 0) -> None:
    torch.set_num_threads(1)
    family, history = trained(folder, steps)
    rank = os.environ.get("RANK", "0")
    save_tensors(result.with_suffix(f".{rank}"), family.state_dict())
    write_atomically(result.with_suffix(f".{rank}.json"), history.to_json())


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]), *map(int, sys.argv[3:]))
