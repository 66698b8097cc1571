"""How good many members are, exactly as one by one, in less time: what several compute alike is computed once."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from typing import Any

import torch
from lightning_fabric.utilities import move_data_to_device
from torch import nn

from supple.family import Family
from supple.family.notes import Notes
from supple.family.sharing import SharedRuns
from supple.space import Config
from supple.trace import Inputs, ModelInputs
from supple.training.evaluation import evaluate
from supple.training.placement import in_fast_order
from supple.training.task import Score, Task

_BYTES_OF_WEIGHTS = 2**30


def evaluate_together(
    family: Family,
    configs: Sequence[Config],
    data: Iterable[Any],
    task: Task,
    calibration_inputs: Sequence[Inputs] | None = None,
    calibrated: Callable[[Config], bool] = lambda config: False,
) -> list[float]:
    """Return the metric of several members on all batches of the data, in the order of the configs.

    The numbers, and the batch-norm statistics that are left in the family, are those of `evaluate` for one member after
    the other, bit for bit. It takes less time where members share their choices in early layers. The data must be the
    same each time that they are gone through; here that is once, unless the weights of all members take gigabytes.
    Members whose code cannot share its work (it draws random numbers, or changes its own buffers) are evaluated one by
    one. `calibrated` says of which members the family's calibration holds already, so that they are not calibrated
    again. Raises `SuppleError` as `evaluate` does.
    """
    family.eval()
    device = next(family.parameters()).device
    found: dict[Config, float] = {}
    with in_fast_order(family.model):
        for group in _groups(family, dict.fromkeys(map(family.space.check, configs))):
            new = [config for config in group if not calibrated(config)]
            if calibration_inputs is not None and new:
                inputs = [ModelInputs.of(batch).map(lambda tensor: tensor.to(device)) for batch in calibration_inputs]
                family.calibrate_together(new, inputs)
            with torch.inference_mode():
                found.update(_results(family, group, data, task))
    return [found[config] if config in found else evaluate(family, config, data, task) for config in configs]


def _groups(family: Family, configs: Iterable[Config]) -> Iterator[list[Config]]:
    """Yield members whose weights are to be in memory at once, those with the same early layers together."""
    names = list(
        dict.fromkeys(name for axes in family.structure.axes.values() for axis in axes for name in axis.dimensions)
    )
    itemsize = max(parameter.element_size() for parameter in family.parameters())
    group: list[Config] = []
    total = 0
    for config in sorted(configs, key=lambda config: [config[name] for name in names]):
        size = family.count_parameters(config) * itemsize
        if group and total + size > _BYTES_OF_WEIGHTS:
            yield group
            group, total = [], 0
        group.append(config)
        total += size
    if group:
        yield group


def _results(
    family: Family, configs: Sequence[Config], data: Iterable[Any], task: Task
) -> Iterator[tuple[Config, float]]:
    """Yield the metric of each member that could share its work."""

    def run_member(config: Config, member: nn.Module, batch: ModelInputs, notes: Notes) -> Any:
        return batch.map(partial(family.resize, config)).run(member)

    device = next(family.parameters()).device
    moved = ((batch, move_data_to_device(batch, device)) for batch in data)
    runs = SharedRuns(family.activate, run_member, configs)
    scores: dict[Config, Score] = {}
    for run in runs.run((pair, ModelInputs.of(task.inputs(pair[1]))) for pair in moved):
        batch, there = run.batch
        task.check(run.outputs, batch)
        added = task.score(run.outputs, there)
        scores[run.config] = scores[run.config] + added if run.config in scores else added
    for config, score in scores.items():
        if config not in runs.alone and score.count.any():
            yield config, task.result(score)
