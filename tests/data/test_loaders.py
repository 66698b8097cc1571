"""A user's data loaders: checked batch by batch, repeatable by seed and epoch."""

from collections.abc import Iterator
from types import SimpleNamespace

import pytest
import torch
from torch import Tensor
from torch.utils.data import DataLoader, DistributedSampler, IterableDataset, TensorDataset

from supple.data import Batches, ImageBatches, PythonConfig, Splits, load_splits
from supple.data.loaders import LoaderBatches
from supple.errors import SuppleError

INPUTS, LABELS = torch.randn(10, 3, generator=torch.Generator().manual_seed(0)), torch.arange(10) % 3


class Named(TensorDataset):
    """A data set that names its classes, as torchvision's do."""

    classes = ["ant", "bee", "cow", "dog"]


class Jittered(TensorDataset):
    """A data set that augments at random."""

    def __getitem__(self, index: int) -> tuple[Tensor, ...]:
        inputs, labels = super().__getitem__(index)
        return inputs + torch.rand(3), labels


class Stream(IterableDataset[tuple[Tensor, Tensor]]):
    """A data set of unknown length."""

    def __iter__(self) -> Iterator[tuple[Tensor, Tensor]]:
        return iter(zip(INPUTS, LABELS, strict=True))


class Broken(TensorDataset):
    """A data set that fails."""

    def __getitem__(self, index: int) -> tuple[Tensor, ...]:
        raise ValueError(f"no file\nfor {index}")


def loader(inputs: Tensor = INPUTS, labels: Tensor = LABELS, kind: type[TensorDataset] = TensorDataset) -> Batches:
    return DataLoader(kind(inputs, labels), batch_size=4)


def load(train: object, classes: int | None = None) -> Splits:
    """Load what a function returns, whose training loader is `train`; the others are good."""
    RESULT.value = (train, loader(), loader())
    return load_splits(PythonConfig(function=f"{__name__}:returned", classes=classes), 4, 0)


RESULT = SimpleNamespace(value=None)


def returned(value: object = None) -> object:
    return RESULT.value if value is None else value


def test_loaders_become_splits() -> None:
    splits = load(loader(kind=Named))
    assert splits.classes == ("ant", "bee", "cow", "dog")
    assert torch.equal(splits.example_inputs[0], INPUTS[:2])
    assert torch.equal(torch.cat([labels for _, labels in splits.test]), LABELS)
    assert len(splits.train) == 3


def test_without_names_the_classes_are_counted() -> None:
    assert load(loader()).classes == ("0", "1", "2")


def test_the_config_may_say_how_many_classes_there_are() -> None:
    assert load(loader(), classes=5).classes == ("0", "1", "2", "3", "4")


def test_labels_become_int64() -> None:
    _, labels = next(iter(load(loader(labels=LABELS.to(torch.int16))).train))
    assert labels.dtype == torch.int64


def test_splits_are_returned_as_they_are() -> None:
    batches = ImageBatches(torch.zeros(4, 1, 2, 2, dtype=torch.uint8), torch.arange(4), 2)
    RESULT.value = Splits(batches, batches, batches, tuple("abcd"), (torch.zeros(2, 1, 2, 2),))
    assert load_splits(PythonConfig(function=f"{__name__}:returned"), 4, 0) is RESULT.value


@pytest.mark.parametrize("own_generator", [False, True])
def test_a_pass_is_a_function_of_seed_and_epoch(own_generator: bool) -> None:
    def one_pass(seed: int, epoch: int) -> Tensor:
        own = torch.Generator() if own_generator else None
        batches = LoaderBatches(
            DataLoader(Jittered(INPUTS, LABELS), batch_size=4, shuffle=True, generator=own), "It", seed
        )
        batches.set_epoch(epoch)
        return torch.cat([inputs for inputs, _ in batches])

    torch.manual_seed(1)
    first = one_pass(0, 3)
    torch.manual_seed(2)
    assert torch.equal(first, one_pass(0, 3))
    assert not torch.equal(first, one_pass(0, 4))
    assert not torch.equal(first, one_pass(1, 3))


