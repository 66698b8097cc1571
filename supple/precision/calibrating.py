"""Calibrate one shape of a family for all its precisions, unless that has been done."""

from collections.abc import Sequence

from supple.family import Family
from supple.precision.choices import quantization_of, single_choices
from supple.space import Config
from supple.trace import Inputs, ModelInputs


def calibrate_shape(family: Family, shape: Config, inputs: Sequence[Inputs]) -> None:
    """Find the activation ranges and the batch-norm statistics of a shape that the family does not know yet.

    What an earlier `family.calibrate` found is kept: it may have seen more data. Raises `SuppleError` as that does.
    """
    quantization = quantization_of(family)
    configs = (choice.config for choice in single_choices(family, shape))
    needing = next((config for config in configs if quantization.needs_ranges(config)), None)
    lacks_ranges = needing is not None and shape not in family.ranges
    if lacks_ranges or (shape != family.space.max() and shape not in family.statistics):
        device = next(family.parameters()).device
        moved = [ModelInputs.of(batch).map(lambda tensor: tensor.to(device)) for batch in inputs]
        family.calibrate(shape if needing is None else needing, moved)
