"""One of the processes that the benchmark of several compares: `processes_case.py FOLDER BATCH_SIZE ROUNDS SEED`."""

import contextlib
import json
import random
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.parallel import DistributedDataParallel

from supple.bench.overhead_networks import NETWORKS
from supple.bench.timing import time_interleaved
from supple.family import Family, convert
from supple.space import Config
from supple.training.gradient_sync import sum_gradients
from supple.training.placement import in_fast_order
from supple.training.processes import Processes, started_processes
from supple.training.synchronised_norm import synchronised_norms

_NETWORK = "resnet_demo"
_RANDOM_MEMBERS = 2
_CLASSES = 10


class Step(StrEnum):
    """What the processes exchange in a step of four members, in words for the table."""

    ALONE = "no exchange at all"
    ONCE = "gradients summed once per step"
    EXTRACTED = "four extracted members, no exchange"
    PER_MEMBER = "the same in DistributedDataParallel"
    WITH_NORMS = "gradients once per step, and batch norm over the whole batch"


@dataclass(frozen=True)
class Measured:
    """What one process found: the times of each step, and how many bytes of gradients a step exchanges."""

    rounds_ms: Mapping[str, Sequence[float]]
    gradient_bytes: Mapping[str, int]

    @classmethod
    def from_json(cls, content: Mapping[str, Any]) -> "Measured":
        """Read what `asdict` made."""
        return cls(**content)


def main(folder: Path, batch_size: int, rounds: int, seed: int) -> None:
    """Time the steps in turn, in the same order in all processes, and write `RANK.json`."""
    torch.set_num_threads(1)
    with started_processes("cpu") as processes:
        measured = _measured(processes, batch_size, rounds, seed)
        (folder / f"{processes.rank}.json").write_text(json.dumps(asdict(measured)))


def _measured(processes: Processes, batch_size: int, rounds: int, seed: int) -> Measured:
    torch.manual_seed(seed)
    network = NETWORKS[_NETWORK]
    inputs = network.draw(batch_size)
    labels = torch.arange(batch_size) % _CLASSES
    family = convert(network.build(), inputs[:2]).train()
    rng = random.Random(seed)
    space = family.space
    configs = [space.max(), space.min(), *(space.sample(rng) for _ in range(_RANDOM_MEMBERS))]
    extracted, wrapped = ([family.extract(config).train() for config in configs] for _ in range(2))
    with contextlib.ExitStack() as stack:
        for model in (family.model, *extracted, *wrapped):
            stack.enter_context(in_fast_order(model))
        # Their norms see each process's own batch, and need not agree on statistics.
        together = [DistributedDataParallel(member, broadcast_buffers=False) for member in wrapped]
        tasks: dict[str, Callable[[], None]] = {
            Step.ALONE: _family_step(family, configs, inputs, labels, Processes()),
            Step.ONCE: _family_step(family, configs, inputs, labels, processes),
            Step.EXTRACTED: _members_step(extracted, inputs, labels),
            Step.PER_MEMBER: _members_step(together, inputs, labels),
            Step.WITH_NORMS: _with_norms(family, configs, inputs, labels, processes),
        }
        start = torch.zeros(1)
        timings = time_interleaved(tasks, rounds, seed, warm_up_rounds=2, before_each=lambda: processes.sum_(start))
    once = _bytes(family)
    sizes: dict[str, int] = {Step.ALONE: 0, Step.ONCE: once, Step.EXTRACTED: 0, Step.WITH_NORMS: once}
    return Measured(timings.rounds_ms, {**sizes, Step.PER_MEMBER: sum(map(_bytes, extracted))})


def _family_step(
    family: Family, configs: Sequence[Config], inputs: Tensor, labels: Tensor, processes: Processes
) -> Callable[[], None]:
    parameters = list(family.parameters())

    def step() -> None:
        family.zero_grad()
        for config in configs:
            with family.activate(config) as member:
                torch.autograd.backward(functional.cross_entropy(member(inputs), labels))
        sum_gradients(parameters, processes)

    return step


def _with_norms(
    family: Family, configs: Sequence[Config], inputs: Tensor, labels: Tensor, processes: Processes
) -> Callable[[], None]:
    step = _family_step(family, configs, inputs, labels, processes)

    def synchronised() -> None:
        with synchronised_norms(family.model, processes):
            step()

    return synchronised


def _members_step(members: Sequence[nn.Module], inputs: Tensor, labels: Tensor) -> Callable[[], None]:
    def step() -> None:
        for member in members:
            member.zero_grad()
            torch.autograd.backward(functional.cross_entropy(member(inputs), labels))

    return step


def _bytes(model: nn.Module) -> int:
    return sum(parameter.nbytes for parameter in model.parameters())


if __name__ == "__main__":
    main(Path(sys.argv[1]), *map(int, sys.argv[2:]))
