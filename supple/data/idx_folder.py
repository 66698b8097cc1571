"""A folder of IDX files, named as MNIST names them, as an image source."""

from pathlib import Path

import torch
from torch import Tensor

from supple.data.idx import read_idx
from supple.data.labelled import ImageSource, LabelledImages, list_folder
from supple.errors import SuppleError

_TRAIN = ("train",)
_VALID = ("valid",)
_TEST = ("test", "t10k")
_FOUND_SHOWN = 5


def read_idx_folder(folder: Path, classes: tuple[str, ...] | None = None) -> ImageSource:
    """Read `train-images-idx3-ubyte` and `train-labels-idx1-ubyte`, and the like for `valid` and `test` or `t10k`.

    Files may be gzipped (`.gz`) and may be written with a dot (`train-images.idx3-ubyte`). Images are (n, height,
    width), or (n, channels, height, width) in `idx4` files. Without `classes` the labels are named "0", "1", ... up
    to the highest of the training labels. Raises SuppleError for files that are missing, damaged or do not match.
    """
    names = {entry.name for entry in list_folder(folder)}
    train = _read_split(folder, names, _TRAIN)
    if train is None:
        found = ", ".join(sorted(names)[:_FOUND_SHOWN]) + (", ..." if len(names) > _FOUND_SHOWN else "")
        raise SuppleError(
            f'The data folder "{folder}" has no IDX training images: expected train-images-idx3-ubyte and '
            f"train-labels-idx1-ubyte, plain or .gz; found {found}"
        )
    classes = classes or tuple(str(label) for label in range(int(train.labels.max()) + 1))
    valid = _read_split(folder, names, _VALID)
    test = _read_split(folder, names, _TEST)
    for name, split in (("train", train), ("valid", valid), ("test", test)):
        if split is None:
            continue
        if split.images.shape[1:] != train.images.shape[1:]:
            raise SuppleError(
                f'In "{folder}" the {name} images have the shape {tuple(split.images.shape[1:])}, '
                f"the training images {tuple(train.images.shape[1:])}: expected the same"
            )
        highest = int(split.labels.max())
        if highest >= len(classes):
            raise SuppleError(
                f'In "{folder}" the {name} label {highest} is out of range: '
                f"expected 0 to {len(classes) - 1} ({len(classes)} classes)"
            )
    return ImageSource(train, valid, test, classes)


def _read_split(folder: Path, names: set[str], prefixes: tuple[str, ...]) -> LabelledImages | None:
    for prefix in prefixes:
        image_file = _find(names, [f"{prefix}-images{mark}idx{rank}-ubyte" for mark in "-." for rank in (3, 4)])
        label_file = _find(names, [f"{prefix}-labels{mark}idx1-ubyte" for mark in "-."])
        if image_file is None and label_file is None:
            continue
        if image_file is None or label_file is None:
            missing = f"{prefix}-labels-idx1-ubyte" if label_file is None else f"{prefix}-images-idx3-ubyte"
            raise SuppleError(f'The data folder "{folder}" has {image_file or label_file}, but no {missing}')
        return _pair(folder / image_file, folder / label_file)
    return None


def _find(names: set[str], stems: list[str]) -> str | None:
    return next((stem + end for stem in stems for end in ("", ".gz") if stem + end in names), None)


def _pair(image_file: Path, label_file: Path) -> LabelledImages:
    images, labels = _with_channels(image_file, read_idx(image_file)), read_idx(label_file)
    if labels.dim() != 1:
        raise SuppleError(f'"{label_file}" has the shape {tuple(labels.shape)}: expected one label for each image')
    if len(images) != len(labels):
        raise SuppleError(
            f'"{image_file}" holds {len(images)} images, but "{label_file}" {len(labels)} labels: '
            "expected as many of each"
        )
    return LabelledImages(images, labels.to(torch.int64))


def _with_channels(path: Path, images: Tensor) -> Tensor:
    if images.dim() == 3:
        return images.unsqueeze(1)
    if images.dim() == 4 and images.shape[1] in (1, 3):
        return images
    raise SuppleError(
        f'"{path}" has the shape {tuple(images.shape)}: expected (n, height, width) or (n, 1 or 3, height, width)'
    )
