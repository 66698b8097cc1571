"""How good a member is, by its task's metric, its batch norm calibrated first."""

from collections.abc import Iterable
from functools import partial
from itertools import islice
from typing import Any

import torch
from lightning_fabric.utilities import move_data_to_device

from supple.errors import SuppleError
from supple.family import Family
from supple.space import Config
from supple.trace import Inputs, ModelInputs
from supple.training.batches import batches_of_epoch
from supple.training.classification import Classification
from supple.training.diagnosis import run_or_tell
from supple.training.placement import in_fast_order
from supple.training.processes import Processes
from supple.training.task import Score, Task


def calibration_inputs(train_data: Iterable[Any], images: int = 1024, task: Task = Classification()) -> list[Any]:
    """Return the inputs of the first batches of the training data that hold `images` samples together, or of all.

    They are what the task gives to the model of each batch. The same data give the same inputs each time: those of
    epoch 0.
    """
    inputs: list[Any] = []
    count = 0
    with torch.random.fork_rng(devices=[]):
        for batch in batches_of_epoch(train_data, seed=0, epoch=0):
            inputs.append(task.inputs(batch))
            count += task.samples(batch)
            if count >= images:
                break
    return inputs


def evaluate(
    family: Family,
    config: Config,
    data: Iterable[Any],
    task: Task,
    calibration_inputs: Iterable[Inputs] | None = None,
    processes: Processes = Processes(),
) -> float:
    """Return the metric of a member on all batches of the data; the family is then in eval mode.

    With `calibration_inputs` (batches as the model takes them) the member's batch-norm statistics are recomputed first
    and kept in the family, so that `extract` carries them; without, those of an earlier calibration hold. The largest
    member needs none. Batches may lie on another device than the family. Of several `processes`, with the same data,
    each measures some of the batches, and all return the metric of all. Raises `SuppleError` where there are no data,
    the member cannot take a batch, or outputs and labels do not fit each other.
    """
    family.eval()
    device = next(family.parameters()).device
    score: Score | None = None
    with in_fast_order(family.model):
        if calibration_inputs is not None:
            batches = (ModelInputs.of(inputs) for inputs in calibration_inputs)
            family.calibrate(config, (inputs.map(lambda tensor: tensor.to(device)) for inputs in batches))
        with torch.inference_mode(), family.activate(config) as member:
            for batch in islice(data, processes.rank, None, processes.world):
                moved = move_data_to_device(batch, device)
                outputs = run_or_tell(member, ModelInputs.of(task.inputs(moved)).map(partial(family.resize, config)))
                # The batch as it came: its labels need not come back from a device.
                task.check(outputs, batch)
                added = task.score(outputs, moved)
                score = added if score is None else score + added
    total = processes.sum_of(None if score is None else score.total)
    count = processes.sum_of(None if score is None else score.count)
    if total is None or count is None:
        raise SuppleError(f"There are no data to measure the {task.metric} on: give at least one batch.")
    if not count.any():
        raise SuppleError(f"Nothing in the data has a label to measure the {task.metric} on.")
    return task.result(Score(total, count))


def accuracy(
    family: Family, config: Config, data: Iterable[Any], calibration_inputs: Iterable[Inputs] | None = None
) -> float:
    """Return the top-1 accuracy (0 to 1) of a member, as `evaluate` does for classification.

    A sample whose logits are not finite counts as wrong.
    """
    return evaluate(family, config, data, Classification(), calibration_inputs)
