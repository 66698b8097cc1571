"""Mixup and cutmix: what is mixed, in which share, and from which random numbers."""

import pytest
import torch
from torch import Tensor

from supple.errors import SuppleError
from supple.training.augmentation import AugmentationConfig
from supple.training.classification import MixedLabels
from supple.training.mixing import generator_of_step, mixed

MIXUP = AugmentationConfig(mixup_alpha=0.8)
CUTMIX = AugmentationConfig(cutmix_alpha=1.0)
BOTH = AugmentationConfig(mixup_alpha=0.8, cutmix_alpha=1.0)


def batch_of(size: int = 16) -> tuple[Tensor, Tensor]:
    """Return images whose every pixel is the image's number, and the same numbers as classes."""
    labels = torch.arange(size)
    return labels.float().view(-1, 1, 1, 1).expand(-1, 3, 12, 10).contiguous(), labels


def mixed_at(step: int, config: AugmentationConfig, strength: float = 1.0) -> tuple[Tensor, MixedLabels]:
    images, labels = mixed(batch_of(), config, generator_of_step(7, step), strength)
    assert isinstance(labels, MixedLabels)
    return images, labels


@pytest.mark.parametrize("config", [MIXUP, CUTMIX])
def test_labels_have_the_share_that_the_pixels_have(config):
    for step in range(50):
        images, labels = mixed_at(step, config)
        assert torch.equal(labels.first, torch.arange(16))
        assert sorted(labels.second.tolist()) == list(range(16))
        expected = labels.share * labels.first + (1 - labels.share) * labels.second
        torch.testing.assert_close(images.mean((1, 2, 3)), expected, rtol=1e-4, atol=1e-4)


def test_mixup_blends_whole_images():
    images, _ = mixed_at(0, MIXUP)
    assert torch.equal(images, images[:, :1, :1, :1].expand_as(images))


def test_cutmix_takes_each_pixel_from_one_of_the_two_and_leaves_the_batch_as_it_was():
    batch = batch_of()
    images, labels = mixed(batch, CUTMIX, generator_of_step(7, 0))
    first, second = (part.view(-1, 1, 1, 1) for part in (labels.first, labels.second))
    assert ((images == first) | (images == second)).all()
    assert torch.equal(batch[0], batch_of()[0])
    from_second = (images[labels.first != labels.second] == second[labels.first != labels.second]).all(1)
    assert (from_second == from_second[0]).all()  # one rectangle for all


def test_both_are_switched_by_their_probability():
    def is_cutmix(step: int) -> bool:
        images, _ = mixed_at(step, BOTH)
        return torch.equal(images, images.round())

    assert 60 < sum(is_cutmix(step) for step in range(200)) < 140


def test_some_batches_are_left_as_they_are():
    batch = batch_of()
    config = AugmentationConfig(mixup_alpha=0.8, probability=0.3)
    untouched = sum(mixed(batch, config, generator_of_step(7, step)) is batch for step in range(200))
    assert 110 < untouched < 170


@pytest.mark.parametrize(
    "config", [AugmentationConfig(), AugmentationConfig(mixup_alpha=1.0, probability=0.0)], ids=["no alpha", "never"]
)
def test_nothing_is_mixed_unless_it_is_asked_for(config):
    batch = batch_of()
    assert mixed(batch, config, generator_of_step(7, 0)) is batch
    assert not config.mixes


def test_a_step_gives_the_same_numbers_again_and_other_steps_processes_and_seeds_others():
    def mixed_with(seed: int, step: int, rank: int) -> bytes:
        return mixed(batch_of(), BOTH, generator_of_step(seed, step, rank))[0].numpy().tobytes()

    keys = [(7, 0, 0), (7, 1, 0), (7, 0, 1), (8, 0, 0)]
    results = [mixed_with(*key) for key in keys]
    assert results == [mixed_with(*key) for key in keys]
    assert len(set(results)) == len(keys)


def test_pytorchs_own_random_numbers_are_not_used():
    before = torch.get_rng_state()
    mixed(batch_of(), BOTH, generator_of_step(7, 0))
    assert torch.equal(torch.get_rng_state(), before)


def test_less_strength_mixes_less():
    def strongest_mean(strength: float) -> float:
        shares = [float(mixed_at(step, MIXUP, strength)[1].share) for step in range(300)]
        return sum(max(share, 1 - share) for share in shares) / len(shares)

    assert strongest_mean(1.0) + 0.1 < strongest_mean(0.2)
    batch = batch_of()
    assert mixed(batch, MIXUP, generator_of_step(7, 0), strength=0.0) is batch


def test_the_order_in_memory_stays():
    images, labels = batch_of()
    images = images.contiguous(memory_format=torch.channels_last)
    for config in (MIXUP, CUTMIX):
        result, _ = mixed((images, labels), config, generator_of_step(7, 0))
        assert result.is_contiguous(memory_format=torch.channels_last)


def test_a_mapping_stays_one_with_all_its_entries():
    images, labels = batch_of()
    batch = {"pixel_values": images, "interpolate": True, "labels": labels}
    result = mixed(batch, MIXUP, generator_of_step(7, 0))
    expected = mixed((images, labels), MIXUP, generator_of_step(7, 0))
    assert result.keys() == batch.keys()
    assert torch.equal(result["pixel_values"], expected[0])
    assert torch.equal(result["labels"].second, expected[1].second)


@pytest.mark.parametrize(
    ("batch", "message"),
    [
        (
            (torch.zeros(4, 7), torch.zeros(4, dtype=torch.int64)),
            r"Mixup or cutmix needs one input of images \(batch, channels, height, width\) of real numbers, but the "
            r"inputs are of shape \[4, 7\]: leave it out.",
        ),
        (
            (torch.zeros(4, 1, 2, 2), torch.zeros(4, 2, 2, dtype=torch.int64)),
            r"Mixup and cutmix need one class for each image, not labels of torch.int64 \[4, 2, 2\]: leave them out.",
        ),
        ((torch.zeros(4, 1, 2, 2), torch.zeros(4)), r"not labels of torch.float32 \[4\]"),
        ((torch.zeros(4, 1, 2, 2), "cat"), "not labels str"),
    ],
)
def test_what_cannot_be_mixed_is_refused(batch, message):
    with pytest.raises(SuppleError, match=message):
        mixed(batch, MIXUP, generator_of_step(7, 0))
