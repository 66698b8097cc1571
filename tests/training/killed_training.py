"""A training that is killed at random moments, and one that is not: `killed_training.py FOLDER SAMPLER KILLS SEED`.

Each attempt is a child forked from this process, which has loaded everything and made the family: it is up in
milliseconds. FOLDER then holds `whole` and `killed`, the folders of both runs, with what they ended with, and
`kills.json`: for each kill the step of the newest whole checkpoint before the attempt and after it, whether it was
killed early, and whether a checkpoint was half written.
"""

import json
import os
import random
import signal
import sys
import time
import traceback
from collections.abc import Callable
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path

import torch
from conftest import SmallNet, image_batches
from pydantic import TypeAdapter

from supple.family import Family, convert
from supple.progress import Silent
from supple.storage import save_tensors, write_atomically
from supple.training import (
    AugmentationConfig,
    DistillationConfig,
    Precision,
    ProgressiveLearningConfig,
    SamplerChoice,
    TrainConfig,
    train,
)

EPOCHS = 3
# An attempt does some steps before its first checkpoint is whole, and more until it is killed: too few, and it ends.
_STEPS_PER_KILL = 6
# So many kills come early: while the attempt reads the checkpoint, or before it writes one.
_EARLY_ONE_IN = 4
_EARLY_S = 0.1
_PATIENCE_S = 60


def config_of(sampler: str) -> TrainConfig:
    """Return a recipe in which everything that a run remembers is on; a checkpoint is written nearly all the time."""
    return TrainConfig(
        epochs=EPOCHS,
        accumulated_batches=2,
        sampler=TypeAdapter(SamplerChoice).validate_python({"kind": sampler}),
        distillation=DistillationConfig(weight=0.5),
        learning_rate=0.01,
        average_decay=0.9,
        label_smoothing=0.1,
        augmentation=AugmentationConfig(mixup_alpha=0.4, cutmix_alpha=1.0),
        progressive_learning=ProgressiveLearningConfig(stages=3),
        calibration_images=32,
        checkpoint_seconds=0.001,
        log_seconds=0,
        precision=Precision.FP32,
    )


class Beginning(Silent):
    """Notes at which step an attempt begins."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def start(self, stage: str, total: int, unit: str = "steps", done: int = 0) -> None:
        with self.path.open("a") as file:
            file.write(f"{done}\n")


@dataclass(frozen=True)
class Kill:
    """The newest whole checkpoint before an attempt, and after it was killed; -1 where there is none."""

    before: int
    after: int
    is_early: bool
    is_torn: bool


def attempt(family: Family, config: TrainConfig, batches: int, folder: Path) -> None:
    """Train to the end, and leave beside the checkpoints what the run ended with."""
    train_data = image_batches(8 * batches, seed=1, shuffle=True, batch_size=8)
    valid_data = image_batches(16, seed=2)
    history = train(family, train_data, valid_data, config, folder=folder, progress=Beginning(folder / "begun.txt"))
    save_tensors(folder / "weights.safetensors", family.state_dict())
    write_atomically(folder / "history.json", history.to_json())


def forked(work: Callable[[], None]) -> int:
    """Start a child that does the work and ends; return its process id."""
    child = os.fork()
    if child == 0:
        code = 1
        try:
            work()
            code = 0
        finally:
            # Not through the exit handlers, which are the parent's; an error is on its way to nobody.
            if code:
                traceback.print_exc()
            os._exit(code)
    return child


def status_of(child: int) -> int:
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def newest_whole(folder: Path) -> int:
    """Return the step of the newest checkpoint that has been sealed, -1 without any."""
    return max(
        (int(path.parent.name.removeprefix("step-")) for path in folder.glob("step-*/manifest.json")), default=-1
    )


def kill_at_random(child: int, folder: Path, rng: random.Random, longest_delay_s: float) -> Kill:
    """Kill an attempt at a random moment: mostly after it has written a checkpoint, else as soon as it begins."""
    before = newest_whole(folder)
    is_early = rng.randrange(_EARLY_ONE_IN) == 0
    patience = time.monotonic() + _PATIENCE_S
    while not is_early and newest_whole(folder) <= before:
        assert time.monotonic() < patience, "the attempt does nothing"
        time.sleep(0.001)
    time.sleep(rng.uniform(0, _EARLY_S if is_early else longest_delay_s))
    os.kill(child, signal.SIGKILL)
    assert status_of(child) == -signal.SIGKILL, "the attempt came to its end: train longer for so many kills"
    is_torn = any(not (path / "manifest.json").exists() for path in folder.glob("step-*"))
    return Kill(before, newest_whole(folder), is_early, is_torn)


def main(folder: Path, sampler: str, kills: int, seed: int) -> None:
    torch.set_num_threads(1)
    torch.manual_seed(0)
    family = convert(SmallNet(), torch.randn(2, 1, 6, 6))
    config = config_of(sampler)
    batches = config.accumulated_batches * -(-_STEPS_PER_KILL * kills // EPOCHS)
    folders = [folder / "whole", folder / "killed"]
    whole, killed = (partial(attempt, family, config, batches, path) for path in folders)
    for path in folders:
        path.mkdir(parents=True)
    began = time.monotonic()
    assert status_of(forked(whole)) == 0
    # However fast the machine is: the attempts take some two fifths of the run together, the last one the rest.
    longest_delay_s = 0.8 * (time.monotonic() - began) / kills
    rng = random.Random(seed)
    found = [asdict(kill_at_random(forked(killed), folders[1], rng, longest_delay_s)) for _ in range(kills)]
    assert status_of(forked(killed)) == 0
    write_atomically(folder / "kills.json", json.dumps(found))


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2], int(sys.argv[3]), int(sys.argv[4]))
