"""Smaller images for the early stages of progressive learning, made on the device."""

from typing import Any

from torch import Tensor, nn
from torch.nn import functional

from supple.errors import SuppleError, class_and_first_line
from supple.trace import ModelInputs
from supple.trace.modes import evaluating
from supple.training.images import ImageBatch
from supple.training.progressive_learning import ProgressiveLearningConfig, all_stages
from supple.training.task import inputs_and_labels

_PURPOSE = "Progressive learning"


def scaled(batch: Any, scale: float, divisor: int = 1) -> Any:
    """Return a batch, `(images, labels)` or a mapping, with images of `scale` times their height and width.

    Both are rounded to a multiple of `divisor`, and smoothed before they are sampled. A batch that keeps its size is
    returned as it is. Raises `SuppleError` where the batch is not of images, or labels belong to their pixels.
    """
    taken = ImageBatch.of(batch, _PURPOSE)
    if isinstance(taken.labels, Tensor) and taken.labels.dim() > 2:
        raise SuppleError(f"{_PURPOSE} resizes images, not the labels of their pixels: leave it out.")
    images = _resized(taken.images, scale, divisor)
    return batch if images is taken.images else taken.batch_with(images, taken.labels)


def check_sizes(model: nn.Module, batch: Any, config: ProgressiveLearningConfig) -> None:
    """Run a model, in eval mode, on a batch at the sizes of all stages.

    Raises `SuppleError` where it does not take a size, as vision transformers of a fixed number of positions do not.
    """
    for stage in all_stages(config):
        smaller = scaled(batch, stage.scale, config.divisor)
        try:
            with evaluating(model):
                ModelInputs.of(inputs_and_labels(smaller)[0]).run(model)
        except Exception as error:  # whatever the user's forward raises
            height, width = ImageBatch.of(smaller, _PURPOSE).images.shape[2:]
            raise SuppleError(
                f"{_PURPOSE} resizes images to {height} x {width}, which the model cannot take "
                f"({class_and_first_line(error)}): set its divisor to the model's patch or stride, or leave it out."
            ) from error


def _resized(images: Tensor, scale: float, divisor: int) -> Tensor:
    size = [min(side, max(divisor, round(scale * side / divisor) * divisor)) for side in images.shape[2:]]
    if scale == 1 or size == list(images.shape[2:]):
        return images
    # Half-precision images are resized in float32, which every device can.
    resized = functional.interpolate(images.float(), size, mode="bilinear", antialias=True, align_corners=False)
    return resized.to(images.dtype)
