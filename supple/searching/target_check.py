"""Whether a family runs on a target at all: asked before hours of training, answered with what avoids the obstacle."""

import torch

from supple.cost import Effort, MeasurementFailed, ProgramRefused, open_device
from supple.errors import SuppleError
from supple.family import Family
from supple.runtime import BACKENDS, Target, check_formats
from supple.runtime.backend import OneByOne
from supple.runtime.lacking import find_lack
from supple.runtime.target_inputs import inputs_for_target
from supple.trace import Inputs, ModelInputs

_ONE_LOOK = Effort(min_rounds=1, max_seconds=0.0)


def check_target(family: Family, example_inputs: Inputs, target: Target) -> None:
    """Export the full network and run it on a target.

    Raises `SuppleError` where the target cannot be used or reached, or measures at another resolution than the data's,
    where it cannot run a format that a dimension of precision offers, and where it cannot run the network: on this
    machine with what is missing and the choices that avoid it.
    """
    check_formats(family, target)
    check_resolution(target, ModelInputs.of(example_inputs).tensors[0])
    inputs = inputs_for_target(family, example_inputs, target)
    try:
        with open_device(target) as device:
            program = OneByOne(BACKENDS[target.runtime], family, inputs, target).emit(family.space.max())
            device.measure(None, [program], _ONE_LOOK)
    except SuppleError as error:
        is_the_device = isinstance(error, MeasurementFailed) and not isinstance(error, ProgramRefused)
        lack = None if is_the_device or target.worker is not None else find_lack(family, example_inputs, target)
        if lack is None:
            raise
        raise SuppleError(f'Target "{target}": {lack}') from error


def check_resolution(target: Target, images: torch.Tensor) -> None:
    """Raise `SuppleError` where latency would be that of images of another height than accuracy."""
    if target.resolution is not None and (images.ndim != 4 or images.shape[2] != target.resolution):
        raise SuppleError(
            f'Target "{target}" measures latency at a height of {target.resolution} pixels, but accuracy is that of '
            f"data of shape {list(images.shape[1:])}: leave the resolution out, give the data that size, or make "
            "resolutions elastic (convert: resolutions)."
        )
