"""From a data config to splits: complete, disjoint, repeatable, equally normalised."""

from pathlib import Path

import pytest
import torch
from PIL import Image
from torch import Tensor

from supple.data import DataConfig, FolderConfig, IdxConfig, ImageBatches, Splits, load_splits
from supple.data.idx import write_idx
from supple.errors import SuppleError


def numbered(count: int) -> Tensor:
    return torch.arange(count, dtype=torch.int32).view(torch.uint8).reshape(count, 2, 2)


@pytest.fixture
def idx_folder(tmp_path: Path) -> Path:
    """60 training images of three classes, each a different one; no test images."""
    write_idx(tmp_path / "train-images-idx3-ubyte", numbered(60))
    write_idx(tmp_path / "train-labels-idx1-ubyte", (torch.arange(60) % 3).to(torch.uint8))
    return tmp_path


def add_test_images(folder: Path) -> None:
    write_idx(folder / "t10k-images-idx3-ubyte", numbered(9) + 200)
    write_idx(folder / "t10k-labels-idx1-ubyte", torch.arange(9, dtype=torch.uint8) % 3)


def images_of(batches: object) -> set[int]:
    assert isinstance(batches, ImageBatches)
    return set(batches.images.contiguous().view(-1).view(torch.int32).tolist())


def parts(splits: Splits) -> list[set[int]]:
    return [images_of(splits.train), images_of(splits.valid), images_of(splits.test)]


def test_missing_splits_are_cut_from_the_training_images(idx_folder: Path) -> None:
    config = IdxConfig(path=idx_folder, valid_fraction=0.25, test_fraction=0.2)
    train, valid, test = parts(load_splits(config, 8, 0))
    assert (len(train), len(valid), len(test)) == (36, 12, 12)
    assert train | valid | test == set(range(60))


def test_given_test_images_are_kept_whole_and_apart(idx_folder: Path) -> None:
    add_test_images(idx_folder)
    train, valid, test = parts(load_splits(IdxConfig(path=idx_folder), 8, 0))
    assert len(test) == 9
    assert not test & (train | valid)
    assert train | valid == set(range(60))


def test_the_seed_decides_the_cut_and_the_order(idx_folder: Path) -> None:
    config = IdxConfig(path=idx_folder)
    first, again, other = (load_splits(config, 8, seed) for seed in (1, 1, 2))
    assert parts(first) == parts(again)
    assert parts(first) != parts(other)
    assert torch.equal(next(iter(first.train))[0], next(iter(again.train))[0])


def test_all_splits_are_normalised_with_the_training_images(idx_folder: Path) -> None:
    add_test_images(idx_folder)
    splits = load_splits(IdxConfig(path=idx_folder), 4, 0)
    assert isinstance(splits.train, ImageBatches)
    pixels = splits.train.images.double() / 255
    for batches in (splits.train, splits.valid, splits.test):
        assert isinstance(batches, ImageBatches)
        expected = (batches.images.double() / 255 - pixels.mean()) / pixels.std(correction=0)
        torch.testing.assert_close(batches.normalise(batches.images).double(), expected, rtol=1e-5, atol=1e-5)


def test_training_batches_are_full_shuffled_and_flipped_as_asked(idx_folder: Path) -> None:
    train = load_splits(IdxConfig(path=idx_folder, flip=True), 40, 0).train
    assert isinstance(train, ImageBatches)
    assert (train.shuffle, train.flip, train.drop_last) == (True, True, True)


def test_fewer_images_than_a_batch_are_one_batch(idx_folder: Path) -> None:
    splits = load_splits(IdxConfig(path=idx_folder), 500, 0)
    assert len(splits.train) == len(splits.valid) == len(splits.test) == 1


def test_example_inputs_are_two_normalised_training_images(idx_folder: Path) -> None:
    splits = load_splits(IdxConfig(path=idx_folder), 8, 0)
    assert isinstance(splits.train, ImageBatches)
    assert torch.equal(splits.example_inputs[0], splits.train.normalise(splits.train.images[:2]))


def test_an_image_folder_becomes_splits(tmp_path: Path) -> None:
    for index in range(20):
        for name, shade in (("cat", 0), ("dog", 200)):
            (tmp_path / name).mkdir(exist_ok=True)
            Image.new("L", (5, 4), shade + index).save(tmp_path / name / f"{index}.png")
    splits = load_splits(FolderConfig(path=tmp_path, image_size=3), 4, 0)
    assert splits.classes == ("cat", "dog")
    assert splits.example_inputs[0].shape == (2, 1, 3, 3)
    assert len(splits.valid) == len(splits.test) == 2


def one_class_of_images(folder: Path) -> DataConfig:
    (folder / "cat").mkdir()
    Image.new("L", (2, 2)).save(folder / "cat" / "1.png")
    return FolderConfig(path=folder)


def one_class_in_idx(folder: Path) -> DataConfig:
    write_idx(folder / "train-images-idx3-ubyte", numbered(5))
    write_idx(folder / "train-labels-idx1-ubyte", torch.ones(5, dtype=torch.uint8))
    return IdxConfig(path=folder)


def one_image_per_class(folder: Path) -> DataConfig:
    for name in ("cat", "dog"):
        (folder / name).mkdir()
        Image.new("L", (2, 2)).save(folder / name / "1.png")
    return FolderConfig(path=folder)


def test_one_class_only_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SuppleError, match=r'holds only one class, "cat": expected at least two'):
        load_splits(one_class_of_images(tmp_path), 4, 0)


def test_one_label_only_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SuppleError, match=r'holds only one class, "1": expected at least two'):
        load_splits(one_class_in_idx(tmp_path), 4, 0)


def test_too_few_images_for_the_splits_are_refused(tmp_path: Path) -> None:
    with pytest.raises(SuppleError, match=r'Class "cat" has too few images: cutting 15% off its 1 for the test split'):
        load_splits(one_image_per_class(tmp_path), 4, 0)
