"""The images of a batch: finding them, and putting others in their place."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from torch import Tensor

from supple.errors import SuppleError
from supple.family.resolution import is_images
from supple.trace import ModelInputs
from supple.training.task import LABELS, inputs_and_labels


@dataclass(frozen=True)
class ImageBatch:
    """A batch whose one input of images is known: (batch, channels, height, width)."""

    images: Tensor
    labels: Any
    _batch: Any
    _key: str | None

    @classmethod
    def of(cls, batch: Any, purpose: str) -> "ImageBatch":
        """Read a batch as tasks take it. Raises `SuppleError`, naming the purpose, where it is not of images."""
        inputs, labels = inputs_and_labels(batch)
        if isinstance(inputs, Tensor) and is_images(inputs):
            return cls(inputs, labels, batch, None)
        if isinstance(inputs, Mapping):
            keys = [key for key, value in inputs.items() if isinstance(value, Tensor) and is_images(value)]
            if len(keys) == 1:
                return cls(inputs[keys[0]], labels, batch, keys[0])
        raise SuppleError(
            f"{purpose} needs one input of images (batch, channels, height, width) of real numbers, but the inputs are "
            f"of shape {ModelInputs.of(inputs).shapes}: leave it out."
        )

    def batch_with(self, images: Tensor, labels: Any) -> Any:
        """Return the batch, in the form that `of` was given, with other images and labels."""
        if self._key is None:
            return images, labels
        if isinstance(self._batch, Mapping):
            return {**self._batch, self._key: images, LABELS: labels}
        return {**self._batch[0], self._key: images}, labels
