"""Distributions over a family's choices, learnt by gradients of the loss and of the expected cost.

Sources: Sukthanker et al., Weight-Entanglement Meets Gradient-Based Neural Architecture Search, 2023 (TangleNAS:
blended weights); Cai et al., ProxylessNAS, 2019 (the expected cost as a term of the loss; REINFORCE for what is
sampled); Jang et al., Categorical Reparameterization with Gumbel-Softmax, 2017.
"""

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import torch
from lightning_fabric.utilities import move_data_to_device
from torch import Tensor

from supple.searching.problem import Floats, KnownFigure, Values
from supple.searching.relaxation import Relaxation, normalised_by_batch
from supple.space import Config, Space
from supple.trace import ModelInputs
from supple.training.diagnosis import run_or_tell
from supple.training.task import Task

Distribution = Mapping[str, Floats]
"""The probability of each value of each dimension, (values,)."""

_REMEMBERED = 0.9
_LEAST_GAP = 0.01


@dataclass(frozen=True)
class Pace:
    """How fast logits learn, and how sharp blends are: at a lower temperature they are closer to one member."""

    learning_rate: float
    temperature: float


@dataclass(frozen=True)
class ExpectedCost:
    """The cost that members of a distribution have on average, with its exact gradient but for random draws.

    Dimensions are drawn independently, so E[cost] = sum over v of p(v) E[cost where the dimension is v]: the derivative
    with respect to p(v) is that second mean. It is taken over a few drawn members, the same for all values.
    """

    space: Space
    figure: KnownFigure
    draws: int = 8

    def slopes(self, distribution: Distribution, rng: np.random.Generator) -> dict[str, Floats]:
        """Return the mean cost where a dimension has each value, (values,), by dimension."""
        drawn = np.stack(
            [
                rng.choice(np.array(entry.values, np.int64), self.draws, p=distribution[entry.name])
                for entry in self.space.dimensions
            ],
            axis=1,
        )
        blocks: list[Values] = []
        for column, entry in enumerate(self.space.dimensions):
            for value in entry.values:
                changed = drawn.copy()
                changed[:, column] = value
                blocks.append(changed)
        means = np.asarray(self.figure(np.concatenate(blocks)), float).reshape(len(blocks), self.draws).mean(1)
        ends = np.cumsum([len(entry.values) for entry in self.space.dimensions])[:-1]
        return {entry.name: part for entry, part in zip(self.space.dimensions, np.split(means, ends), strict=True)}


def sweep(
    relaxation: Relaxation,
    batches: Iterable[Any],
    task: Task,
    cost: ExpectedCost,
    cost_weights: Sequence[float],
    pace: Pace,
    seed: int,
) -> Iterator[dict[str, Floats]]:
    """Yield the distribution after each step of gradient descent on loss + cost weight x E[cost].

    There is a step for each batch, with a cost weight of its own: where they grow, members shrink on the way. The
    family's weights stay, batch norm uses each batch's own statistics, and nothing of the family changes. Logits begin
    at 0. Blended dimensions see a Gumbel-softmax; the value of a sampled one is drawn, and its logits learn by how much
    better than usual the loss was. A step whose loss is not finite teaches nothing.
    """
    space = relaxation.space
    generator, rng = torch.Generator().manual_seed(seed), np.random.default_rng(seed)
    logits = {entry.name: torch.zeros(len(entry.values), requires_grad=True) for entry in space.dimensions}
    optimizer = torch.optim.Adam(list(logits.values()), pace.learning_rate, betas=(0.9, 0.99))
    usual: float | None = None
    for batch, cost_weight in zip(batches, cost_weights, strict=False):
        shares = {
            name: torch.softmax((logits[name] + _gumbel(logits[name], generator)) / pace.temperature, 0)
            for name in relaxation.blended
        }
        drawn = {
            name: int(torch.multinomial(torch.softmax(logits[name].detach(), 0), 1, generator=generator))
            for name in relaxation.sampled
        }
        values = {name: space[name].values[index] for name, index in drawn.items()}
        with normalised_by_batch(relaxation.family), torch.enable_grad():
            loss = loss_of(relaxation, shares, values, batch, task).cpu()
            found = float(loss.detach())
            usual = found if usual is None else usual
            total = loss + cost_weight * _expected(logits, cost.slopes(probabilities(logits), rng))
            for name, index in drawn.items():
                # REINFORCE: grad = (loss - usual loss) x grad log p.
                total = total + (found - usual) * torch.log_softmax(logits[name], 0)[index]
            if math.isfinite(found):
                optimizer.zero_grad()
                total.backward()  # type: ignore[no-untyped-call]
                optimizer.step()
                usual = _REMEMBERED * usual + (1 - _REMEMBERED) * found
        yield probabilities(logits)


def _expected(logits: Mapping[str, Tensor], slopes: Mapping[str, Floats]) -> Tensor:
    """Return something with the gradient of the expected cost."""
    terms = [
        torch.softmax(logits[name], 0) @ torch.tensor(slope, dtype=torch.float32) for name, slope in slopes.items()
    ]
    return torch.stack(terms).sum()


def loss_of(
    relaxation: Relaxation, shares: Mapping[str, Tensor], values: Mapping[str, int], batch: Any, task: Task
) -> Tensor:
    """Return the loss of a blended network on a batch, at the resolution among the sampled values."""
    family = relaxation.family
    device = next(family.parameters()).device
    placed = {name: entry.to(device) for name, entry in shares.items()}
    moved = move_data_to_device(batch, device)
    config = family.space.config(values)
    inputs = ModelInputs.of(task.inputs(moved)).map(partial(family.resize, config))
    with relaxation.blend(placed, values) as network:
        return task.loss(run_or_tell(network, inputs), moved)


def gap(relaxation: Relaxation, batches: Iterable[Any], task: Task) -> float:
    """Return how much more the smallest member loses than the largest one, on average over the batches.

    At least a hundredth of what the largest loses: what makes cost weights comparable must not vanish.
    """
    space = relaxation.space
    ends: list[list[float]] = []
    for batch in batches:
        with normalised_by_batch(relaxation.family), torch.no_grad():
            losses = [
                loss_of(relaxation, relaxation.shares_of(config), config, batch, task)
                for config in (space.min(), space.max())
            ]
        ends.append([float(loss) for loss in losses])
    small, large = np.mean(ends, axis=0)
    return float(max(small - large, _LEAST_GAP * abs(large)))


def probabilities(logits: Mapping[str, Tensor]) -> dict[str, Floats]:
    """Return the distribution of logits."""
    found = {}
    for name, entry in logits.items():
        shares = torch.softmax(entry.detach().double(), 0).numpy()
        found[name] = shares / shares.sum()
    return found


def most_likely(space: Space, distribution: Distribution) -> Config:
    """Return the config of the most likely value of each dimension; the larger of two that are as likely."""
    values = {}
    for entry in space.dimensions:
        shares = distribution[entry.name]
        values[entry.name] = entry.values[len(shares) - 1 - int(np.argmax(shares[::-1]))]
    return space.config(values)


def drawn_from(space: Space, distribution: Distribution, rng: np.random.Generator) -> Config:
    """Draw a config."""
    drawn = {
        entry.name: entry.values[int(rng.choice(len(entry.values), p=distribution[entry.name]))]
        for entry in space.dimensions
    }
    return space.config(drawn)


def _gumbel(like: Tensor, generator: torch.Generator) -> Tensor:
    uniform = torch.rand(like.shape, generator=generator).clamp(1e-9, 1 - 1e-7)
    return -(-uniform.log()).log()
