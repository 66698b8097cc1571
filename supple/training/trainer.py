"""Train a family: every member of its space at once, from one set of shared weights, resumable bit for bit."""

import contextlib
import time
from collections.abc import Iterator, Mapping
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import Any

import torch
from lightning_fabric import Fabric
from torch import Tensor

from supple.data import Batches
from supple.errors import SuppleError
from supple.family import Family
from supple.progress import Progress, Silent
from supple.storage import RunLock
from supple.training.batches import batches_of_epoch
from supple.training.checkpoint import Checkpoint, newest_checkpoint, save_checkpoint
from supple.training.config import Accelerator, TrainConfig
from supple.training.distillation import InPlaceDistillation
from supple.training.evaluation import accuracy, calibration_inputs
from supple.training.history import EpochRow, History
from supple.training.optimizer import build_optimizer, load_optimizer_tensors, optimizer_tensors
from supple.training.placement import in_fast_order, placed_on
from supple.training.position import Position
from supple.training.sampler import Plan
from supple.training.samplers import build_sampler
from supple.training.schedule import learning_rate
from supple.training.tensors import below, load_tensors_into, random_states, set_random_states, tensors_of
from supple.training.update import Updater


def train(
    family: Family,
    train_data: Batches,
    valid_data: Batches,
    config: TrainConfig = TrainConfig(),
    checkpoint_folder: Path | None = None,
    progress: Progress = Silent(),
) -> History:
    """Train the shared weights of a family in place, and return what was seen epoch by epoch.

    Each step trains the largest member, the smallest and some random ones; the largest learns from the labels and
    teaches the others. With `checkpoint_folder`, a run that was interrupted goes on from its newest whole checkpoint
    there; on a CPU, with the same number of threads, it ends with the same weights and history, bit for bit, as one
    that was not (as far as the data repeat for the same epoch). The family ends in eval mode, where it was before, and
    PyTorch's random numbers as they were.

    Raises `SuppleError` where the data do not fit the model, the checkpoints belong to another run or cannot be
    written, or too many losses in a row are not finite.
    """
    if len(train_data) == 0:
        raise SuppleError("The training data have no batches: give at least one.")
    with contextlib.ExitStack() as stack:
        if checkpoint_folder is not None:
            stack.enter_context(_held(checkpoint_folder))
        fabric = Fabric(accelerator=_accelerator(config.accelerator), devices=1)
        cuda_devices = [fabric.device] if fabric.device.type == "cuda" else []
        stack.enter_context(torch.random.fork_rng(devices=cuda_devices))
        stack.enter_context(placed_on(family, fabric.device))
        stack.enter_context(in_fast_order(family.model))
        training = _Training(family, train_data, valid_data, config, checkpoint_folder, progress, fabric)
        try:
            return training.run()
        finally:
            family.eval()
            family.forget_calibrations()
            family.zero_grad()


