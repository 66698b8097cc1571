"""All parts of the recipe together, in a loop of one's own: cut anywhere, it goes on bit for bit."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from supple.storage.tensors import load_tensors, save_tensors
from supple.training.augmentation import AugmentationConfig
from supple.training.averaging import WeightAverage
from supple.training.classification import Classification
from supple.training.diverging import Diverging
from supple.training.dropout import weaker_dropout
from supple.training.mixing import generator_of_step, mixed
from supple.training.optimizer import build_optimizer
from supple.training.optimizer_state import load_optimizer_state, optimizer_state
from supple.training.progressive_learning import ProgressiveLearningConfig, stage_of
from supple.training.resizing import scaled
from supple.training.schedule import Schedule, learning_rate
from supple.training.tensors import below

STEPS = 45
AUGMENTATION = AugmentationConfig(mixup_alpha=0.4, cutmix_alpha=1.0, probability=0.8)
PROGRESSIVE = ProgressiveLearningConfig(stages=3)
TASK = Classification(label_smoothing=0.1)


class Loop:
    """A training of a small network, whose whole state can be written to a folder and read from it."""

    def __init__(self) -> None:
        torch.manual_seed(0)
        self.model = nn.Sequential(
            nn.Conv2d(1, 6, 3),
            nn.BatchNorm2d(6),
            nn.Dropout(0.3),
            nn.AdaptiveAvgPool2d(1),
            nn.Flatten(),
            nn.Linear(6, 3),
        )
        self.optimizer = build_optimizer(self.model, 0.1, 0.01, "torch.optim:NAdam")
        self.average = WeightAverage(self.model, 0.9)
        self.watch = Diverging()
        self.done = 0

    def run(self, until: int) -> None:
        while self.done < until:
            self.step(self.done)
            self.done += 1

    def step(self, step: int) -> None:
        generator = torch.Generator().manual_seed(step)
        batch = (torch.randn(8, 1, 8, 8, generator=generator), torch.randint(0, 3, (8,), generator=generator))
        stage = stage_of(PROGRESSIVE, step, STEPS)
        batch = mixed(scaled(batch, stage.scale), AUGMENTATION, generator_of_step(1, step), stage.strength)
        for group in self.optimizer.param_groups:
            group["lr"] = learning_rate(0.1, step, STEPS, 0.1, Schedule.EXPONENTIAL, 0.05)
        self.optimizer.zero_grad()
        torch.manual_seed(step)  # of dropout
        with weaker_dropout(self.model, stage.strength):
            loss = TASK.loss(self.model(TASK.inputs(batch)), batch)
        loss.backward()
        self.optimizer.step()
        self.average.update()
        data_loss = float(loss.detach())
        self.watch.after_step(data_loss, [data_loss], 0.1)

    def tensors(self) -> tuple[dict[str, Tensor], Any]:
        tensors, optimizer = optimizer_state(self.optimizer, self.model)
        parts = {"weights": self.model.state_dict(), "optimizer": tensors, "average": self.average.state()}
        named = {name: tensor for part, held in parts.items() for name, tensor in below(part, held).items()}
        return named, {"optimizer": optimizer, "watch": self.watch.state(), "done": self.done}

    def save(self, folder: Path) -> None:
        tensors, content = self.tensors()
        save_tensors(folder / "tensors.safetensors", tensors)
        (folder / "state.json").write_text(json.dumps(content, allow_nan=False))

    def load(self, folder: Path) -> None:
        tensors = load_tensors(folder / "tensors.safetensors")
        content = json.loads((folder / "state.json").read_text())

        def part(name: str) -> dict[str, Tensor]:
            held = {
                key.removeprefix(f"{name}/"): tensor for key, tensor in tensors.items() if key.startswith(f"{name}/")
            }
            assert held
            return held

        self.model.load_state_dict(part("weights"))
        load_optimizer_state(self.optimizer, self.model, part("optimizer"), content["optimizer"])
        self.average.load_state(part("average"))
        self.watch.load_state(content["watch"])
        self.done = content["done"]


@pytest.fixture(scope="module")
def uninterrupted() -> tuple[dict[str, Tensor], Any]:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    loop = Loop()
    loop.run(STEPS)
    torch.set_num_threads(threads)
    return loop.tensors()


@pytest.mark.parametrize("cut", [1, 4, 14, 15, 31, 44])
def test_a_run_that_was_cut_ends_as_one_that_was_not(uninterrupted, cut, tmp_path):
    first = Loop()
    first.run(cut)
    first.save(tmp_path)
    second = Loop()
    second.load(tmp_path)
    with second.average.swapped_in():  # as a validation does; it must leave no trace
        pass
    second.run(STEPS)
    tensors, content = second.tensors()
    assert content == uninterrupted[1]
    assert tensors.keys() == uninterrupted[0].keys()
    assert [name for name, tensor in tensors.items() if not torch.equal(tensor, uninterrupted[0][name])] == []
