"""Output distortion: how far a member's outputs are from those in full precision, as a mean squared error."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, ClassVar

import torch
from torch.utils._pytree import tree_leaves

from supple.errors import SuppleError
from supple.family import Family
from supple.precision.finite import non_finite
from supple.space import Config
from supple.trace import Inputs, ModelInputs
from supple.training.diagnosis import run_or_tell
from supple.training.divergences import Divergence
from supple.training.evaluating_together import evaluate_together
from supple.training.placement import in_fast_order
from supple.training.task import Score, Task


def output_distortions(
    family: Family, shape: Config, configs: Sequence[Config], batches: Sequence[Inputs]
) -> tuple[list[float], float]:
    """Return the mean squared error of the outputs of each config, and the mean square of those of the shape.

    Both are means over all numbers that the model returns in floating point. The outputs of the shape are computed
    once; what several configs compute alike, such as the layers before the first that differs, is computed once too.
    Raises `SuppleError` where the model cannot take a batch, returns no such numbers, or some that are not finite.
    """
    family.eval()
    device = next(family.parameters()).device
    pairs: list[tuple[tuple[Any, ...], list[torch.Tensor]]] = []
    square, count = 0.0, 0
    with in_fast_order(family.model), torch.inference_mode(), family.activate(shape) as member:
        for batch in batches:
            inputs = ModelInputs.of(batch).map(lambda tensor: tensor.to(device))
            outputs = _numbers(run_or_tell(member, inputs.map(partial(family.resize, shape))))
            if not outputs:
                raise SuppleError(
                    f"{type(family.model).__name__} returns no tensor of floating-point numbers, whose distortion "
                    "could be measured."
                )
            square += sum(float(output.double().square().sum()) for output in outputs)
            count += sum(output.numel() for output in outputs)
            pairs.append(((inputs.args, dict(inputs.kwargs)), outputs))
    signal = square / count
    if not signal < float("inf"):
        raise non_finite(family, shape, batches)
    return evaluate_together(family, configs, pairs, _SquaredError()), signal


@dataclass(frozen=True)
class _SquaredError(Task):
    """Batches are ((args, kwargs), outputs in full precision); the metric is the mean squared error."""

    metric: ClassVar[str] = "mean squared error"
    higher_is_better: ClassVar[bool] = False

    def inputs(self, batch: Any) -> Inputs:
        """Return the inputs."""
        args, kwargs = batch[0]
        return ModelInputs(tuple(args), kwargs)

    def check(self, outputs: Any, batch: Any) -> None:
        """Pass: the outputs are of the same model as those that they are compared with."""

    def loss(self, outputs: Any, batch: Any) -> torch.Tensor:
        """Return the mean squared error."""
        score = self.score(outputs, batch)
        return score.total / score.count

    def score(self, outputs: Any, batch: Any) -> Score:
        """Add the squared errors up."""
        pairs = list(zip(_numbers(outputs), batch[1], strict=True))
        errors = [(output.double() - reference.double()).square().sum() for output, reference in pairs]
        total = torch.stack(errors).sum()
        return Score(total, torch.tensor(sum(output.numel() for output, _ in pairs), device=total.device))

    def divergence(self, outputs: Any, teacher_outputs: Any, batch: Any, divergence: Divergence) -> torch.Tensor:
        """Return the mean squared error between two outputs."""
        return self.loss(outputs, (batch[0], _numbers(teacher_outputs)))


def _numbers(outputs: Any) -> list[torch.Tensor]:
    return [leaf for leaf in tree_leaves(outputs) if isinstance(leaf, torch.Tensor) and leaf.is_floating_point()]