class _Training:
    """One run of `train`."""

    def __init__(
        self,
        family: Family,
        train_data: Batches,
        valid_data: Batches,
        config: TrainConfig,
        folder: Path | None,
        progress: Progress,
        fabric: Fabric,
    ) -> None:
        self._family = family
        self._train_data = train_data
        self._valid_data = valid_data
        self._config = config
        self._folder = folder
        self._progress = progress
        self._device = fabric.device
        self._optimizer = build_optimizer(family, config.learning_rate, config.weight_decay)
        module, optimizer = fabric.setup(family.model, self._optimizer)
        objective = InPlaceDistillation(
            config.distillation_weight, config.distillation_temperature, config.label_smoothing
        )
        self._updater = Updater(family, fabric, module, optimizer, objective, config.clip_norm)
        self._steps = config.epochs * len(train_data)
        plan = Plan(family.space, self._steps, family.count_parameters, config.seed)
        self._sampler = build_sampler(config.sampler, plan)
        self._position = Position()
        self._rows: tuple[EpochRow, ...] = ()
        self._random_states: dict[str, Tensor] = {}
        self._began = self._saved = self._last_step = time.monotonic()

    def run(self) -> History:
        """Train to the end, from the beginning or from the newest checkpoint."""
        self._resume()
        self._progress.start("train", self._steps, "steps", self._position.step)
        while self._position.epoch < self._config.epochs:
            self._family.train()
            for inputs, labels in self._remaining_batches():
                self._step(inputs, labels)
            self._finish_epoch()
        self._progress.finish()
        return History(self._rows)

    def _remaining_batches(self) -> Iterator[tuple[Tensor, Tensor]]:
        """Yield the rest of the epoch's batches; those before the resumed position are drawn and left."""
        batches = batches_of_epoch(self._train_data, self._config.seed, self._position.epoch)
        for _ in range(self._position.batch):
            next(batches, None)
        if self._position.batch > 0:  # at the beginning of an epoch its own seed holds
            set_random_states(self._random_states, self._device)
        self._random_states = {}
        yield from islice(batches, len(self._train_data) - self._position.batch)

    def _step(self, inputs: Tensor, labels: Tensor) -> None:
        config, position = self._config, self._position
        rate = learning_rate(config.learning_rate, position.step, self._steps, config.warmup_share)
        outcome = self._updater.update(self._sampler.step(position.step), inputs, labels, rate)
        figures = self._images_per_second(len(labels))
        if outcome.broken is None:
            space = self._family.space
            loss, loss_smallest = outcome.losses[space.max()], outcome.losses[space.min()]
            figures |= {"loss": loss, "loss_smallest": loss_smallest}
            self._position = position.after_step(loss, loss_smallest)
        else:
            self._position = position.after_skipped_step()
            where = f"step {position.step + 1} (batch {position.batch + 1} of epoch {position.epoch + 1})"
            self._progress.say(f"The update of {where} is skipped: {outcome.broken}.")
            if self._position.skipped_in_row == config.skipped_steps_limit:
                raise SuppleError(
                    f"{config.skipped_steps_limit} updates in a row were skipped, the last at {where}: "
                    f"{outcome.broken}. Lower learning_rate ({config.learning_rate:g} now) or look at the data."
                )
        if time.monotonic() - self._saved >= config.checkpoint_seconds:
            self._save()
        self._progress.advance(1, **figures)

    def _finish_epoch(self) -> None:
        """Validate both ends of the space, add a row to the history, and write a checkpoint."""
        position, space = self._position, self._family.space
        self._family.eval()
        inputs = calibration_inputs(self._train_data, self._config.calibration_images)
        row = EpochRow(
            epoch=position.epoch + 1,
            step=position.step,
            seconds=self._seconds(),
            loss_largest=position.mean(position.sum_largest),
            loss_smallest=position.mean(position.sum_smallest),
            accuracy_largest=accuracy(self._family, space.max(), self._valid_data),
            accuracy_smallest=accuracy(self._family, space.min(), self._valid_data, inputs),
        )
        self._rows = (*self._rows, row)
        self._position = position.after_epoch()
        self._save()
        self._progress.say(
            f"Epoch {row.epoch} of {self._config.epochs}: validation accuracy {row.accuracy_largest:.1%} (largest), "
            f"{row.accuracy_smallest:.1%} (smallest)"
        )

    def _images_per_second(self, images: int) -> dict[str, float]:
        now = time.monotonic()
        elapsed, self._last_step = now - self._last_step, now
        return {"images_per_s": images / elapsed}

    def _seconds(self) -> float:
        return self._position.seconds + time.monotonic() - self._began

    def _save(self) -> None:
        if self._folder is None:
            return
        family = self._family
        tensors = {
            **below("weights", tensors_of(family)),
            **below("optimizer", optimizer_tensors(self._optimizer, family)),
            **below("random", random_states(self._device)),
        }
        state = {
            "config": self._config.decisive(),
            "space": self._family.space.digest,
            "batches": len(self._train_data),
            "position": replace(self._position, seconds=self._seconds()).to_json(),
            "sampler": self._sampler.state(),
            "history": History(self._rows).to_json(),
        }
        save_checkpoint(self._folder, Checkpoint(self._position.step, tensors, state), self._config.keep_checkpoints)
        self._saved = time.monotonic()

    def _resume(self) -> None:
        """Take up the newest whole checkpoint; where there is none, write the first, of the untrained weights."""
        checkpoint = None if self._folder is None else newest_checkpoint(self._folder, self._progress)
        if checkpoint is None:
            self._save()
            return
        self._check_same_run(checkpoint.state)
        load_tensors_into(self._family, checkpoint.part("weights"))
        load_optimizer_tensors(self._optimizer, self._family, checkpoint.part("optimizer"))
        self._random_states = checkpoint.part("random")
        self._position = Position.from_json(checkpoint.state["position"])
        self._rows = History.from_json(checkpoint.state["history"]).rows
        self._sampler.load_state(checkpoint.state["sampler"])

    def _check_same_run(self, state: Mapping[str, Any]) -> None:
        advice = "Use another folder, or the earlier setting."
        decisive = self._config.decisive()
        for name in {**decisive, **state["config"]}:
            before, now = state["config"].get(name), decisive.get(name)
            if before != now:
                raise SuppleError(
                    f'The checkpoints in "{self._folder}" are of a run with {name} {before}, not {now}. {advice}'
                )
        if state["space"] != self._family.space.digest:
            raise SuppleError(f'The checkpoints in "{self._folder}" are of another family: use another folder.')
        if state["batches"] != len(self._train_data):
            raise SuppleError(
                f'The checkpoints in "{self._folder}" are of a run on {state["batches"]} batches per epoch, '
                f"not {len(self._train_data)}. {advice}"
            )


def _accelerator(choice: Accelerator) -> str:
    """Return Fabric's name of the device to train on."""
    has_gpu = torch.cuda.is_available()
    if choice is Accelerator.CUDA and not has_gpu:
        raise SuppleError('The accelerator "cuda" is wanted, but PyTorch finds no GPU: use "auto" or "cpu".')
    return "cpu" if choice is Accelerator.CPU or not has_gpu else "cuda"


def _held(folder: Path) -> RunLock:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise SuppleError(f'The folder "{folder}" cannot be made: {error.strerror}.') from error
    return RunLock(folder)
