"""Cutting splits class by class, and the statistics of the pixels."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from supple.data import labelled
from supple.data.labelled import LabelledImages, channel_statistics, check_memory, cut
from supple.errors import SuppleError

CLASSES = ("cat", "dog", "owl")


def numbered(counts: list[int]) -> LabelledImages:
    """Images whose first pixels are their number, as many of each class as the counts say."""
    labels = torch.cat([torch.full((count,), label) for label, count in enumerate(counts)])
    numbers = torch.arange(len(labels), dtype=torch.int32).view(torch.uint8).reshape(-1, 1, 2, 2)
    return LabelledImages(numbers, labels)


def numbers(part: LabelledImages) -> list[int]:
    return part.images.contiguous().view(-1).view(torch.int32).tolist()


@settings(deadline=None)
@given(st.lists(st.integers(2, 40), min_size=3, max_size=3), st.floats(0.01, 0.5), st.integers(0, 2**64))
def test_a_cut_is_a_partition_in_which_every_class_has_its_share(counts: list[int], share: float, seed: int) -> None:
    rest, part = cut(numbered(counts), share, seed, CLASSES, "valid")
    assert sorted(numbers(rest) + numbers(part)) == list(range(sum(counts)))
    expected = [max(1, round(share * count)) for count in counts]
    assert part.labels.bincount(minlength=3).tolist() == expected


def test_a_cut_repeats_for_its_seed_and_differs_for_another() -> None:
    whole = numbered([50, 50, 50])
    first, again, other = (numbers(cut(whole, 0.2, seed, CLASSES, "valid")[1]) for seed in (1, 1, 2))
    assert first == again
    assert first != other


def test_a_cut_keeps_the_order() -> None:
    rest, part = cut(numbered([9, 9, 9]), 0.3, 0, CLASSES, "valid")
    assert numbers(rest) == sorted(numbers(rest))
    assert numbers(part) == sorted(numbers(part))


@pytest.mark.parametrize(("counts", "share"), [([5, 1, 5], 0.1), ([9, 2, 9], 0.9)])
def test_a_class_with_too_few_images_is_named(counts: list[int], share: float) -> None:
    with pytest.raises(
        SuppleError, match=r'Class "dog" has too few images: cutting \d+% off its \d for the valid split'
    ):
        cut(numbered(counts), share, 0, CLASSES, "valid")


def test_statistics_are_those_of_the_pixels() -> None:
    images = torch.randint(0, 256, (1500, 3, 4, 5), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    mean, std = channel_statistics(images)
    pixels = images.double().transpose(0, 1).flatten(1) / 255
    torch.testing.assert_close(torch.tensor(mean).double(), pixels.mean(1).float().double())
    torch.testing.assert_close(torch.tensor(std), pixels.std(1, correction=0).float())


def test_a_constant_channel_has_the_deviation_one() -> None:
    assert channel_statistics(torch.full((3, 1, 2, 2), 255, dtype=torch.uint8)) == ((1.0,), (1.0,))


def test_images_that_memory_cannot_hold_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    sizes = {"SC_PAGE_SIZE": 4096, "SC_PHYS_PAGES": 10**6}
    monkeypatch.setattr(labelled.os, "sysconf", sizes.__getitem__)
    check_memory((1000, 3, 256, 256), "It")
    with pytest.raises(
        SuppleError, match=r"It needs 19.7 GB in memory .* this machine has 4.1 GB: set a smaller image"
    ):
        check_memory((100_000, 3, 256, 256), "It")
