"""Mixup and cutmix: a batch whose every image is mixed with another one of it.

Sources: Zhang et al., mixup: Beyond Empirical Risk Minimization, 2018; Yun et al., CutMix, 2019. A batch shares one
share and one rectangle, and switches between the two with a probability, as in timm.
"""

import math
import random
from typing import Any

import torch
from torch import Tensor

from supple.data.seeds import generator
from supple.errors import SuppleError
from supple.training.augmentation import AugmentationConfig
from supple.training.classification import MixedLabels
from supple.training.images import ImageBatch


def generator_of_step(seed: int, step: int, rank: int = 0) -> torch.Generator:
    """Return a fresh generator on the CPU for what a process draws at a step: nothing to remember over a resume."""
    return generator(seed, "mixing", step, rank)


def mixed(batch: Any, config: AugmentationConfig, generator: torch.Generator, strength: float = 1.0) -> Any:
    """Return a batch, `(images, labels)` or a mapping, with images mixed in pairs and `MixedLabels`.

    It is a pure function of its arguments; a batch that is not mixed is returned as it is. `strength` (0 to 1) scales
    both alphas, as progressive learning does: shares come closer to 0 and 1. Raises `SuppleError` where the batch is
    not of images with one class each.
    """
    rng = random.Random(int(torch.randint(2**62, (), generator=generator)))
    if not config.mixes or rng.random() >= config.probability:
        return batch
    cuts = config.cutmix_alpha > 0 and (config.mixup_alpha == 0 or rng.random() < config.cutmix_probability)
    alpha = strength * (config.cutmix_alpha if cuts else config.mixup_alpha)
    if alpha == 0:
        return batch
    taken = ImageBatch.of(batch, "Mixup or cutmix")
    images, labels = taken.images, _classes(taken.labels)
    share = rng.betavariate(alpha, alpha)
    partner = torch.randperm(len(images), generator=generator)
    there = partner.to(images.device)
    if cuts:
        height, width = images.shape[2:]
        rows, columns = _rectangle(height, width, 1 - share, rng)
        images = images.clone()
        images[:, :, rows, columns] = taken.images[there][:, :, rows, columns]
        # The rectangle may be cut off at the border: the labels follow what is left of it.
        share = 1 - (rows.stop - rows.start) * (columns.stop - columns.start) / (height * width)
    else:
        images = images.lerp(images[there], 1 - share)
    mixed_labels = MixedLabels(labels, labels[partner.to(labels.device)], torch.tensor(share, device=labels.device))
    return taken.batch_with(images, mixed_labels)


def _classes(labels: Any) -> Tensor:
    if isinstance(labels, Tensor) and labels.dim() == 1 and not labels.is_floating_point():
        return labels
    form = f"of {labels.dtype} {list(labels.shape)}" if isinstance(labels, Tensor) else type(labels).__name__
    raise SuppleError(f"Mixup and cutmix need one class for each image, not labels {form}: leave them out.")


def _rectangle(height: int, width: int, area: float, rng: random.Random) -> tuple[slice, slice]:
    """Return the rows and columns of a rectangle of a share of the image's area, around a point anywhere in it."""
    side = math.sqrt(area)
    return _interval(height, side, rng), _interval(width, side, rng)


def _interval(length: int, share: float, rng: random.Random) -> slice:
    centre, half = rng.randrange(length), int(length * share) // 2
    return slice(max(0, centre - half), min(length, centre + half))
