"""Accuracy of an exported model in the runtime that ships it."""

from collections.abc import Iterable

import numpy as np
import torch

from supple.errors import SuppleError
from supple.runtime.session import Session


def evaluate_accuracy(session: Session, batches: Iterable[tuple[torch.Tensor, torch.Tensor]]) -> float:
    """Return the share (0 to 1) of images whose largest output is the label's.

    `batches` yield inputs (b, ...) and labels (b,), as `supple.data` gives them. Raises `SuppleError` where there is
    none.
    """
    images = correct = 0
    for inputs, labels in batches:
        predicted = session.run_batches([inputs.numpy()]).argmax(axis=1)
        correct += int(np.count_nonzero(predicted == labels.numpy()))
        images += len(labels)
    if images == 0:
        raise SuppleError("There are no images to evaluate the exported model on.")
    return correct / images
