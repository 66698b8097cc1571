"""Data loaders that a function of the user's returns: checked, and made repeatable from epoch to epoch."""

from collections.abc import Iterator

import torch
from torch import Tensor

from supple.data.config import PythonConfig
from supple.data.seeds import derived_seed
from supple.data.splits import Batches, Splits
from supple.errors import SuppleError
from supple.importing import call_object

_EXPECTED = "expected (train, valid, test) PyTorch data loaders, or a supple.data.Splits"


class LoaderBatches:
    """A user's data loader as `Batches`: every batch is checked, labels become int64.

    PyTorch's random numbers are set from the seed and the epoch while the loader draws, and put back afterwards: the
    order is a pure function of both as far as the loader takes its randomness from PyTorch.
    """

    def __init__(self, loader: Batches, name: str, seed: int, classes: int | None = None) -> None:
        """Take a loader of `(inputs, labels)`; `name` is for messages, `classes` bounds the labels."""
        self.loader = loader
        self.name = name
        self.seed = seed
        self.classes = classes
        self.epoch = 0

    def set_epoch(self, epoch: int) -> None:
        """Choose the random numbers of the following passes; a loader or sampler with epochs of its own is told too."""
        self.epoch = epoch
        for listener in (self.loader, getattr(self.loader, "sampler", None)):
            tell = getattr(listener, "set_epoch", None)
            if tell is not None:
                tell(epoch)

    def __len__(self) -> int:
        return len(self.loader)

    def __iter__(self) -> Iterator[tuple[Tensor, Tensor]]:
        seed = derived_seed(self.seed, "loader", self.epoch)
        own = getattr(self.loader, "generator", None)
        if isinstance(own, torch.Generator):
            own.manual_seed(seed)
        inner = torch.Generator().manual_seed(seed).get_state()
        iterator: Iterator[object] | None = None
        index = 0
        while True:
            outer = torch.get_rng_state()
            torch.set_rng_state(inner)
            try:
                iterator = iter(self.loader) if iterator is None else iterator
                batch = next(iterator)
            except StopIteration:
                return
            except Exception as error:  # Whatever the user's data set or transforms raise.
                cause = " ".join(str(error).split())
                raise SuppleError(f"{self.name} batch {index} failed: {type(error).__name__}: {cause}") from error
            finally:
                inner = torch.get_rng_state()
                torch.set_rng_state(outer)
            yield checked_batch(batch, f"{self.name} batch {index}", self.classes)
            index += 1


def checked_batch(batch: object, name: str, classes: int | None) -> tuple[Tensor, Tensor]:
    """Return the inputs (b, ...) and the labels int64 (b,) of a batch; SuppleError says what is wrong with it."""
    if not isinstance(batch, tuple | list) or len(batch) != 2:
        raise SuppleError(f"{name} is {_describe(batch)}: expected a pair (inputs, labels) of tensors")
    inputs, labels = batch
    if not isinstance(inputs, Tensor) or not isinstance(labels, Tensor):
        raise SuppleError(f"{name} is a pair of {_describe(inputs)} and {_describe(labels)}: expected two tensors")
    if inputs.dtype == torch.uint8:
        raise SuppleError(f"{name} has uint8 inputs: expected normalised float32; convert them in your data set")
    if inputs.is_floating_point() and not bool(torch.isfinite(inputs).all()):
        raise SuppleError(f"{name} has inputs that are not finite (NaN or infinite): look at your data or transforms")
    if labels.is_floating_point() or labels.is_complex() or labels.dtype == torch.bool:
        raise SuppleError(f"{name} has labels of {labels.dtype}: expected class indices, int64")
    if inputs.dim() < 2 or len(inputs) == 0 or labels.shape != inputs.shape[:1]:
        raise SuppleError(
            f"{name} has inputs of shape {tuple(inputs.shape)} and labels of shape {tuple(labels.shape)}: "
            "expected (b, ...) and (b,) for the same b"
        )
    lowest, highest = int(labels.min()), int(labels.max())
    if lowest < 0 or (classes is not None and highest >= classes):
        known = f"0 to {classes - 1} ({classes} classes)" if classes is not None else "0 or more"
        raise SuppleError(f"{name} has the label {lowest if lowest < 0 else highest}, out of range: expected {known}")
    return inputs, labels.to(torch.int64)


def load_python(config: PythonConfig, seed: int) -> Splits:
    """Call the function that the config names and check the first training and validation batch of what it returns.

    Raises SuppleError where the import path, the arguments, the result or a batch is not as expected. Test batches
    are not read here; they are checked when they are.
    """
    name = f'"{config.function}"'
    result = call_object(config.function, config.arguments)
    if isinstance(result, Splits):
        return _checked_splits(result, name)
    if not isinstance(result, tuple | list) or len(result) != 3:
        raise SuppleError(f"{name} returned {_describe(result)}: {_EXPECTED}")
    train, valid, test = (
        LoaderBatches(_checked_loader(loader, f"{name} {split} loader"), f"{name} {split}", seed)
        for loader, split in zip(result, ("train", "valid", "test"), strict=True)
    )
    classes = _class_names(config, train, valid)
    for batches in (train, valid, test):
        batches.classes = len(classes)
    example = _first(train)
    _first(valid)
    return Splits(train, valid, test, classes, (example[:2],))


def _checked_splits(splits: Splits, name: str) -> Splits:
    if len(splits.classes) < 2:
        raise SuppleError(f"{name} returned Splits with {len(splits.classes)} classes: expected at least two")
    for batches, split in ((splits.train, "train"), (splits.valid, "valid"), (splits.test, "test")):
        _checked_loader(batches, f"{name} {split} split")
        if split != "test":
            _first(LoaderBatches(batches, f"{name} {split}", seed=0, classes=len(splits.classes)))
    return splits


def _checked_loader(loader: object, name: str) -> Batches:
    if not isinstance(loader, Batches):
        raise SuppleError(f"{name} is {_describe(loader)}: {_EXPECTED}")
    try:
        count = len(loader)
    except TypeError as error:
        raise SuppleError(f"{name} has no length: use a data set with __len__, not a stream") from error
    if count == 0:
        raise SuppleError(f"{name} has no batches: its data set is empty, or smaller than a batch with drop_last")
    return loader


def _class_names(config: PythonConfig, train: LoaderBatches, valid: LoaderBatches) -> tuple[str, ...]:
    named = getattr(getattr(train.loader, "dataset", None), "classes", None)
    if isinstance(named, list | tuple) and named:
        classes = tuple(map(str, named))
    else:
        count = config.classes or 1 + max(int(labels.max()) for batches in (train, valid) for _, labels in batches)
        classes = tuple(map(str, range(count)))
    if len(classes) < 2:
        raise SuppleError(f'"{config.function}" returned data of only one class: expected at least two')
    return classes


def _first(batches: LoaderBatches) -> Tensor:
    for inputs, _ in batches:
        return inputs
    raise SuppleError(f"{batches.name} loader yields no batch, though its length is {len(batches)}")


def _describe(value: object) -> str:
    if isinstance(value, tuple | list):
        return f"a {type(value).__name__} of {len(value)}"
    return f"an object of type {type(value).__name__}"
