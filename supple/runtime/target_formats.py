"""Which number formats a target runs, asked before anything is searched, exported or measured there."""

from collections.abc import Iterable, Mapping

from supple.errors import SuppleError
from supple.family import Family
from supple.family.quantized.formats import Format
from supple.family.quantized.layers import Layer
from supple.family.quantized.quantizers import RoundInput
from supple.runtime.runtimes import BACKENDS
from supple.runtime.target import Target
from supple.space import Config


def check_formats(family: Family, target: Target) -> None:
    """Raise `SuppleError` where a dimension of precision offers a format that a target cannot run, or rounds otherwise.

    A family without such dimensions runs on all targets. The message names the dimension, the layer, the format and
    those that the target runs.
    """
    if family.quantization is None:
        return
    for name, choice in family.quantization.choices.items():
        for layer in choice.layers:
            for offered in choice.formats.values():
                _check(layer, offered, target, f'"{name}" offers {offered} to layer "{layer.path}"')
    if wish := BACKENDS[target.runtime].rounding_wish(family.quantization):
        raise SuppleError(f'Target "{target}" cannot round as the family does: {wish}')


def check_member_formats(family: Family, config: Config, target: Target) -> None:
    """Raise `SuppleError` where a member has a layer in a format that a target cannot run, naming both."""
    if family.quantization is not None:
        _check_all(family.quantization.formats(config), target)


def check_precisions(precisions: Mapping[str, RoundInput], target: Target) -> None:
    """Raise `SuppleError` where a member that was taken out has a layer in a format that a target cannot run.

    `precisions`: by module path, as `precisions_of` returns them.
    """
    _check_all(((entry.layer, entry.format) for entry in precisions.values()), target)


def _check_all(formats: Iterable[tuple[Layer, Format]], target: Target) -> None:
    for layer, given in formats:
        _check(layer, given, target, f'Layer "{layer.path}" is {given}')


def _check(layer: Layer, given: Format, target: Target, what: str) -> None:
    runs = BACKENDS[target.runtime].formats(target.device, layer.kind)
    if given not in runs:
        listed = ", ".join(entry for entry in Format if entry in runs)
        raise SuppleError(
            f'{what}, which target "{target.place}" cannot run: a {layer.kind} can be {listed} there. Give the layer '
            "other formats (QuantizationConfig: formats), or take another target."
        )