def test_the_global_random_numbers_stay_as_they_are() -> None:
    torch.manual_seed(1)
    state = torch.get_rng_state()
    list(LoaderBatches(DataLoader(Jittered(INPUTS, LABELS), batch_size=4, shuffle=True), "It", 0))
    assert torch.equal(state, torch.get_rng_state())


def test_a_distributed_sampler_is_told_its_epoch() -> None:
    data = TensorDataset(INPUTS, LABELS)
    sampler = DistributedSampler(data, num_replicas=2, rank=0)
    LoaderBatches(DataLoader(data, sampler=sampler), "It", 0).set_epoch(7)
    assert sampler.epoch == 7


@pytest.mark.parametrize(
    ("train", "message"),
    [
        (TensorDataset(INPUTS, LABELS), "train loader is an object of type TensorDataset: expected .* data loaders"),
        (DataLoader(Stream(), batch_size=4), "train loader has no length: use a data set with __len__"),
        (loader(INPUTS[:0], LABELS[:0]), "train loader has no batches: its data set is empty"),
        (DataLoader(TensorDataset(INPUTS), batch_size=4), r"train batch 0 is a list of 1: expected a pair"),
        ([{"x": INPUTS, "y": LABELS}], r"train batch 0 is an object of type dict: expected a pair"),
        ([(INPUTS, [1, 2])], r"train batch 0 is a pair of an object of type Tensor and a list of 2: expected two"),
        (loader(INPUTS.to(torch.uint8)), "train batch 0 has uint8 inputs: expected normalised float32"),
        (loader(INPUTS / 0), r"train batch 0 has inputs that are not finite"),
        (loader(labels=LABELS.float()), r"train batch 0 has labels of torch.float32: expected class indices"),
        (loader(labels=LABELS[:, None]), r"inputs of shape \(4, 3\) and labels of shape \(4, 1\): expected"),
        (loader(labels=LABELS - 1), r"train batch 0 has the label -1, out of range: expected 0 or more"),
        (loader(labels=LABELS + 9, kind=Named), r"train batch 0 has the label 11, out of range: expected 0 to 3 \(4 "),
        (loader(kind=Broken), "train batch 0 failed: ValueError: no file for 0"),
    ],
)
def test_a_loader_that_does_not_fit_is_one_clear_line(train: object, message: str) -> None:
    with pytest.raises(SuppleError, match=message) as caught:
        load(train)
    assert "\n" not in str(caught.value)


def test_a_later_batch_is_checked_too() -> None:
    batches = load(loader(labels=torch.tensor([0, 1, 2, 0, 1, 2, 0, 1, 5, 0])), classes=3).train
    with pytest.raises(SuppleError, match="train batch 2 has the label 5, out of range: expected 0 to 2"):
        list(batches)


def test_one_class_only_is_refused() -> None:
    RESULT.value = (loader(labels=LABELS * 0),) * 3
    with pytest.raises(SuppleError, match="returned data of only one class: expected at least two"):
        load_splits(PythonConfig(function=f"{__name__}:returned"), 4, 0)


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (3, "returned an object of type int: expected .train, valid, test. PyTorch data loaders, or a supple.data.Spl"),
        ([1, 2], "returned a list of 2: expected"),
    ],
)
def test_a_function_that_returns_something_else_is_refused(value: object, message: str) -> None:
    with pytest.raises(SuppleError, match=message):
        load_splits(PythonConfig(function=f"{__name__}:returned", arguments={"value": value}), 4, 0)


def test_a_wrong_import_path_names_the_nearest() -> None:
    with pytest.raises(SuppleError, match=r'has no "returnd"; did you mean "returned"\?'):
        load_splits(PythonConfig(function=f"{__name__}:returnd"), 4, 0)


def test_splits_with_bad_batches_are_refused() -> None:
    RESULT.value = Splits(loader(), loader(labels=LABELS + 5), loader(), ("a", "b", "c"), (INPUTS,))
    with pytest.raises(SuppleError, match="valid batch 0 has the label 7, out of range: expected 0 to 2"):
        load_splits(PythonConfig(function=f"{__name__}:returned"), 4, 0)
