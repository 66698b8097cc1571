"""An ensemble of small networks that know members' free statistics before they see a single evaluation."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import torch
from torch import Tensor

from supple.errors import SuppleError
from supple.searching.predictors.columns import Scaling
from supple.searching.predictors.encoder import Array, Features
from supple.searching.predictors.ensemble import Disagreement
from supple.searching.predictors.predictor import FittedPredictor, Predictor
from supple.searching.predictors.ridge import best_warp
from supple.searching.predictors.warp import Warp

_NETWORKS = 5
_WIDTH = 64


@dataclass(frozen=True)
class Training:
    """How networks are trained: by AdamW, at a rate that falls to nothing along a cosine."""

    steps: int
    rate: float
    decay: float
    rows: int = 256


PRETRAINING = Training(steps=400, rate=3e-3, decay=0.0)
FINE_TUNING = Training(steps=200, rate=1e-2, decay=0.3)


@dataclass(frozen=True)
class Networks(Predictor):
    """Networks of two hidden layers beside a linear one, uncertain where they disagree.

    `trunk` are hidden layers (weights and biases, for all networks at once) that start from what they have learnt
    before: `pretrained` makes them. Without, they start at random, drawn by `seed`.
    """

    name: ClassVar[str] = "networks"

    seed: int = 0
    trunk: tuple[Tensor, ...] | None = None

    @classmethod
    def pretrained(cls, pool: Features, seed: int = 0) -> "Networks":
        """Return networks that know the free statistics of a pool of members, some thousand that were not evaluated.

        They learn to tell them from the members' values; the figure comes second, from few evaluations (Dai et al.,
        FBNetV3: Joint Architecture-Recipe Search using Predictor Pretraining, 2020). Done once, it serves all fits.
        Raises `SuppleError` where the pool is empty or has no statistics.
        """
        if not len(pool) or not pool.free.shape[1]:
            raise SuppleError(
                "Networks are pretrained on free statistics of members that were not evaluated; the pool has "
                f"{len(pool)} members with {pool.free.shape[1]} statistics."
            )
        generator = torch.Generator().manual_seed(seed)
        rows, targets = _tensor(pool.one_hot()), _tensor(Scaling.of(pool)(pool))
        trunk = _drawn_trunk(rows.shape[1], generator)
        head = _drawn(_WIDTH, targets.shape[1], generator)

        def losses(chosen: Tensor) -> Tensor:
            weight, bias = head
            return (torch.baddbmm(bias, _hidden(trunk, rows[chosen]), weight) - targets[chosen]).square().mean(2)

        _train([*trunk, *head], losses, len(rows), PRETRAINING, generator)
        return cls(seed, tuple(trunk))

    def _fit(self, features: Features, values: Array) -> FittedPredictor:
        warp, scaling = best_warp(features, values), Scaling.of(features)
        rows, linear = _inputs(features, scaling)
        targets = _tensor(warp.forward(values))
        generator = torch.Generator().manual_seed(self.seed)
        trunk = _drawn_trunk(rows.shape[1], generator)
        if self.trunk is not None:
            if self.trunk[0].shape != trunk[0].shape:
                raise SuppleError("The networks were pretrained on members of another space than those evaluated.")
            trunk = [parameter.clone() for parameter in self.trunk]
        head = [torch.zeros(_NETWORKS, columns, 1) for columns in (_WIDTH, linear.shape[1])]
        # Each network weighs the members in its own way (Rubin, The Bayesian Bootstrap, 1981), and never sees some.
        weights = torch.empty(_NETWORKS, len(rows)).exponential_(generator=generator)
        fold = torch.randperm(len(rows), generator=generator) % _NETWORKS
        unseen = fold == torch.arange(_NETWORKS)[:, None]
        weights[unseen] = 0.0

        def losses(chosen: Tensor) -> Tensor:
            errors = _outputs(trunk, head, rows[chosen], linear[chosen]) - targets[chosen]
            return weights[:, chosen] * errors.square()

        _train([*trunk, *head], losses, len(rows), FINE_TUNING, generator)
        single = _outputs(trunk, head, rows, linear).double().numpy()
        disagreement = Disagreement.of(single, warp.forward(values), unseen.numpy())
        return FittedNetworks(features, scaling, warp, trunk, head, disagreement)


class FittedNetworks(FittedPredictor):
    """Networks that were trained, and what their disagreement means."""

    def __init__(
        self,
        seen: Features,
        scaling: Scaling,
        warp: Warp,
        trunk: Sequence[Tensor],
        head: Sequence[Tensor],
        disagreement: Disagreement,
    ) -> None:
        super().__init__(seen)
        self._scaling = scaling
        self._warp = warp
        self._trunk = trunk
        self._head = head
        self._disagreement = disagreement

    def _predict(self, features: Features) -> tuple[Array, Array]:
        with torch.no_grad():
            single = _outputs(self._trunk, self._head, *_inputs(features, self._scaling)).double().numpy()
        return self._warp.backward(single.mean(axis=0), self._disagreement.deviations(single))


def _inputs(features: Features, scaling: Scaling) -> tuple[Tensor, Tensor]:
    one_hot, free = features.one_hot(), scaling(features)
    scaled = one_hot / np.sqrt(max(1, features.states.shape[1]))
    return _tensor(one_hot), _tensor(np.concatenate([scaled, features.totals(), free, np.square(free) / 2], axis=1))


def _tensor(columns: Array) -> Tensor:
    return torch.from_numpy(columns.astype(np.float32))


def _drawn_trunk(columns: int, generator: torch.Generator) -> list[Tensor]:
    return [*_drawn(columns, _WIDTH, generator), *_drawn(_WIDTH, _WIDTH, generator)]


def _drawn(columns: int, outputs: int, generator: torch.Generator) -> list[Tensor]:
    weights = torch.randn(_NETWORKS, columns, outputs, generator=generator) / max(1, columns) ** 0.5
    return [weights, torch.zeros(_NETWORKS, 1, outputs)]


def _hidden(trunk: Sequence[Tensor], rows: Tensor) -> Tensor:
    first_weight, first_bias, weight, bias = trunk
    every = rows.expand(_NETWORKS, *rows.shape)
    hidden = torch.nn.functional.silu(torch.baddbmm(first_bias, every, first_weight))
    return torch.nn.functional.silu(torch.baddbmm(bias, hidden, weight))


def _outputs(trunk: Sequence[Tensor], head: Sequence[Tensor], rows: Tensor, linear: Tensor) -> Tensor:
    """Return what each network says of each row, (networks, rows)."""
    nonlinear, weight = head
    every = linear.expand(_NETWORKS, *linear.shape)
    return (torch.bmm(_hidden(trunk, rows), nonlinear) + torch.bmm(every, weight))[:, :, 0]


def _train(
    parameters: Sequence[Tensor],
    losses: Callable[[Tensor], Tensor],
    count: int,
    training: Training,
    generator: torch.Generator,
) -> None:
    """Train in place. `losses` gives those of some rows, (networks, rows)."""
    for parameter in parameters:
        parameter.requires_grad_()
    optimizer = torch.optim.AdamW(parameters, lr=training.rate, weight_decay=training.decay)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, training.steps)
    for _ in range(training.steps):
        chosen = torch.randperm(count, generator=generator)[: training.rows]
        optimizer.zero_grad()
        torch.autograd.backward(losses(chosen).mean())
        optimizer.step()
        schedule.step()
    for parameter in parameters:
        parameter.requires_grad_(False)
