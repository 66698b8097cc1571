"""Elastic input resolution: a member may take smaller images than the user's own model.

Source: Cai et al., Once-for-All: Train One Network and Specialize it for Efficient Deployment, 2020.
"""

from collections.abc import Sequence
from dataclasses import replace

import torch
from torch.nn import functional

from supple.errors import SuppleError
from supple.space import Dimension, Kind, Space
from supple.trace import ModelInputs, Structure

RESOLUTION = f"input.{Kind.RESOLUTION.value}"


def with_resolutions(structure: Structure, inputs: ModelInputs, resolutions: Sequence[int]) -> Structure:
    """Return the structure with a dimension of the heights that images may have; the example's own is among them.

    Raises `SuppleError` where no input is a batch of images, or a resolution is not from 1 to that of the example.
    """
    if not resolutions:
        return structure
    heights = {tensor.shape[2] for tensor in inputs.tensors if is_images(tensor)}
    if len(heights) != 1:
        raise SuppleError(
            "Resolutions can be given where inputs are images (batch, channels, height, width) of one height; "
            f"these are of shape {inputs.shapes}."
        )
    full = heights.pop()
    if not all(isinstance(size, int) and 1 <= size <= full for size in resolutions):
        raise SuppleError(
            f"The resolutions {', '.join(map(str, resolutions))} must be whole numbers from 1 to {full}, the height of "
            "the example inputs: give examples of the largest resolution."
        )
    dimension = Dimension(RESOLUTION, Kind.RESOLUTION, tuple(sorted({*resolutions, full})))
    return replace(structure, space=Space([*structure.space.dimensions, dimension]))


def is_images(tensor: torch.Tensor) -> bool:
    """Say whether a tensor is a batch of images: (batch, channels, height, width), of real numbers."""
    return tensor.ndim == 4 and tensor.is_floating_point()


def resized(images: torch.Tensor, share: float) -> torch.Tensor:
    """Return images whose height and width are `share` of what they were, smoothed before they are sampled."""
    size = [round(share * side) for side in images.shape[2:]]
    return functional.interpolate(images, size, mode="bilinear", antialias=True, align_corners=False)
