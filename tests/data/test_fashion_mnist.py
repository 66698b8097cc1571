"""The built-in data set: the subset that is shipped, and the full set where its folder is given."""

from pathlib import Path

import pytest
import torch

from supple.data import FashionMnistConfig, ImageBatches, load_splits
from supple.data.fashion_mnist import CLASSES, SHIPPED_FOLDER
from supple.data.fashion_mnist.cut import cut_subset, first_of_each_class
from supple.data.idx import write_idx
from supple.data.idx_folder import read_idx_folder
from supple.errors import SuppleError


def put_full_set(folder: Path, prefixes: tuple[str, ...] = ("train", "t10k")) -> None:
    """A stand-in of 300 images for each part."""
    for prefix in prefixes:
        images = torch.arange(300 * 4, dtype=torch.int64).remainder(256).to(torch.uint8).reshape(300, 2, 2)
        write_idx(folder / f"{prefix}-images-idx3-ubyte", images)
        write_idx(folder / f"{prefix}-labels-idx1-ubyte.gz", torch.arange(300, dtype=torch.int64).remainder(10).byte())


def test_the_shipped_subset_is_balanced() -> None:
    source = read_idx_folder(SHIPPED_FOLDER, CLASSES)
    assert source.test is not None
    assert source.train.images.shape == (12_000, 1, 28, 28)
    assert source.train.labels.bincount().tolist() == [1200] * 10
    assert source.test.images.shape == (2_000, 1, 28, 28)
    assert source.test.labels.bincount().tolist() == [200] * 10


def test_its_licence_is_shipped_with_it() -> None:
    licence = (SHIPPED_FOLDER / "LICENSE").read_text()
    assert "The MIT License" in licence
    assert "2017 Zalando SE" in licence


def test_without_a_folder_the_subset_is_loaded() -> None:
    splits = load_splits(FashionMnistConfig(), 64, 0)
    counts = [part.images_count for part in (splits.train, splits.valid, splits.test) if isinstance(part, ImageBatches)]
    assert counts == [10_200, 1_800, 2_000]
    assert splits.classes == CLASSES
    assert splits.example_inputs[0].shape == (2, 1, 28, 28)


def test_with_a_folder_the_full_set_is_loaded(tmp_path: Path) -> None:
    put_full_set(tmp_path)
    splits = load_splits(FashionMnistConfig(path=tmp_path), 10, 0)
    assert len(splits.test) == 30
    assert splits.classes == CLASSES


def test_a_folder_without_test_images_is_refused(tmp_path: Path) -> None:
    put_full_set(tmp_path, prefixes=("train",))
    with pytest.raises(SuppleError, match="has no test images: expected t10k-images-idx3-ubyte"):
        load_splits(FashionMnistConfig(path=tmp_path), 10, 0)


def test_a_folder_of_other_labels_is_refused(tmp_path: Path) -> None:
    put_full_set(tmp_path)
    write_idx(tmp_path / "train-labels-idx1-ubyte", torch.arange(300, dtype=torch.int64).remainder(47).byte())
    with pytest.raises(SuppleError, match=r"the train label 46 is out of range: expected 0 to 9 \(10 classes\)"):
        load_splits(FashionMnistConfig(path=tmp_path), 10, 0)


def test_the_first_of_each_class_are_taken_in_order() -> None:
    assert first_of_each_class(torch.tensor([2, 0, 2, 2, 0, 1, 0]), 2).tolist() == [0, 1, 2, 4, 5]


def test_the_cut_writes_a_balanced_subset(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("supple.data.fashion_mnist.cut._TRAIN_IMAGES_PER_CLASS", 3)
    monkeypatch.setattr("supple.data.fashion_mnist.cut._TEST_IMAGES_PER_CLASS", 1)
    full, subset = tmp_path / "full", tmp_path / "subset"
    full.mkdir()
    subset.mkdir()
    put_full_set(full)
    cut_subset(full, subset)
    whole, part = read_idx_folder(full), read_idx_folder(subset)
    assert part.test is not None
    assert torch.equal(part.train.images, whole.train.images[:30])
    assert part.train.labels.bincount().tolist() == [3] * 10
    assert part.test.labels.tolist() == list(range(10))
