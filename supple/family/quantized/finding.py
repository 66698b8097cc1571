"""The layers whose precision can be chosen, found by watching the full network run once.

Where a convolution's result goes to a batch norm alone, the two become one layer in a runtime, and so does an
activation function after it that only cuts off what lies outside a range (ReLU, ReLU6): the result of all of them is
what a runtime rounds.
"""

from collections import defaultdict
from dataclasses import dataclass

from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm

from supple.family.activation import parameter_places
from supple.family.flow import Flow, Step, flow_of
from supple.family.quantized.layers import Layer, LayerKind
from supple.trace import ModelInputs


@dataclass(frozen=True)
class LeftAlone:
    """A layer whose precision cannot be chosen, and why."""

    path: str
    reason: str


def find_layers(model: nn.Module, inputs: ModelInputs) -> tuple[list[Layer], list[LeftAlone]]:
    """Return the convolutions and linear layers of a module tree, in their order, and those that stay as they are.

    The model runs once on the inputs, in eval mode. Raises `SuppleError` where it does not.
    """
    kinds = {path: kind for path, module in model.named_modules() if (kind := _kind(module)) is not None}
    flow = flow_of(model, inputs)
    behind = _Behind(model, flow)
    users: defaultdict[int, set[str]] = defaultdict(set)
    for place in parameter_places(model):
        users[id(place.tensor)].add(place.key.rpartition(".")[0])
    found: list[Layer] = []
    left: list[LeftAlone] = []
    for path, kind in kinds.items():
        module = model.get_submodule(path)
        if reason := _obstacle(module, path, path in behind.given, path in flow.takes_names, users):
            left.append(LeftAlone(path, reason))
            continue
        output = behind.norm_after(path) or path
        found.append(Layer(path, kind, output, *behind.cut_off(output)))
    return found, left


def _kind(module: nn.Module) -> LayerKind | None:
    if isinstance(module, nn.Linear):
        return LayerKind.LINEAR
    if isinstance(module, nn.Conv1d | nn.Conv2d | nn.Conv3d):
        is_depthwise = module.groups == module.in_channels and module.groups > 1
        return LayerKind.DEPTHWISE if is_depthwise else LayerKind.CONVOLUTION
    return None


def _obstacle(
    module: nn.Module, path: str, is_called: bool, takes_names: bool, users: dict[int, set[str]]
) -> str | None:
    weight = module._parameters.get("weight")
    if weight is None:
        return "its weight is computed from other parameters"
    if others := users[id(weight)] - {path}:
        return f'its weight is also that of "{min(others)}"'
    if not is_called:
        return "the model reads its weight without calling it"
    if takes_names:
        return "the model calls it with named inputs"
    return None


Cut = tuple[float | None, float | None]
_NO_CUT: Cut = (None, None)


def _cut_by(step: Step) -> Cut:
    """Return where an operator cuts off what it takes first, if that is all that it does."""
    if step.is_module or step.name not in ("relu", "hardtanh", "clamp"):
        return _NO_CUT
    if step.name == "relu":
        return 0.0, None
    bounds = [bound if isinstance(bound, int | float) else None for bound in step.arguments[1:3]]
    low, high = [*bounds, None, None][:2] if step.name == "clamp" else (bounds or [-1.0, 1.0])
    # A range without 0 in it would move what is padded with 0.
    return (low, high) if (low is None or low <= 0) and (high is None or high >= 0) else _NO_CUT


class _Behind:
    """What lies behind the modules of a network that ran once."""

    def __init__(self, model: nn.Module, flow: Flow) -> None:
        self._readers = flow.readers()
        self._norms = {path for path, module in model.named_modules() if isinstance(module, _BatchNorm)}
        self._taken: defaultdict[str, set[int]] = defaultdict(set)
        self.given: defaultdict[str, set[int]] = defaultdict(set)
        for step in flow.steps:
            if step.is_module:
                self._taken[step.name].update(step.reads)
                self.given[step.name].update(step.makes)

    def norm_after(self, path: str) -> str | None:
        """Return the path of the batch norm that alone reads what a module gives, whenever it runs."""
        readers = [self._readers.get(value, []) for value in self.given[path]]
        norms = {step.name for found in readers for step in found if step.is_module} & self._norms
        if len(norms) != 1 or any(len(found) != 1 or found[0].name not in norms for found in readers):
            return None
        norm = norms.pop()
        return norm if self._taken[norm] == self.given[path] else None

    def cut_off(self, path: str) -> Cut:
        """Return where all who read what a module gives see it cut off."""
        cuts: set[Cut] = set()
        for value in self.given[path]:
            cuts |= {_cut_by(step) for step in self._readers.get(value, [])} or {_NO_CUT}
        return cuts.pop() if len(cuts) == 1 else _NO_CUT
