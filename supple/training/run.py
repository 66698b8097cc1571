"""One run of `train`: step after step, epoch after epoch, from the beginning or from the newest checkpoint."""

import contextlib
import time
from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import Any, cast

import torch
from lightning_fabric import Fabric
from torch import nn

from supple.data import Batches
from supple.data.seeds import derived_seed
from supple.errors import SuppleError
from supple.family import Family
from supple.progress import Progress
from supple.training.averaging import WeightAverage
from supple.training.batches import batches_of_epoch
from supple.training.checkpoint import newest_checkpoint
from supple.training.checkpoint_exchange import checkpoint_of_main
from supple.training.checkpoint_writer import CheckpointWriter
from supple.training.config import Sharding, TrainConfig
from supple.training.diverging import skipped_too_often
from supple.training.evaluation import calibration_inputs, evaluate
from supple.training.history import EpochRow, History
from supple.training.objective import Objective
from supple.training.optimizer import build_optimizer
from supple.training.precision import Precision
from supple.training.preparing import Preparation
from supple.training.processes import Processes
from supple.training.run_state import RunState, check_same_run
from supple.training.sampler import Draw, Sampler, StepReport
from supple.training.schedule import learning_rate
from supple.training.synchronised_norm import average_statistics
from supple.training.task import Task
from supple.training.update import Outcome, Updater
from supple.training.watching import Watch, open_log

# Below this share of an epoch's updates, batch norm's running statistics of the full member lag behind its weights.
_OFTEN = 0.5


