"""The accuracy of a member, its batch norm calibrated first."""

from collections.abc import Iterable

import torch
from torch import Tensor

from supple.data import Batches
from supple.errors import SuppleError
from supple.family import Family
from supple.space import Config
from supple.training.batches import batches_of_epoch, check_logits
from supple.training.placement import in_fast_order


def calibration_inputs(train_data: Batches, images: int = 1024) -> list[Tensor]:
    """Return the inputs of the first batches of the training data that hold `images` samples together, or of all.

    The same data give the same inputs each time: those of epoch 0.
    """
    inputs: list[Tensor] = []
    count = 0
    with torch.random.fork_rng(devices=[]):
        for batch, _ in batches_of_epoch(train_data, seed=0, epoch=0):
            inputs.append(batch)
            count += len(batch)
            if count >= images:
                break
    return inputs


def accuracy(
    family: Family, config: Config, data: Batches, calibration_inputs: Iterable[Tensor] | None = None
) -> float:
    """Return the top-1 accuracy (0 to 1) of a member; the family is then in eval mode.

    With `calibration_inputs` (batches as the model takes them) the member's batch-norm statistics are recomputed first
    and kept in the family, so that `extract` carries them; without, those of an earlier calibration hold. The largest
    member needs none. A sample whose logits are not finite counts as wrong. Raises `SuppleError` where the data are
    empty or the model returns anything but logits.
    """
    family.eval()
    device = next(family.parameters()).device
    correct = torch.zeros((), dtype=torch.int64, device=device)
    count = 0
    with in_fast_order(family.model):
        if calibration_inputs is not None:
            family.calibrate(config, (batch.to(device) for batch in calibration_inputs))
        with torch.inference_mode(), family.activate(config) as member:
            for inputs, labels in data:
                logits = check_logits(member(family.resize(config, inputs.to(device))), labels)
                right = (logits.argmax(dim=1) == labels.to(device)) & logits.isfinite().all(dim=1)
                correct += right.sum()
                count += len(labels)
    if count == 0:
        raise SuppleError("There are no data to measure an accuracy on: give at least one batch.")
    return int(correct) / count
