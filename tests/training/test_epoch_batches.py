"""The order of the batches of an epoch, and what a model must return for them."""

import pytest
import torch
from torch.utils.data import DataLoader, TensorDataset

from supple.data import ImageBatches
from supple.errors import SuppleError
from supple.training.batches import batches_of_epoch, check_logits


def order(data, seed: int, epoch: int) -> list[int]:
    return [label for _, labels in batches_of_epoch(data, seed, epoch) for label in labels.tolist()]


def test_a_plain_loader_repeats_its_order_for_seed_and_epoch():
    loader = DataLoader(TensorDataset(torch.zeros(32, 1), torch.arange(32)), batch_size=4, shuffle=True)
    first = order(loader, 3, 1)
    torch.rand(5)
    assert order(loader, 3, 1) == first
    assert order(loader, 3, 2) != first
    assert order(loader, 4, 1) != first


def test_data_with_epochs_are_told_the_epoch():
    data = ImageBatches(torch.zeros(32, 1, 2, 2, dtype=torch.uint8), torch.arange(32), 4, shuffle=True)
    first = order(data, 3, 1)
    assert data.epoch == 1
    assert order(data, 0, 1) == first
    assert order(data, 3, 2) != first


@pytest.mark.parametrize(
    ("logits", "message"),
    [
        ((torch.zeros(2, 3), torch.zeros(2, 3)), "The model returns a tuple of 2, not one tensor of logits"),
        ({"logits": torch.zeros(2, 3)}, "The model returns an object of type dict, not one tensor of logits"),
        (torch.zeros(2, 3, 4), r"returns a tensor of shape \(2, 3, 4\) for 2 samples: expected .* \(2, classes\)"),
        (torch.zeros(5, 3), r"returns a tensor of shape \(5, 3\) for 2 samples"),
        (torch.zeros(2, 2), "A label is 2, but the model tells 2 classes apart, 0 to 1: give the model"),
    ],
)
def test_what_is_no_logits_for_the_labels_is_named(logits, message):
    with pytest.raises(SuppleError, match=message):
        check_logits(logits, torch.tensor([0, 2]))


def test_a_negative_label_is_named():
    with pytest.raises(SuppleError, match="A label is -1, but"):
        check_logits(torch.zeros(2, 3), torch.tensor([-1, 2]))


def test_logits_are_handed_back():
    logits = torch.zeros(2, 3)
    assert check_logits(logits, torch.tensor([0, 2])) is logits