class TrainingRun:
    """All that a run needs, set up on its device; `to_the_end` is called once."""

    def __init__(
        self,
        family: Family,
        train_data: Batches,
        valid_data: Batches,
        config: TrainConfig,
        task: Task,
        teacher: nn.Module | None,
        sampler: Sampler,
        folder: Path | None,
        progress: Progress,
        fabric: Fabric,
        processes: Processes,
    ) -> None:
        self._family = family
        self._train_data = train_data
        self._valid_data = valid_data
        self._config = config
        self._task = task
        self._folder = folder
        self._progress = progress
        self._fabric = fabric
        self._processes = processes
        scales_gradients = config.precision is Precision.FP16
        optimizer = build_optimizer(
            family,
            config.learning_rate,
            config.weight_decay,
            config.optimizer,
            config.optimizer_arguments,
            scales_gradients,
        )
        average = WeightAverage(family, config.average_decay) if config.average_decay > 0 else None
        self._state = RunState(family, optimizer, sampler, average, History(metric=task.metric))
        self._updater = Updater(
            family,
            fabric,
            cast(torch.optim.Optimizer, fabric.setup_optimizers(optimizer)),  # one for one
            task,
            Objective(family, task, config.distillation, teacher),
            config.clip_norm,
            processes,
            scales_gradients,
        )
        self._steps = sampler.plan.steps
        self._preparation = Preparation(family, config, self._steps)
        self._writer = None if folder is None else CheckpointWriter(folder, config.keep_checkpoints)
        self._began = self._saved = time.monotonic()

    def to_the_end(self) -> History:
        """Train to the end, from the beginning or from the newest checkpoint."""
        config, state = self._config, self._state
        with self._writer or contextlib.nullcontext():
            self._resume()
            log = open_log(self._folder, state.position, config.log_seconds, config.tensorboard)
            with contextlib.closing(log):
                watch = Watch(self._progress, log, self._fabric.device)
                watch.start(self._steps, state.position)
                while state.position.epoch < config.epochs:
                    self._family.train()
                    for batches in self._remaining_steps():
                        self._step(batches, watch)
                    self._finish_epoch(watch)
                watch.finish()
        if state.average is not None:
            state.average.adopt()
        return state.history

    def _remaining_steps(self) -> Iterator[list[Any]]:
        """Yield the batches of each step of the rest of the epoch; those before it are drawn and left."""
        position = self._state.position
        batches = batches_of_epoch(self._train_data, self._config.seed, position.epoch)
        rest = islice(batches, position.batch, len(self._train_data))
        while together := list(islice(rest, self._config.accumulated_batches)):
            yield together

    def _step(self, batches: Sequence[Any], watch: Watch) -> None:
        config, state = self._config, self._state
        step = state.position.step
        samples = sum(map(self._task.samples, batches))
        rate = learning_rate(
            config.learning_rate,
            step,
            self._steps,
            config.warmup_share,
            config.schedule,
            config.learning_rate_floor,
        )
        draws = state.sampler.step(step)
        # For dropout: nothing of it need be remembered over a resume.
        _seed(derived_seed(config.seed, "step", step, self._processes.rank))
        with self._preparation.of_step(step, batches) as prepared:
            outcome = self._updater.update(draws, prepared, rate)
        if outcome.broken is None:
            self._after_update(draws, outcome, len(batches), samples, rate, watch)
        else:
            self._after_skip(outcome.broken, len(batches), watch)
        if self._is_to_be_saved():
            self._save()
        watch.advance()

    def _after_update(
        self, draws: Sequence[Draw], outcome: Outcome, batches: int, samples: int, rate: float, watch: Watch
    ) -> None:
        state, space = self._state, self._family.space
        if not self._config.synchronise_norms:
            average_statistics(self._family.model, self._processes)
        state.sampler.observe(StepReport(state.position.step, outcome.losses, outcome.gradient_norm))
        if state.average is not None:
            state.average.update()
        ends = {"loss_largest": space.max(), "loss_smallest": space.min()}
        watched = {name: outcome.losses[end] for name, end in ends.items() if end in outcome.losses}
        cost = state.sampler.plan.cost
        macs = samples * sum(cost(draw.config) for draw in draws)
        state.position = state.position.after_step(
            batches, watched.get("loss_largest"), watched.get("loss_smallest"), macs
        )
        watch.step(state.position, samples, watched, rate, self._seconds())
        if "loss_largest" in watched:
            line = state.diverging.after_step(
                watched["loss_largest"], outcome.losses.values(), self._config.learning_rate
            )
            if line is not None:
                watch.note(state.position, line)

    def _after_skip(self, reason: str, batches: int, watch: Watch) -> None:
        config, before = self._config, self._state.position
        first, last = before.batch + 1, before.batch + batches
        which = f"batch {first}" if batches == 1 else f"batches {first} to {last}"
        where = f"step {before.step + 1} ({which} of epoch {before.epoch + 1})"
        self._state.position = position = before.after_skipped_step(batches)
        watch.skipped(position, f"The update of {where} is skipped: {reason}.")
        if position.skipped_in_row == config.skipped_steps_limit:
            raise SuppleError(skipped_too_often(config.skipped_steps_limit, where, reason, config.learning_rate))

    def _finish_epoch(self, watch: Watch) -> None:
        """Validate both ends of the space, add a row to the history, and write a checkpoint."""
        state, space = self._state, self._family.space
        position = state.position
        # Each of several processes measures some of the batches; where parameters are sharded all must run alike.
        sharing = self._processes if self._config.sharding is Sharding.NONE else Processes()
        with contextlib.nullcontext() if state.average is None else state.average.swapped_in():
            self._family.eval()
            inputs = calibration_inputs(self._train_data, self._config.calibration_images, self._task)
            if position.largest < _OFTEN * position.updates:
                self._family.refresh_statistics(map(self._fabric.to_device, inputs))
            metrics = [
                evaluate(self._family, config, self._valid_data, self._task, inputs, sharing)
                for config in (space.max(), space.min())
            ]
        row = EpochRow(
            epoch=position.epoch + 1,
            step=position.step,
            seconds=self._seconds(),
            loss_largest=position.mean_largest,
            loss_smallest=position.mean_smallest,
            metric_largest=metrics[0],
            metric_smallest=metrics[1],
            macs=position.macs,
        )
        state.history = state.history.with_row(row)
        watch.epoch(row, state.history.metric, position, self._config.epochs)
        state.position = position.after_epoch()
        self._save()

    def _seconds(self) -> float:
        return self._state.position.seconds + time.monotonic() - self._began

    def _is_to_be_saved(self) -> bool:
        seconds = self._config.checkpoint_seconds
        # Training waits for none, unless it is to write one after every step.
        is_free = self._writer is not None and (seconds == 0 or not self._writer.is_busy)
        is_due = is_free and time.monotonic() - self._saved >= seconds
        if self._config.sharding is Sharding.NONE:
            return is_due
        # All must take part in a checkpoint then, at the same step.
        return bool(self._processes.told_by_main(is_due))

    def _save(self) -> None:
        if self._writer is None and self._config.sharding is Sharding.NONE:
            return
        checkpoint = self._state.checkpoint(self._config, len(self._train_data), self._seconds())
        if self._writer is not None:
            self._writer.write(checkpoint)
        self._saved = time.monotonic()

    def _resume(self) -> None:
        """Take up the newest whole checkpoint; where there is none, write the first, of the untrained weights."""
        found = None if self._folder is None else newest_checkpoint(self._folder, self._progress)
        if found is not None:  # by the main process, which knows the folder to name in a refusal
            check_same_run(self._folder, found.state, self._config, self._family, len(self._train_data))
        checkpoint = checkpoint_of_main(found, self._processes)
        if checkpoint is None:
            self._save()
            return
        self._state.load(checkpoint)


def _seed(seed: int) -> None:
    """Seed PyTorch's random numbers as `torch.manual_seed` does.

    That asks for every kind of device, and writes down where it was called from for GPUs that are not in use: half a
    millisecond at each step.
    """
    torch.default_generator.manual_seed(seed)
    if torch.cuda.is_initialized():  # type: ignore[no-untyped-call]
        torch.cuda.manual_seed_all(seed)
