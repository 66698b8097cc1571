"""Batches of images that lie in memory as bytes: normalised when they are taken, in an order that can be repeated."""

from collections.abc import Iterator, Sequence

import torch
from torch import Tensor

from supple.data.seeds import generator
from supple.errors import SuppleError


class ImageBatches:
    """Batches of uint8 images, normalised to float32: `(pixel / 255 - mean) / std` per channel.

    The order and the mirroring are a pure function of the seed and the epoch, so that a resumed run sees the same
    batches. Every pass over the same epoch is the same; `set_epoch` chooses the next.
    """

    def __init__(
        self,
        images: Tensor,
        labels: Tensor,
        batch_size: int,
        *,
        shuffle: bool = False,
        seed: int = 0,
        mean: Sequence[float] = (0.0,),
        std: Sequence[float] = (1.0,),
        flip: bool = False,
        drop_last: bool = False,
    ) -> None:
        """Take images (n, channels, height, width), labels int64 (n,), and one mean and std for all or each channel.

        `flip` mirrors every image left to right with probability 1/2; `drop_last` leaves out a last batch that is
        not full. Raises SuppleError where shapes or dtypes do not fit together or no batch would be left.
        """
        _check(images, labels, batch_size, drop_last)
        channels = images.shape[1]
        if len(mean) not in (1, channels) or len(std) not in (1, channels) or min(std) <= 0:
            raise SuppleError(
                f"Images of {channels} channels need 1 or {channels} means and positive standard deviations, "
                f"not {tuple(mean)} and {tuple(std)}"
            )
        self.images = images
        self.labels = labels
        self.batch_size = batch_size
        self.shuffle = shuffle
        self.seed = seed
        self.flip = flip
        self.drop_last = drop_last
        self.epoch = 0
        # (pixel / 255 - mean) / std = pixel * scale + shift
        deviation = torch.tensor(tuple(std), dtype=torch.float64).view(-1, 1, 1)
        self._scale = (1 / (255 * deviation)).float()
        self._shift = (-torch.tensor(tuple(mean), dtype=torch.float64).view(-1, 1, 1) / deviation).float()

    @property
    def images_count(self) -> int:
        """The number of images, those of a dropped last batch included."""
        return self.images.shape[0]

    def set_epoch(self, epoch: int) -> None:
        """Choose the order and the mirroring of the following passes."""
        self.epoch = epoch

    def __len__(self) -> int:
        full, rest = divmod(self.images_count, self.batch_size)
        return full + (rest > 0 and not self.drop_last)

    def __iter__(self) -> Iterator[tuple[Tensor, Tensor]]:
        random = generator(self.seed, "batches", self.epoch)
        count = self.images_count
        order = torch.randperm(count, generator=random) if self.shuffle else torch.arange(count)
        mirrored = torch.rand(count, generator=random) < 0.5 if self.flip else None
        for start in range(0, len(self) * self.batch_size, self.batch_size):
            batch = order[start : start + self.batch_size]
            pixels = self.images[batch]
            if mirrored is not None:
                pixels = torch.where(mirrored[batch].view(-1, 1, 1, 1), pixels.flip(-1), pixels)
            yield self.normalise(pixels), self.labels[batch]

    def normalise(self, images: Tensor) -> Tensor:
        """Turn uint8 images (b, channels, height, width) into the float32 inputs of a model."""
        return images.to(torch.float32).mul_(self._scale).add_(self._shift)


def _check(images: Tensor, labels: Tensor, batch_size: int, drop_last: bool) -> None:
    if images.dtype != torch.uint8 or images.dim() != 4 or images.numel() == 0:
        raise SuppleError(
            "Expected images as uint8 of shape (n, channels, height, width), none of them 0, "
            f"not {images.dtype} of shape {tuple(images.shape)}"
        )
    if labels.dtype != torch.int64 or labels.shape != images.shape[:1]:
        raise SuppleError(
            f"Expected labels as int64 of shape ({images.shape[0]},), one for each image, "
            f"not {labels.dtype} of shape {tuple(labels.shape)}"
        )
    if batch_size < 1:
        raise SuppleError(f"Expected a batch_size of at least 1, not {batch_size}")
    if drop_last and images.shape[0] < batch_size:
        raise SuppleError(
            f"{images.shape[0]} images do not fill one batch of {batch_size}: use a smaller batch_size, "
            "or drop_last=False"
        )
