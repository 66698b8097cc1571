"""A run that is interrupted anywhere ends as one that was not, bit for bit."""

import copy
import os
import random
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import pytest
import torch
from conftest import SmallNet, image_batches
from torch.utils.data import DataLoader, Dataset

from supple.errors import SuppleError
from supple.family import Family, convert
from supple.progress import Silent
from supple.storage import RunLock
from supple.training import History, TrainConfig, checkpoint, train
from supple.training.checkpoint import newest_checkpoint

STEPS = 18
EVERY_STEP = {"checkpoint_seconds": 0}
EVERY_EPOCH = {"checkpoint_seconds": 3600}


class Interrupt(BaseException):
    """Stands for whatever ends a process."""


class Stopper(Silent):
    """Ends the run after so many steps of this process."""

    def __init__(self, steps: int) -> None:
        self.steps = steps
        self.done: list[int] = []

    def start(self, stage: str, total: int, unit: str = "steps", done: int = 0) -> None:
        self.done.append(done)

    def advance(self, units: int = 1, **figures: float | str) -> None:
        self.steps -= 1
        if self.steps == 0:
            raise Interrupt


class Noisy(Dataset):
    """Images with random noise from PyTorch's global random numbers, as augmentations draw it."""

    def __len__(self) -> int:
        return 48

    def __getitem__(self, index: int) -> tuple[torch.Tensor, int]:
        return torch.randn(1, 6, 6) + index % 3, index % 3


@dataclass(frozen=True)
class Ended:
    """All that a finished run leaves behind."""

    history: History
    tensors: dict[str, torch.Tensor]
    weights: dict[str, torch.Tensor]

    def assert_equal(self, other: "Ended") -> None:
        assert self.history == other.history
        for one, two in ((self.tensors, other.tensors), (self.weights, other.weights)):
            assert one.keys() == two.keys()
            assert [name for name in one if not torch.equal(one[name], two[name])] == []


def data():
    return image_batches(96, seed=1, shuffle=True)


def attempt(
    converted: Family, folder: Path, config: TrainConfig, progress: Silent | None = None, train_data=None
) -> Ended:
    """Train as a new process does: a fresh family, fresh data, only the folder is old."""
    family = Family(copy.deepcopy(converted.model), converted.structure)
    torch.rand(random.randrange(5))
    history = train(
        family, train_data or data(), image_batches(48, seed=2), config, folder=folder, progress=progress or Silent()
    )
    last = newest_checkpoint(folder, Silent())
    assert last is not None
    assert last.step == history.rows[-1].step
    return Ended(history, dict(last.tensors), family.model.state_dict())


def interrupted(converted: Family, folder: Path, config: TrainConfig, cuts: list[int]) -> Ended:
    """Train with an interruption after so many steps of each process."""
    for steps in cuts:
        with pytest.raises(Interrupt):
            attempt(converted, folder, config, Stopper(steps))
    return attempt(converted, folder, config)


@pytest.fixture
def whole(converted, config, tmp_path) -> Ended:
    return attempt(converted, tmp_path / "whole", config)


@pytest.mark.parametrize("cadence", [EVERY_STEP, EVERY_EPOCH], ids=["every step", "every epoch"])
def test_cut_once_at_any_step(converted, config, tmp_path, whole, cadence):
    seed = random.SystemRandom().randrange(1000)
    print(f"seed {seed}")
    for cut in {1, 6, STEPS, *random.Random(seed).sample(range(1, STEPS), 2)}:
        print(f"cut after {cut} steps")
        interrupted(converted, tmp_path / str(cut), config.model_copy(update=cadence), [cut]).assert_equal(whole)


def test_cut_again_and_again(converted, config, tmp_path, whole):
    config = config.model_copy(update=EVERY_STEP)
    interrupted(converted, tmp_path / "cut", config, [2, 1, 4, 3, 1]).assert_equal(whole)


def test_work_that_was_saved_is_not_done_again(converted, config, tmp_path):
    config = config.model_copy(update=EVERY_STEP)
    stoppers = [Stopper(5), Stopper(4)]
    for stopper in stoppers:
        with pytest.raises(Interrupt):
            attempt(converted, tmp_path, config, stopper)
    assert [stopper.done for stopper in stoppers] == [[0], [5]]
    assert newest_checkpoint(tmp_path, Silent()).step == 9


def test_cut_while_a_checkpoint_is_written(converted, config, tmp_path, whole, monkeypatch):
    config = config.model_copy(update=EVERY_STEP)

    def killed(*arguments: object) -> None:
        if (tmp_path / "cut" / "step-000007" / "state.json").exists():
            raise Interrupt
        return seal(*arguments)

    seal = checkpoint.seal
    monkeypatch.setattr(checkpoint, "seal", killed)
    with pytest.raises(Interrupt):
        attempt(converted, tmp_path / "cut", config)
    monkeypatch.undo()
    stopper = Stopper(1000)
    attempt(converted, tmp_path / "cut", config, stopper).assert_equal(whole)
    assert stopper.done == [6]


