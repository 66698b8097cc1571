"""Which layer is to blame where a member's figures are not finite."""

from collections.abc import Iterable

from supple.errors import SuppleError
from supple.family import Family
from supple.family.quantized.ranges import measured_ranges
from supple.precision.choices import quantization_of
from supple.space import Config
from supple.trace import Inputs, ModelInputs
from supple.trace.modes import evaluating


def non_finite(family: Family, shape: Config, batches: Iterable[Inputs]) -> SuppleError:
    """Return the error to raise where a shape's figures on these inputs are not finite: it names the first layer."""
    quantization = quantization_of(family)
    device = next(family.parameters()).device
    inputs = [ModelInputs.of(batch).map(lambda tensor: family.resize(shape, tensor.to(device))) for batch in batches]
    try:
        with evaluating(family.model), family.activate(shape) as member:
            measured_ranges(member, quantization.layers, inputs, quantization.config)
    except SuppleError as error:
        return error
    return SuppleError(
        f"What {type(family.model).__name__} makes of the data is not finite in full precision, though its layers give "
        "finite numbers: look at what it computes behind them, and at the labels."
    )
