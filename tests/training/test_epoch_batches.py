"""The order of the batches of an epoch."""

import torch
from torch.utils.data import DataLoader, TensorDataset

from supple.data import ImageBatches
from supple.training.batches import batches_of_epoch


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


def test_a_plain_loader_repeats_its_order_whatever_is_drawn_meanwhile():
    loader = DataLoader(TensorDataset(torch.zeros(32, 1), torch.arange(32)), batch_size=4, shuffle=True)
    torch.manual_seed(7)
    drawn = []
    found = []
    for _, labels in batches_of_epoch(loader, 3, 1):
        found.extend(labels.tolist())
        drawn.append(torch.rand(()).item())
    assert found == order(loader, 3, 1)
    torch.manual_seed(7)
    assert drawn == [torch.rand(()).item() for _ in drawn]