def test_a_damaged_checkpoint_costs_only_its_steps(converted, config, tmp_path, whole):
    config = config.model_copy(update=EVERY_STEP)
    with pytest.raises(Interrupt):
        attempt(converted, tmp_path / "cut", config, Stopper(8))
    with (tmp_path / "cut" / "step-000008" / "tensors.safetensors").open("r+b") as file:
        file.seek(-9, os.SEEK_END)
        file.write(b"\x55")
    stopper = Stopper(1000)
    attempt(converted, tmp_path / "cut", config, stopper).assert_equal(whole)
    assert stopper.done == [7]


def test_a_loader_that_draws_random_numbers_goes_on_with_the_same_ones(converted, config, tmp_path):
    def loader() -> DataLoader:
        return DataLoader(Noisy(), batch_size=8, shuffle=True)

    config = config.model_copy(update=EVERY_STEP)
    with pytest.raises(Interrupt):
        attempt(converted, tmp_path / "cut", config, Stopper(9), loader())
    whole = attempt(converted, tmp_path / "whole", config, train_data=loader())
    attempt(converted, tmp_path / "cut", config, train_data=loader()).assert_equal(whole)


def test_a_finished_run_is_not_trained_again(converted, config, tmp_path, whole):
    stopper = Stopper(1)
    attempt(converted, tmp_path / "whole", config, stopper).assert_equal(whole)
    assert stopper.done == [STEPS]


def test_where_training_runs_and_how_often_it_saves_may_change(converted, config, tmp_path, whole):
    with pytest.raises(Interrupt):
        attempt(converted, tmp_path / "cut", config.model_copy(update=EVERY_STEP), Stopper(4))
    attempt(converted, tmp_path / "cut", config.model_copy(update={"keep_checkpoints": 1})).assert_equal(whole)


def test_another_config_is_refused(converted, config, tmp_path, whole):
    with pytest.raises(SuppleError) as caught:
        attempt(converted, tmp_path / "whole", config.model_copy(update={"epochs": 4}))
    assert str(caught.value) == (
        f'The checkpoints in "{tmp_path / "whole"}" are of a run with epochs 3, not 4. '
        "Use another folder, or the earlier setting."
    )


def test_other_data_are_refused(converted, config, tmp_path, whole):
    with pytest.raises(SuppleError, match="are of a run on 6 batches per epoch, not 4"):
        attempt(converted, tmp_path / "whole", config, train_data=image_batches(64, seed=1, shuffle=True))


def test_another_family_is_refused(config, tmp_path, whole):
    other = convert(SmallNet(classes=5), torch.randn(2, 1, 6, 6))
    with pytest.raises(
        SuppleError, match=r'The checkpoint is of another model: tensor "model.head.weight" is .3, 16. there'
    ):
        attempt(other, tmp_path / "whole", config)


def test_another_space_is_refused(converted, config, tmp_path, whole):
    narrower = converted.structure.without("blocks.depth", "for this test")
    with pytest.raises(SuppleError, match="are of another family: use another folder"):
        attempt(Family(converted.model, narrower), tmp_path / "whole", config)


def test_two_runs_do_not_share_a_folder(converted, config, tmp_path):
    with RunLock(tmp_path), pytest.raises(SuppleError, match="is in use by process"):
        attempt(converted, tmp_path, config)


def test_a_killed_process_is_resumed(config, tmp_path):
    config = config.model_copy(update={"epochs": 2000, "checkpoint_seconds": 0.2})
    script = (
        "import torch\nfrom pathlib import Path\nfrom conftest import SmallNet, image_batches\n"
        "from supple.family import convert\nfrom supple.training import TrainConfig, train\n"
        "torch.set_num_threads(1)\ntorch.manual_seed(0)\nfamily = convert(SmallNet(), torch.randn(2, 1, 6, 6))\n"
        f"train(family, image_batches(96, 1, True), image_batches(48, 2), "
        f"TrainConfig.model_validate_json('{config.model_dump_json()}'), folder=Path('{tmp_path}'))\n"
    )
    here = Path(__file__).parent
    paths = os.pathsep.join([str(here), str(here.parents[1])])
    process = subprocess.Popen([sys.executable, "-c", script], env={**os.environ, "PYTHONPATH": paths})
    begun = time.monotonic()
    while not (tmp_path / "step-000012" / "manifest.json").exists():
        assert process.poll() is None
        assert time.monotonic() - begun < 120
        time.sleep(0.02)
    process.send_signal(signal.SIGKILL)
    process.wait()
    torch.manual_seed(0)
    stopper = Stopper(2)
    with pytest.raises(Interrupt):
        attempt(convert(SmallNet(), torch.randn(2, 1, 6, 6)), tmp_path, config, stopper)
    assert stopper.done[0] >= 12
