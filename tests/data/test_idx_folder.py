"""Folders of IDX files: what is found, and what is refused in one clear line."""

from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from supple.data.idx import write_idx
from supple.data.idx_folder import read_idx_folder
from supple.errors import SuppleError

TRAIN_IMAGES, TRAIN_LABELS = "train-images-idx3-ubyte", "train-labels-idx1-ubyte"


def put(folder: Path, name: str, *shape: int, values: list[int] | None = None) -> None:
    tensor = torch.zeros(shape, dtype=torch.uint8) if values is None else torch.tensor(values, dtype=torch.uint8)
    write_idx(folder / name, tensor)


def put_train(folder: Path) -> None:
    put(folder, TRAIN_IMAGES, 4, 5, 6)
    put(folder, TRAIN_LABELS, values=[0, 1, 2, 1])


def test_training_images_alone_are_enough(tmp_path: Path) -> None:
    put_train(tmp_path)
    source = read_idx_folder(tmp_path)
    assert source.train.images.shape == (4, 1, 5, 6)
    assert source.train.labels.tolist() == [0, 1, 2, 1]
    assert source.classes == ("0", "1", "2")
    assert source.valid is None
    assert source.test is None


@pytest.mark.parametrize("prefix", ["test", "t10k"])
@pytest.mark.parametrize("end", ["-idx{}-ubyte", ".idx{}-ubyte", "-idx{}-ubyte.gz"])
def test_test_files_are_known_by_their_usual_names(tmp_path: Path, prefix: str, end: str) -> None:
    put_train(tmp_path)
    put(tmp_path, f"{prefix}-images" + end.format(3), 2, 5, 6)
    put(tmp_path, f"{prefix}-labels" + end.format(1), values=[2, 0])
    source = read_idx_folder(tmp_path)
    assert source.test is not None
    assert source.test.labels.tolist() == [2, 0]


def test_validation_files_and_colours_are_read(tmp_path: Path) -> None:
    for split in ("train", "valid"):
        put(tmp_path, f"{split}-images-idx4-ubyte", 2, 3, 5, 6)
        put(tmp_path, f"{split}-labels-idx1-ubyte", values=[0, 1])
    source = read_idx_folder(tmp_path)
    assert source.valid is not None
    assert source.valid.images.shape == (2, 3, 5, 6)


def no_labels(folder: Path) -> None:
    put(folder, TRAIN_IMAGES, 4, 5, 6)


def other_files(folder: Path) -> None:
    for name in "abcdef":
        put(folder, name, 4)


def fewer_labels(folder: Path) -> None:
    put(folder, TRAIN_IMAGES, 4, 5, 6)
    put(folder, TRAIN_LABELS, 3)


def flat_images(folder: Path) -> None:
    put(folder, TRAIN_IMAGES, 4, 30)
    put(folder, TRAIN_LABELS, 4)


def channels_last(folder: Path) -> None:
    put(folder, "train-images-idx4-ubyte", 4, 5, 6, 3)
    put(folder, TRAIN_LABELS, 4)


def labels_of_two_dimensions(folder: Path) -> None:
    put(folder, TRAIN_IMAGES, 4, 5, 6)
    put(folder, TRAIN_LABELS, 4, 1)


def unknown_test_label(folder: Path) -> None:
    put_train(folder)
    put(folder, "t10k-images-idx3-ubyte", 1, 5, 6)
    put(folder, "t10k-labels-idx1-ubyte", values=[3])


def larger_test_images(folder: Path) -> None:
    put_train(folder)
    put(folder, "t10k-images-idx3-ubyte", 1, 7, 6)
    put(folder, "t10k-labels-idx1-ubyte", values=[0])


def truncated(folder: Path) -> None:
    put_train(folder)
    content = (folder / TRAIN_IMAGES).read_bytes()
    (folder / TRAIN_IMAGES).write_bytes(content[:-1])


@pytest.mark.parametrize(
    ("fill", "message"),
    [
        (lambda folder: folder.rmdir(), "The data folder .* does not exist"),
        (lambda folder: (folder.rmdir(), folder.write_text("")), "The data folder .* is a file: expected a folder"),
        (lambda folder: None, "The data folder .* is empty"),
        (other_files, "has no IDX training images: expected train-images-idx3-ubyte .*; found a, b, c, d, e, ...$"),
        (no_labels, "has train-images-idx3-ubyte, but no train-labels-idx1-ubyte"),
        (fewer_labels, "holds 4 images, but .* 3 labels: expected as many of each"),
        (flat_images, r"has the shape \(4, 30\): expected \(n, height, width\)"),
        (channels_last, r"has the shape \(4, 5, 6, 3\): expected .*\(n, 1 or 3, height, width\)"),
        (labels_of_two_dimensions, r"has the shape \(4, 1\): expected one label for each image"),
        (unknown_test_label, r"the test label 3 is out of range: expected 0 to 2 \(3 classes\)"),
        (larger_test_images, r"the test images have the shape \(1, 7, 6\), the training images \(1, 5, 6\)"),
        (truncated, 'train-images-idx3-ubyte" is truncated: its header declares 4 x 5 x 6 bytes, it holds 119'),
    ],
)
def test_a_mistake_is_one_clear_line(tmp_path: Path, fill: Callable[[Path], object], message: str) -> None:
    folder = tmp_path / "data"
    folder.mkdir()
    fill(folder)
    with pytest.raises(SuppleError, match=message) as caught:
        read_idx_folder(folder)
    assert "\n" not in str(caught.value)
