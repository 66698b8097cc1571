"""How far a member's class probabilities are from a teacher's: the divergences that members learn by."""

import math
from abc import ABC, abstractmethod
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from supple.training.distillation import DistillationConfig, DivergenceKind


class Divergence(ABC):
    """From the logits of both sides (..., classes) to one value for each row (...).

    Gradients flow into those of the member alone. Both sides are softened by a temperature T, and the values multiplied
    by T^2, which keeps the size of the gradients when T changes (Hinton et al., Distilling the Knowledge in a Neural
    Network, 2015).
    """

    @abstractmethod
    def __call__(self, logits: Tensor, teacher_logits: Tensor) -> Tensor:
        """Return the divergence of each row."""


@dataclass(frozen=True)
class KullbackLeibler(Divergence):
    """T^2 KL(p || q), p of the teacher and q of the member."""

    temperature: float = 1.0

    def __call__(self, logits: Tensor, teacher_logits: Tensor) -> Tensor:
        """Return the divergence of each row."""
        log_q, log_p = _log_probabilities(logits, teacher_logits, self.temperature)
        return self.temperature**2 * _kullback_leibler(log_q, log_p)


@dataclass(frozen=True)
class AdaptiveAlpha(Divergence):
    """The larger, row by row, of two alpha-divergences: one punishes a member too sure of itself, one too unsure.

    KL(p || q) hardly minds classes that the member takes for likely and the teacher does not; a negative alpha does.
    The importance ratios are clipped at `clip` against exploding gradients.
    Source: Wang et al., AlphaNet: Improved Training of Supernets with Alpha-Divergence, 2021.
    """

    temperature: float = 1.0
    alpha_min: float = -1.0
    alpha_max: float = 1.0
    clip: float = 5.0

    def __call__(self, logits: Tensor, teacher_logits: Tensor) -> Tensor:
        """Return the divergence of each row."""
        log_q, log_p = _log_probabilities(logits, teacher_logits, self.temperature)
        low, high = (self._alpha_divergence(log_q, log_p, alpha) for alpha in (self.alpha_min, self.alpha_max))
        return self.temperature**2 * torch.where(low > high, low, high)

    def _alpha_divergence(self, log_q: Tensor, log_p: Tensor, alpha: float) -> Tensor:
        """Return the clipped divergence of each row, with the gradient that belongs to it.

        D_a(p || q) = (sum_i q_i (p_i / q_i)^a - 1) / (a (a - 1)),  which tends to KL(p || q) for a -> 1.
        grad D_a    = -1/a sum_i q_i (p_i / q_i)^a grad log q_i.

        (p_i / q_i)^a is clipped in both, and is a constant for the gradient: what is clipped still teaches, with a
        bounded weight, while the derivative of a clipped value would be zero. For a = 1 the weights are p_i, at most 1.
        """
        if alpha == 1:
            return _kullback_leibler(log_q, log_p)
        with torch.no_grad():
            # In place: over a large vocabulary, each new tensor costs as much as its arithmetic.
            ratio = (log_p - log_q).mul_(alpha).clamp_(max=math.log(self.clip)).exp_()
            weights = ratio.mul_(log_q.exp())
            value = (weights.sum(-1) - 1) / (alpha * (alpha - 1))
        slope = -(weights * log_q).sum(-1) / alpha
        return value + (slope - slope.detach())


def build_divergence(config: DistillationConfig) -> Divergence:
    """Return the divergence that the settings ask for."""
    if config.divergence is DivergenceKind.ALPHA:
        return AdaptiveAlpha(config.temperature, config.alpha_min, config.alpha_max, config.alpha_clip)
    return KullbackLeibler(config.temperature)


def _log_probabilities(logits: Tensor, teacher_logits: Tensor, temperature: float) -> tuple[Tensor, Tensor]:
    sides = logits, teacher_logits.detach()
    softened = sides if temperature == 1 else tuple(side / temperature for side in sides)
    log_q, log_p = (functional.log_softmax(side, dim=-1) for side in softened)
    return log_q, log_p


def _kullback_leibler(log_q: Tensor, log_p: Tensor) -> Tensor:
    return functional.kl_div(log_q, log_p, reduction="none", log_target=True).sum(-1)
