"""AdaRound: whether each weight goes up or down on its grid is learned, layer by layer.

Source: Nagel et al., Up or Down? Adaptive Rounding for Post-Training Quantization, 2020. A layer is to give what it
gives in full precision (with the batch norm and the cut behind it) while it takes what the layers before it, rounded
already, give: equation 25. Its weights stay on the grid that they lie on.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import NamedTuple

import torch
from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm

from supple.errors import SuppleError
from supple.family.quantized.layers import Layer, LayerKind
from supple.family.quantized.quantizers import RoundInput
from supple.family.quantized.rounding import AnyGrid, BlockGrid, ChannelGrid, Grid
from supple.precision.rounding.config import RoundingConfig
from supple.precision.rounding.rows import RowForm
from supple.precision.rounding.watching import run_watched
from supple.trace import ModelInputs

# The paper's: how far the sigmoid is stretched so that 0 and 1 are reached, and how the penalty's exponent falls.
_LOWEST, _HIGHEST = -0.1, 1.1
_FIRST_EXPONENT, _LAST_EXPONENT = 20.0, 2.0
_SHARE_WITHOUT_PENALTY = 0.2
# Of the penalty next to the layer's error, which is counted in that of rounding to the nearest.
_PENALTY = 1.0


def learn_roundings(
    member: nn.Module,
    reference: nn.Module,
    precisions: Mapping[str, RoundInput],
    inputs: ModelInputs,
    config: RoundingConfig,
) -> None:
    """Round the weights of a member's layers anew, in place; layers on grids of floating point stay.

    Raises `SuppleError` where no layer lies on a grid of whole numbers.
    """
    chosen = {path: entry for path, entry in precisions.items() if not _is_floating(entry.weight)}
    if not chosen:
        raise SuppleError("No layer of this member has weights of whole numbers: AdaRound has nothing to round.")
    draw = torch.Generator().manual_seed(config.seed)
    targets: dict[str, _Target] = {}

    def note(path: str, output: torch.Tensor) -> None:
        rows = RowForm.of(member.get_submodule(path)).given(output)
        positions = torch.randperm(len(rows), generator=draw)[: config.rows].to(rows.device)
        targets[path] = _Target(positions, rows[positions])

    def learn(path: str, x: torch.Tensor) -> None:
        module = member.get_submodule(path)
        problem = _LayerProblem.of(member, chosen[path], reference.get_submodule(path), x, targets.pop(path))
        module._parameters["weight"].copy_(problem.solve(config, draw))  # type: ignore[union-attr]

    run_watched(
        reference, inputs, given={_given_by(member, entry.layer): partial(note, path) for path, entry in chosen.items()}
    )
    # A layer is learned as it is about to run, so those behind it see it as learned.
    run_watched(member, inputs, taken={path: partial(learn, path) for path in targets})


def _is_floating(grid: AnyGrid) -> bool:
    return not isinstance(grid, Grid | ChannelGrid | BlockGrid)


def _given_by(member: nn.Module, layer: Layer) -> str:
    """Return the path of the module that gives what is reconstructed: the batch norm, or the layer itself."""
    norm = member.get_submodule(layer.output)
    # Behind a linear layer its channels may lie on another axis; without statistics it is no factor and sum.
    is_affine = isinstance(norm, _BatchNorm) and norm.running_mean is not None
    return layer.output if is_affine and layer.kind is not LayerKind.LINEAR else layer.path


class _Target(NamedTuple):
    """What a layer gives in full precision, (rows, out), at positions of its output, (rows)."""

    positions: torch.Tensor
    rows: torch.Tensor


@dataclass(frozen=True)
class _LayerProblem:
    """One layer's roundings: `taken` (groups, rows, features) times weights is to come near `target` (rows, out).

    `scale`, `floor` and `rest` are those of the weight, in row form: weight = (floor + rest) * scale. `factor` and
    `shift` (out) are those of the norm and of the bias behind the product, `least` and `most` cut off both.
    """

    form: RowForm
    grid: AnyGrid
    shape: torch.Size
    scale: torch.Tensor
    floor: torch.Tensor
    rest: torch.Tensor
    low: int
    high: int
    factor: torch.Tensor
    shift: torch.Tensor
    least: float | None
    most: float | None
    taken: torch.Tensor
    target: torch.Tensor

    @classmethod
    def of(
        cls, member: nn.Module, precision: RoundInput, reference: nn.Module, x: torch.Tensor, target: _Target
    ) -> "_LayerProblem":
        """Pose the problem of a layer that takes x, and whose weight is that of `reference` in full precision."""
        layer = precision.layer
        form = RowForm.of(member.get_submodule(layer.path))
        weight: torch.Tensor = reference.weight.detach()  # type: ignore[operator]
        scale, low, high = _steps(precision.weight, weight)
        ratio = form.weight(weight / scale)
        factor, shift = _behind(member, layer)
        # What is cut off is what the norm gives.
        is_at_end = _given_by(member, layer) == layer.output
        least, most = (layer.least, layer.most) if is_at_end else (None, None)
        rows = target.rows if least is None and most is None else target.rows.clamp(least, most)
        return cls(
            form=form,
            grid=precision.weight,
            shape=weight.shape,
            scale=form.weight(scale.expand_as(weight).contiguous()),
            floor=ratio.floor(),
            rest=ratio - ratio.floor(),
            low=low,
            high=high,
            factor=factor,
            shift=shift,
            least=least,
            most=most,
            taken=form.taken(x, target.positions),
            target=rows,
        )

    def solve(self, config: RoundingConfig, draw: torch.Generator) -> torch.Tensor:
        """Return the weight on its grid: as learned, or rounded to the nearest where that is better on these rows."""
        nearest, learned = self.rest.round(), self._learn(config, draw)
        best = learned if self._error(learned) < self._error(nearest) else nearest
        # Through the grid, so that the numbers are exactly those that it holds.
        return self.grid.rounded((self._rounded(best) * self.scale).view(self.shape))

    def _learn(self, config: RoundingConfig, draw: torch.Generator) -> torch.Tensor:
        # h(v) = clip(sigmoid(v) * (highest - lowest) + lowest, 0, 1) is how far up a weight goes; it starts at `rest`.
        share = (self.rest - _LOWEST) / (_HIGHEST - _LOWEST)
        v = torch.log(share / (1 - share)).requires_grad_()
        optimizer = torch.optim.Adam([v], config.learning_rate)
        unit = self._error(self.rest.round()).clamp_min(torch.finfo(self.target.dtype).tiny)
        start = int(_SHARE_WITHOUT_PENALTY * config.steps)
        with torch.enable_grad():
            for step in range(config.steps):
                rows = torch.randint(len(self.target), (config.step_rows,), generator=draw).to(self.target.device)
                up = (torch.sigmoid(v) * (_HIGHEST - _LOWEST) + _LOWEST).clamp(0, 1)
                loss = self._error(up, rows) / unit
                if step >= start:
                    passed = (step - start) / max(1, config.steps - start)
                    exponent = _LAST_EXPONENT + (_FIRST_EXPONENT - _LAST_EXPONENT) * (1 - passed)
                    # 1 - |2 h - 1|^exponent is 0 where a weight is up or down, and 1 in the middle.
                    loss = loss + _PENALTY * (1 - (2 * up - 1).abs().pow(exponent)).mean()
                optimizer.zero_grad()
                torch.autograd.backward(loss)
                optimizer.step()
        return (v.detach() >= 0).to(self.rest.dtype)

    def _rounded(self, up: torch.Tensor) -> torch.Tensor:
        return (self.floor + up).clamp(self.low, self.high)

    def _error(self, up: torch.Tensor, rows: torch.Tensor | None = None) -> torch.Tensor:
        """Return the mean squared error of the output, over some rows or all."""
        taken = self.taken if rows is None else self.taken[:, rows]
        target = self.target if rows is None else self.target[rows]
        given = self.form.product(self._rounded(up) * self.scale, taken) * self.factor + self.shift
        if self.least is not None or self.most is not None:
            given = given.clamp(self.least, self.most)
        return (given - target).square().mean()


def _steps(grid: AnyGrid, weight: torch.Tensor) -> tuple[torch.Tensor, int, int]:
    """Return the scale of each weight, in a shape that broadcasts, and the fewest and most steps from 0."""
    if isinstance(grid, ChannelGrid):
        return grid.along(weight), -grid.high, grid.high
    if isinstance(grid, BlockGrid):
        return grid.along(weight), grid.low, grid.high
    assert isinstance(grid, Grid)
    return torch.tensor(grid.scale, dtype=weight.dtype), grid.low - grid.zero_point, grid.high - grid.zero_point


def _behind(member: nn.Module, layer: Layer) -> tuple[torch.Tensor, torch.Tensor]:
    """Return what each output channel of the product is multiplied by and what is added: (out) each."""
    module = member.get_submodule(layer.path)
    weight: torch.Tensor = module.weight  # type: ignore[assignment]
    factor, shift = weight.new_ones(len(weight)), weight.new_zeros(len(weight))
    if isinstance(module.bias, torch.Tensor):
        shift = module.bias.detach()
    norm = member.get_submodule(_given_by(member, layer))
    if isinstance(norm, _BatchNorm):
        # y = (x - mean) * gamma / sqrt(variance + epsilon) + beta
        assert norm.running_mean is not None
        assert norm.running_var is not None
        factor = torch.rsqrt(norm.running_var + norm.eps)
        factor = factor if norm.weight is None else factor * norm.weight.detach()
        shift = (shift - norm.running_mean) * factor
        shift = shift if norm.bias is None else shift + norm.bias.detach()
    return factor, shift
