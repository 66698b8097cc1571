"""Inputs as a target asks for them: so many samples in a batch, and images of another height."""

from functools import partial

import torch

from supple.errors import SuppleError
from supple.family import Family
from supple.family.resolution import RESOLUTION, is_images
from supple.runtime.target import Target
from supple.trace import Inputs, ModelInputs


def inputs_for_target(family: Family, example_inputs: Inputs, target: Target) -> ModelInputs:
    """Return example inputs with the target's batch size and, where it states one, its resolution.

    Images keep their proportions. Raises `SuppleError` for a resolution where the inputs are no images of one height,
    or where the family's members have resolutions of their own.
    """
    inputs = inputs_at_resolution(family, example_inputs, target)
    return inputs.map(partial(with_samples, target.batch))


def inputs_at_resolution(family: Family, example_inputs: Inputs, target: Target) -> ModelInputs:
    """Return example inputs at the target's resolution, whatever their batch size; raises as `inputs_for_target`."""
    inputs = ModelInputs.of(example_inputs)
    if target.resolution is None:
        return inputs
    if RESOLUTION in family.space:
        own = ", ".join(map(str, family.space[RESOLUTION].values))
        raise SuppleError(
            f'Target "{target}": the members of this family have resolutions of their own ({own}). Leave it out there.'
        )
    heights = {tensor.shape[2] for tensor in inputs.tensors if is_images(tensor)}
    if len(heights) != 1:
        raise SuppleError(
            f'Target "{target}": a resolution is for images (batch, channels, height, width) of one height; the inputs '
            f"are of shape {inputs.shapes}."
        )
    return inputs.map(partial(_with_height, target.resolution))


def _with_height(height: int, tensor: torch.Tensor) -> torch.Tensor:
    if not is_images(tensor):
        return tensor
    size = (height, max(1, round(tensor.shape[3] * height / tensor.shape[2])))
    return torch.nn.functional.interpolate(tensor, size, mode="bilinear", antialias=True, align_corners=False)


def with_samples(batch: int, tensor: torch.Tensor) -> torch.Tensor:
    """Return so many samples of a tensor, each as often as that takes."""
    return tensor[torch.arange(batch) % len(tensor)]
