"""Train a family: every member of its space at once, from one set of shared weights, resumable bit for bit."""

import contextlib
from collections.abc import Iterable, Sized
from pathlib import Path

import torch
from lightning_fabric import Fabric
from torch import nn

from supple.data import Batches
from supple.errors import SuppleError
from supple.family import Family
from supple.progress import Progress, Silent
from supple.storage import RunLock
from supple.training.classification import Classification
from supple.training.config import Sharding, TrainConfig
from supple.training.diagnosis import check_trainable
from supple.training.history import History
from supple.training.placement import in_fast_order, placed_on
from supple.training.precision import Precision, choose_precision
from supple.training.processes import device_type, started_processes
from supple.training.run import TrainingRun
from supple.training.sampler import Plan
from supple.training.samplers import build_sampler
from supple.training.synchronised_norm import synchronised_norms
from supple.training.task import Task


def train(
    family: Family,
    train_data: Batches,
    valid_data: Batches,
    config: TrainConfig = TrainConfig(),
    *,
    task: Task | None = None,
    teacher: nn.Module | None = None,
    folder: Path | None = None,
    progress: Progress = Silent(),
) -> History:
    """Train the shared weights of a family in place, and return what was seen epoch by epoch.

    The sampler of the config draws the members of each step; the largest learns from the data and, as the config's
    distillation says, teaches the others; a `teacher` of your own takes its place. `task` says what a batch is, the
    loss and the metric: by default the classification of `(inputs, labels)`.

    With `folder`, checkpoints and the log `training.jsonl` are written there, and a run that was interrupted goes on
    from its newest whole checkpoint; on a CPU, with the same number of threads, it ends with the same weights and
    history, bit for bit, as one that was not (as far as the data repeat for the same epoch). Started by torchrun, all
    processes call this with the same arguments, and train on shares of the same batches. The family ends in eval mode,
    where it was before, and PyTorch's random numbers as they were.

    Raises `SuppleError` where the data do not fit the model or the task, nothing in the model trains, the checkpoints
    belong to another run or cannot be written, or too many losses in a row are not finite.
    """
    # An hour later, at the first validation, would be too late to tell.
    for name, data in (("training", train_data), ("validation", valid_data)):
        _check_batches(name, data)
    check_trainable(family)
    task = Classification(config.label_smoothing) if task is None else task
    with contextlib.ExitStack() as stack:
        processes = stack.enter_context(started_processes(device_type(config.accelerator)))
        if not processes.is_main:
            folder, progress = None, Silent()
        if folder is not None:
            stack.enter_context(_held(folder))
        processes.check_alike(family.space.digest, "families")
        processes.take_from_main([*family.parameters(), *family.buffers()])
        steps = config.epochs * -(-len(train_data) // config.accumulated_batches)
        sampler = build_sampler(config.sampler, Plan.of(family, steps, config.seed))
        device = processes.device
        chosen = choose_precision(config.precision, device, family.model)
        if chosen.warning is not None:
            progress.say(chosen.warning)
        # What "auto" means hangs on the machine, and a run keeps to it.
        config = config.model_copy(update={"precision": Precision[chosen.precision.name]})
        fabric = Fabric(
            accelerator=device.type,
            devices=1 if device.index is None else [device.index],
            precision=chosen.precision.value,
        )
        stack.enter_context(torch.random.fork_rng(devices=[device] if device.type == "cuda" else []))
        trained = family
        if config.sharding is Sharding.FULL and processes.world > 1:
            from supple.training.sharding import sharded

            trained = stack.enter_context(sharded(family, processes))
        else:
            stack.enter_context(placed_on(family, fabric.device))
            stack.enter_context(in_fast_order(family.model))
        if config.synchronise_norms:
            stack.enter_context(synchronised_norms(trained.model, processes))
        run = TrainingRun(
            trained, train_data, valid_data, config, task, teacher, sampler, folder, progress, fabric, processes
        )
        try:
            return run.to_the_end()
        finally:
            for each in (trained, family):
                each.eval()
                each.forget_calibrations()
                each.zero_grad()


def _check_batches(name: str, data: object) -> None:
    if not isinstance(data, Iterable) or not isinstance(data, Sized):
        raise SuppleError(
            f"The {name} data are {type(data).__name__}: give a list of batches, or a loader with a length."
        )
    try:
        count = len(data)
    except TypeError:  # a loader of PyTorch's, whose data set has none
        raise SuppleError(
            f"The {name} data ({type(data).__name__}) do not know how many batches they have: give them a length "
            "(__len__)."
        ) from None
    if count == 0:
        raise SuppleError(
            f"The {name} data have no batches: give at least one. A loader with drop_last has none where the batch "
            "size is larger than the data."
        )


def _held(folder: Path) -> RunLock:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise SuppleError(f'The folder "{folder}" cannot be made: {error.strerror}.') from error
    return RunLock(folder)
