"""Figures of a family's members that formulas give, so that a search knows them of any member for nothing."""

from collections.abc import Callable

from supple.cost.analytic import AnalyticCosts, Costs
from supple.errors import SuppleError
from supple.family import Family, LayerMacs
from supple.progress import Progress
from supple.searching.problem import Floats, KnownFigure, Values, as_known

COUNTED = ("parameters", "macs", "weights_bytes", "traffic_bytes", "peak_memory_bytes")
"""Their names; the peak is that of the activations."""

ALWAYS = ("parameters", "macs")
"""Those that every evaluation of a family's member holds; where members differ in precision, the bytes of their weights
too."""


def counted_figures(family: Family, names: set[str], progress: Progress) -> dict[str, KnownFigure]:
    """Return the figures of these names, and those that every evaluation holds.

    A family whose members follow no formula, or whose example inputs could not be written down, has parameters and
    multiply-accumulates counted one member at a time; where even that cannot be, there are parameters alone. Raises
    `SuppleError` where a name is wanted that cannot be had.
    """
    always = ALWAYS if family.quantization is None else (*ALWAYS, "weights_bytes")
    wanted = [name for name in COUNTED if name in names or name in always]
    try:
        costs = AnalyticCosts(family)
        return {name: _formula(_method(costs, name)) for name in wanted}
    except SuppleError as error:
        reason = error
    found = {"parameters": as_known(family.space, family.count_parameters)}
    if family.structure.inputs is not None:
        found["macs"] = as_known(family.space, LayerMacs(family))
    if missing := [name for name in wanted if name in names and name not in found]:
        raise SuppleError(f"The figure {missing[0]} of this family's members cannot be counted: {reason}") from reason
    progress.say(f"Members are counted one at a time: {reason}")
    return found


def _method(costs: AnalyticCosts, name: str) -> Callable[[Values], Costs]:
    return costs.peak_activation_bytes if name == "peak_memory_bytes" else getattr(costs, name)


def _formula(method: Callable[[Values], Costs]) -> KnownFigure:
    def known(values: Values) -> Floats:
        return method(values).astype(float)

    return known
