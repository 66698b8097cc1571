"""What a whole step of several members costs in the trainer, next to plain steps of the same members taken out."""

import contextlib
import random
from collections.abc import Callable, Sequence

import torch
from lightning_fabric import Fabric
from torch import Tensor, nn
from torch.nn import functional

from supple.bench.form import Cell
from supple.bench.timing import time_interleaved
from supple.family import Family
from supple.space import Config
from supple.training.classification import Classification
from supple.training.distillation import DistillationConfig, TeacherKind
from supple.training.objective import Objective
from supple.training.optimizer import build_optimizer
from supple.training.placement import in_fast_order
from supple.training.processes import Processes
from supple.training.sampler import Draw
from supple.training.update import Updater

SANDWICH = "sandwich"
RANDOM_MEMBERS = 2
_CLASSES = 10
_CLIP_NORM = 1.0
# So small that the weights hardly change while time is taken.
_LEARNING_RATE, _WEIGHT_DECAY = 1e-5, 0.05


def sandwich_rows(family: Family, inputs: Tensor, rounds: int, seed: int) -> list[dict[str, Cell]]:
    """Time the trainer's step of the largest, the smallest and two random members, next to plain steps of each.

    A plain step is zeroing the gradients, forward, cross entropy, backward, clipping, and AdamW's step on the member's
    own parameters. All kernels lie in the order that the trainer gives them. The last row leaves the plain members'
    clipping and AdamW out: so nothing is won by the one update that the members of a family share.
    """
    batch = (inputs, torch.arange(len(inputs)) % _CLASSES)
    rng = random.Random(seed)
    space = family.space
    configs = [space.max(), space.min(), *(space.sample(rng) for _ in range(RANDOM_MEMBERS))]
    extracted = [family.extract(config).train() for config in configs]
    family.train()
    with contextlib.ExitStack() as stack:
        for model in (family.model, *extracted):
            stack.enter_context(in_fast_order(model))
        tasks = {
            "taught": _inside(family, configs, batch, TeacherKind.IN_PLACE),
            "untaught": _inside(family, configs, batch, TeacherKind.NONE),
            "plain": _extracted(extracted, batch, is_updated=True),
            "without updates": _extracted(extracted, batch, is_updated=False),
        }
        timings = time_interleaved(tasks, rounds, seed, warm_up_rounds=2)
    compared = {
        SANDWICH: ("taught", "plain"),
        f"{SANDWICH} without a teacher": ("untaught", "plain"),
        f"{SANDWICH}, extracted without updates": ("taught", "without updates"),
    }
    return [
        {
            "member": row,
            "inside_ms": timings.spread(inside),
            "extracted_ms": timings.spread(outside),
            "ratio": timings.ratio(inside, outside),
        }
        for row, (inside, outside) in compared.items()
    ]


def _inside(
    family: Family, configs: Sequence[Config], batch: tuple[Tensor, Tensor], teacher: TeacherKind
) -> Callable[[], object]:
    fabric = Fabric(accelerator="cpu", devices=1)
    task = Classification()
    optimizer = fabric.setup_optimizers(build_optimizer(family, _LEARNING_RATE, _WEIGHT_DECAY))
    objective = Objective(family, task, DistillationConfig(teacher=teacher))
    assert isinstance(optimizer, torch.optim.Optimizer)
    updater = Updater(family, fabric, optimizer, task, objective, _CLIP_NORM, Processes(), scales_gradients=False)
    draws = [Draw(config) for config in configs]
    return lambda: updater.update(draws, [batch], _LEARNING_RATE)


def _extracted(members: Sequence[nn.Module], batch: tuple[Tensor, Tensor], is_updated: bool) -> Callable[[], object]:
    inputs, labels = batch
    optimizers = [build_optimizer(member, _LEARNING_RATE, _WEIGHT_DECAY) for member in members]

    def steps() -> None:
        for member, optimizer in zip(members, optimizers, strict=True):
            optimizer.zero_grad()
            torch.autograd.backward(functional.cross_entropy(member(inputs), labels))
            if is_updated:
                nn.utils.clip_grad_norm_(member.parameters(), _CLIP_NORM)
                optimizer.step()

    return steps
