"""Labelled images in memory: the parts that a source has, cutting the parts that it lacks, and their statistics."""

import math
import os
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from supple.data.seeds import generator
from supple.errors import SuppleError

_IMAGES_AT_ONCE = 1024


@dataclass(frozen=True)
class LabelledImages:
    """`images`: uint8 (n, channels, height, width); `labels`: int64 (n,)."""

    images: Tensor
    labels: Tensor

    def __len__(self) -> int:
        return self.images.shape[0]

    def take(self, indices: Tensor) -> "LabelledImages":
        """Return the images at the indices."""
        return LabelledImages(self.images[indices], self.labels[indices])


@dataclass(frozen=True)
class ImageSource:
    """What a source holds; where `valid` or `test` is None, it is to be cut from `train`."""

    train: LabelledImages
    valid: LabelledImages | None
    test: LabelledImages | None
    classes: tuple[str, ...]


def list_folder(folder: Path) -> list[Path]:
    """Return what lies in a folder of data, sorted by name, without hidden entries.

    Raises SuppleError where the folder is missing, no folder, not to be read or empty.
    """
    try:
        entries = sorted(entry for entry in folder.iterdir() if not entry.name.startswith("."))
    except FileNotFoundError as error:
        raise SuppleError(f'The data folder "{folder}" does not exist') from error
    except NotADirectoryError as error:
        raise SuppleError(f'The data folder "{folder}" is a file: expected a folder') from error
    except OSError as error:
        raise SuppleError(f'Cannot read the data folder "{folder}": {error.strerror}') from error
    if not entries:
        raise SuppleError(f'The data folder "{folder}" is empty')
    return entries


def cut(
    whole: LabelledImages, fraction: float, seed: int, classes: tuple[str, ...], split: str
) -> tuple[LabelledImages, LabelledImages]:
    """Cut `fraction` of every class off, at least one image each; return what stays and the named split.

    The choice is a pure function of the labels, the seed and the split's name; the order of the images is kept.
    Raises SuppleError where a class has too few images for both parts.
    """
    chosen = torch.zeros(len(whole), dtype=torch.bool)
    for label in sorted(set(whole.labels.tolist())):
        members = (whole.labels == label).nonzero().flatten()
        count = max(1, round(fraction * len(members)))
        if count >= len(members):
            raise SuppleError(
                f'Class "{classes[label]}" has too few images: cutting {fraction:.0%} off its {len(members)} for the '
                f"{split} split leaves none; add images or a {split} split of your own"
            )
        order = torch.randperm(len(members), generator=generator(seed, split, label))
        chosen[members[order[:count]]] = True
    return whole.take((~chosen).nonzero().flatten()), whole.take(chosen.nonzero().flatten())


def channel_statistics(images: Tensor) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Return the mean and the standard deviation of each channel of uint8 images (n, channels, height, width).

    The unit is the full range: black is 0, white is 1. A constant channel gets the standard deviation 1.
    """
    means, deviations = [], []
    values = torch.arange(256, dtype=torch.float64) / 255
    for channel in range(images.shape[1]):
        # Counting is exact: the result depends on neither the order of the images nor the number of threads.
        counts = torch.zeros(256, dtype=torch.int64)
        for start in range(0, len(images), _IMAGES_AT_ONCE):
            counts += torch.bincount(images[start : start + _IMAGES_AT_ONCE, channel].flatten(), minlength=256)
        shares = counts.double() / counts.sum()
        mean = float((shares * values).sum())
        variance = float((shares * (values - mean) ** 2).sum())
        means.append(mean)
        deviations.append(math.sqrt(variance) if counts.count_nonzero() > 1 else 1.0)
    return tuple(means), tuple(deviations)


def check_memory(shape: tuple[int, ...], what: str) -> None:
    """Raise SuppleError where uint8 images (n, channels, height, width) would fill more than half of the memory."""
    count, channels, height, width = shape
    needed = math.prod(shape)
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    if needed > memory // 2:
        raise SuppleError(
            f"{what} needs {needed / 1e9:.1f} GB in memory ({count} images of {channels} x {height} x {width}); this "
            f'machine has {memory / 1e9:.1f} GB: set a smaller image_size, or load it yourself (kind "python")'
        )
