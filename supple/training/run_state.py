"""All that a checkpoint holds of a run: gathered between two steps, and put back after an interruption."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from supple.errors import SuppleError
from supple.family import Family
from supple.storage import flattened
from supple.training.averaging import WeightAverage
from supple.training.checkpoint import Checkpoint
from supple.training.config import TrainConfig
from supple.training.diverging import Diverging
from supple.training.history import History
from supple.training.optimizer_state import load_optimizer_state, optimizer_state
from supple.training.position import Position
from supple.training.sampler import Sampler
from supple.training.tensors import below, load_tensors_into, tensors_of
from supple.training.whole import whole


@dataclass
class RunState:
    """What changes from step to step in a run of `train`.

    Random numbers are not in it: those of a step are a function of the seed and the step, those of the data of the seed
    and the epoch.
    """

    family: Family
    optimizer: torch.optim.Optimizer
    sampler: Sampler
    average: WeightAverage | None
    history: History
    position: Position = field(default_factory=Position)
    diverging: Diverging = field(default_factory=Diverging)

    def checkpoint(self, config: TrainConfig, batches: int, seconds: float) -> Checkpoint:
        """Return a copy of all of it, which later steps do not change; `batches` are those of an epoch.

        Where parameters are sharded, all processes must ask for it at the same step.
        """
        tensors, optimizer = optimizer_state(self.optimizer, self.family)
        named = {
            **below("weights", tensors_of(self.family)),
            **below("optimizer", tensors),
            **below("average", {} if self.average is None else self.average.state()),
        }
        state = {
            "config": config.decisive(),
            "space": self.family.space.digest,
            "batches": batches,
            "position": replace(self.position, seconds=seconds).to_json(),
            "optimizer": optimizer,
            "sampler": self.sampler.state(),
            "diverging": self.diverging.state(),
            "history": self.history.to_json(),
        }
        return Checkpoint(self.position.step, {name: _copied(tensor) for name, tensor in named.items()}, state)

    def load(self, checkpoint: Checkpoint) -> None:
        """Take up what a checkpoint holds. Raises `SuppleError` where it is of another model."""
        state = checkpoint.state
        load_tensors_into(self.family, checkpoint.part("weights"))
        load_optimizer_state(self.optimizer, self.family, checkpoint.part("optimizer"), state["optimizer"])
        if self.average is not None:
            self.average.load_state(checkpoint.part("average"))
        self.position = Position.from_json(state["position"])
        self.history = History.from_json(state["history"])
        self.diverging.load_state(state["diverging"])
        self.sampler.load_state(state["sampler"])


def check_same_run(
    folder: Path | None, state: Mapping[str, Any], config: TrainConfig, family: Family, batches: int
) -> None:
    """Raise `SuppleError` where the checkpoints of a folder are of another run than this one."""
    advice = "Use another folder, or the earlier setting."
    kept, given = flattened(state["config"]), flattened(config.decisive())
    for name in {**given, **kept}:
        before, now = kept.get(name), given.get(name)
        if before != now:
            raise SuppleError(f'The checkpoints in "{folder}" are of a run with {name} {before}, not {now}. {advice}')
    if state["space"] != family.space.digest:
        raise SuppleError(f'The checkpoints in "{folder}" are of another family: use another folder.')
    if state["batches"] != batches:
        raise SuppleError(
            f'The checkpoints in "{folder}" are of a run on {state["batches"]} batches per epoch, '
            f"not {batches}. {advice}"
        )


def _copied(tensor: Tensor) -> Tensor:
    return whole(tensor.detach()).to("cpu", copy=True)
