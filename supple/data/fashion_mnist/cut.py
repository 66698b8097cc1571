"""Cut the shipped subset out of the full Fashion-MNIST: `python -m supple.data.fashion_mnist.cut FULL_FOLDER OUT`."""

import argparse
from pathlib import Path

import torch
from torch import Tensor

from supple.data.fashion_mnist import CLASSES
from supple.data.idx import write_idx
from supple.data.idx_folder import read_idx_folder
from supple.data.labelled import LabelledImages
from supple.errors import SuppleError

_TRAIN_IMAGES_PER_CLASS = 1200
_TEST_IMAGES_PER_CLASS = 200


def first_of_each_class(labels: Tensor, count: int) -> Tensor:
    """Return the indices of the first `count` examples of each class, ascending."""
    chosen = [(labels == label).nonzero().flatten()[:count] for label in sorted(set(labels.tolist()))]
    return torch.cat(chosen).sort().values


def cut_subset(full_folder: Path, out_folder: Path) -> None:
    """Write the four gzipped IDX files of the shipped subset; the same originals always give the same files."""
    source = read_idx_folder(full_folder, CLASSES)
    if source.test is None:
        raise SuppleError(f'"{full_folder}" has no test images: expected t10k-images-idx3-ubyte, plain or .gz')
    _write(out_folder, "train", source.train, _TRAIN_IMAGES_PER_CLASS)
    _write(out_folder, "t10k", source.test, _TEST_IMAGES_PER_CLASS)


def _write(folder: Path, prefix: str, whole: LabelledImages, count: int) -> None:
    part = whole.take(first_of_each_class(whole.labels, count))
    write_idx(folder / f"{prefix}-images-idx3-ubyte.gz", part.images.squeeze(1))
    write_idx(folder / f"{prefix}-labels-idx1-ubyte.gz", part.labels.to(torch.uint8))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Cut the shipped subset out of the full Fashion-MNIST.")
    parser.add_argument("full_folder", type=Path, help="folder with the four original IDX files, plain or .gz")
    parser.add_argument("out_folder", type=Path, help="folder for the four files of the subset")
    arguments = parser.parse_args()
    cut_subset(arguments.full_folder, arguments.out_folder)
