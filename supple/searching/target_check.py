"""Whether a family runs on a target at all: asked before hours of training, answered with what avoids the obstacle."""

from supple.cost import Effort, MeasurementFailed, ProgramRefused, open_device
from supple.errors import SuppleError
from supple.family import Family
from supple.runtime import BACKENDS, Target
from supple.runtime.backend import OneByOne
from supple.runtime.lacking import find_lack
from supple.runtime.target_inputs import inputs_for_target
from supple.trace import Inputs

_ONE_LOOK = Effort(min_rounds=1, max_seconds=0.0)


def check_target(family: Family, example_inputs: Inputs, target: Target) -> None:
    """Export the full network and run it on a target.

    Raises `SuppleError` where the target cannot be used or reached, and where it cannot run the network: on this
    machine with what is missing and the choices of the space that avoid it.
    """
    inputs = inputs_for_target(family, example_inputs, target)
    try:
        with open_device(target) as device:
            program = OneByOne(BACKENDS[target.runtime], family, inputs).emit(family.space.max())
            device.measure(None, [program], _ONE_LOOK)
    except SuppleError as error:
        is_the_device = isinstance(error, MeasurementFailed) and not isinstance(error, ProgramRefused)
        lack = None if is_the_device or target.worker is not None else find_lack(family, example_inputs, target)
        if lack is None:
            raise
        raise SuppleError(f'Target "{target}": {lack}') from error
