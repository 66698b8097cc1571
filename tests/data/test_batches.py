"""Batches of images: normalised, complete, and the same again for the same seed and epoch."""

import pytest
import torch
from torch import Tensor

from supple.data import Batches, ImageBatches
from supple.errors import SuppleError

IMAGES = torch.arange(10 * 2 * 3 * 4, dtype=torch.int64).remainder(251).to(torch.uint8).reshape(10, 2, 3, 4)
LABELS = torch.arange(10)


def all_of(batches: ImageBatches) -> tuple[Tensor, Tensor]:
    inputs, labels = zip(*batches, strict=True)
    return torch.cat(inputs), torch.cat(labels)


def shuffled(seed: int, epoch: int, flip: bool = False) -> tuple[Tensor, Tensor]:
    batches = ImageBatches(IMAGES, LABELS, 4, shuffle=True, seed=seed, flip=flip)
    batches.set_epoch(epoch)
    return all_of(batches)


def test_they_are_batches() -> None:
    assert isinstance(ImageBatches(IMAGES, LABELS, 4), Batches)


def test_pixels_are_normalised_per_channel() -> None:
    inputs, _ = all_of(ImageBatches(IMAGES, LABELS, 4, mean=(0.25, 0.5), std=(0.5, 2.0)))
    mean, std = torch.tensor([0.25, 0.5]).view(2, 1, 1), torch.tensor([0.5, 2.0]).view(2, 1, 1)
    assert inputs.dtype == torch.float32
    torch.testing.assert_close(inputs, (IMAGES / 255 - mean) / std)


def test_without_shuffling_the_order_is_kept() -> None:
    assert torch.equal(all_of(ImageBatches(IMAGES, LABELS, 4))[1], LABELS)


@pytest.mark.parametrize(("drop_last", "sizes"), [(False, [4, 4, 2]), (True, [4, 4])])
def test_the_length_is_the_number_of_batches(drop_last: bool, sizes: list[int]) -> None:
    batches = ImageBatches(IMAGES, LABELS, 4, drop_last=drop_last)
    assert [len(labels) for _, labels in batches] == sizes
    assert len(batches) == len(sizes)
    assert batches.images_count == 10


def test_an_epoch_holds_every_image_once() -> None:
    assert torch.equal(shuffled(3, 5)[1].sort().values, LABELS)


@pytest.mark.parametrize("flip", [False, True])
def test_the_same_seed_and_epoch_give_the_same_batches(flip: bool) -> None:
    assert torch.equal(shuffled(3, 5, flip)[0], shuffled(3, 5, flip)[0])


@pytest.mark.parametrize("other", [(3, 6), (4, 5), (3 + 2**32, 5)])
def test_another_seed_or_epoch_gives_another_order(other: tuple[int, int]) -> None:
    assert not torch.equal(shuffled(3, 5)[1], shuffled(*other)[1])


def test_the_global_random_numbers_play_no_part() -> None:
    torch.manual_seed(1)
    first = shuffled(3, 5, flip=True)[0]
    state = torch.get_rng_state()
    torch.manual_seed(2)
    assert torch.equal(first, shuffled(3, 5, flip=True)[0])
    torch.manual_seed(1)
    assert torch.equal(state, torch.get_rng_state())


def test_flipping_mirrors_some_images_and_not_others() -> None:
    inputs, labels = shuffled(0, 0, flip=True)
    plain = IMAGES[labels] / 255
    kept = [torch.allclose(image, original) for image, original in zip(inputs, plain, strict=True)]
    mirrored = [torch.allclose(image.flip(-1), original) for image, original in zip(inputs, plain, strict=True)]
    assert all(a != b for a, b in zip(kept, mirrored, strict=True))
    assert any(kept)
    assert any(mirrored)


@pytest.mark.parametrize(
    ("images", "labels", "batch_size", "options", "message"),
    [
        (IMAGES.float(), LABELS, 4, {}, r"Expected images as uint8 .*not torch.float32 of shape \(10, 2, 3, 4\)"),
        (IMAGES[0], LABELS, 4, {}, r"Expected images as uint8 .*of shape \(2, 3, 4\)"),
        (IMAGES[:0], LABELS[:0], 4, {}, r"Expected images .*of shape \(0, 2, 3, 4\)"),
        (IMAGES, LABELS[:9], 4, {}, r"Expected labels as int64 of shape \(10,\).*of shape \(9,\)"),
        (IMAGES, LABELS.float(), 4, {}, r"Expected labels as int64 .*not torch.float32"),
        (IMAGES, LABELS, 0, {}, "Expected a batch_size of at least 1, not 0"),
        (IMAGES, LABELS, 11, {"drop_last": True}, "10 images do not fill one batch of 11"),
        (IMAGES, LABELS, 4, {"mean": (0, 0, 0)}, "Images of 2 channels need 1 or 2 means"),
        (IMAGES, LABELS, 4, {"std": (0.0, 1.0)}, "positive standard deviations"),
    ],
)
def test_what_does_not_fit_is_refused(
    images: Tensor, labels: Tensor, batch_size: int, options: dict[str, tuple[float, ...]], message: str
) -> None:
    with pytest.raises(SuppleError, match=message):
        ImageBatches(images, labels, batch_size, **options)
