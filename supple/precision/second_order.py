"""The harm of rounding weights, as the loss's second derivatives tell it."""

import math
from collections.abc import Sequence
from functools import partial
from typing import Any

import torch
from lightning_fabric.utilities import move_data_to_device

from supple.family import Family
from supple.precision.choices import SingleChoice, rounded_weights
from supple.precision.finite import non_finite
from supple.precision.hessian import LossHessian
from supple.precision.sensitivity import PairHarms
from supple.space import Config
from supple.trace import ModelInputs
from supple.training.diagnosis import run_or_tell
from supple.training.task import Task


class SecondOrder:
    """The loss of a shape near its weights, for the harm of choices: gradients are taken to be 0, as after training."""

    def __init__(
        self, family: Family, shape: Config, choices: Sequence[SingleChoice], batches: Sequence[Any], task: Task
    ) -> None:
        self._family = family
        self._shape = shape
        self._choices = choices
        self._batches = batches
        self._task = task
        self._member = family.extract(shape).eval()
        paths = dict.fromkeys(layer.path for choice in choices for layer in choice.layers)
        terms = [task.terms(batch) for batch in batches]
        losses = [(partial(self._loss, batch), count / sum(terms)) for batch, count in zip(batches, terms, strict=True)]
        self._hessian = LossHessian(self._member, list(paths), losses)

    def trace_scores(self, probes: int, seed: int) -> tuple[list[float], float]:
        """Return for each choice the expected increase of the loss by noise as strong as its rounding, and the loss.

        Noise e without a direction raises the loss by 1/2 E[e^T H e] = 1/2 tr(H)/n |e|^2 in a layer of n weights.
        """
        traces, loss = self._hessian.traces(probes, seed)
        self._check_finite([loss, *traces.values()])
        scores = []
        for choice in self._choices:
            score = 0.0
            for layer, weight, rounded, _ in rounded_weights(self._family, self._member, choice):
                squared = float((rounded - weight).square().sum(dtype=torch.float64))
                score += traces[layer.path] / weight.numel() * squared / 2
            scores.append(score)
        return scores, loss

    def form_scores(self) -> tuple[list[float], PairHarms, float]:
        """Return for each choice 1/2 d^T H d of its rounding d, for pairs of dimensions d_i^T H d_j, and the loss.

        The increase by several choices together is 1/2 (sum d)^T H (sum d): the sum of both.
        """
        directions = [
            {
                layer.path: rounded - weight
                for layer, weight, rounded, _ in rounded_weights(self._family, self._member, choice)
            }
            for choice in self._choices
        ]
        forms, loss = self._hessian.forms(directions)
        self._check_finite([loss, *(figure for row in forms for figure in row)])
        pairs: dict[tuple[str, str], dict[tuple[int, int], float]] = {}
        for row, first in enumerate(self._choices):
            for column in range(row + 1, len(self._choices)):
                second = self._choices[column]
                if second.name != first.name:
                    terms = pairs.setdefault((first.name, second.name), {})
                    terms[first.bits, second.bits] = (forms[row][column] + forms[column][row]) / 2
        return [forms[place][place] / 2 for place in range(len(forms))], pairs, loss

    def _loss(self, batch: Any) -> torch.Tensor:
        device = next(self._member.parameters()).device
        moved = move_data_to_device(batch, device)
        inputs = ModelInputs.of(self._task.inputs(moved)).map(partial(self._family.resize, self._shape))
        outputs = run_or_tell(self._member, inputs)
        self._task.check(outputs, batch)
        return self._task.loss(outputs, moved)

    def _check_finite(self, figures: Sequence[float]) -> None:
        if not all(map(math.isfinite, figures)):
            raise non_finite(self._family, self._shape, [self._task.inputs(batch) for batch in self._batches])
