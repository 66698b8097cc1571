"""The divergences of a member from its teacher, against sums written out in double precision."""

import math

import pytest
import torch
from torch.nn import functional

from supple.training.distillation import DistillationConfig
from supple.training.divergences import AdaptiveAlpha, KullbackLeibler, build_divergence


def logits(seed: int, rows: int = 6, classes: int = 5, spread: float = 1.0) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    return spread * torch.randn(rows, classes, generator=generator, dtype=torch.float64)


def by_hand(student: torch.Tensor, teacher: torch.Tensor, alpha: float, clip: float) -> tuple[list[float], list[list]]:
    """Return each row's alpha-divergence and its gradient with respect to the student's logits, term by term."""
    values, gradients = [], []
    for s, t in zip(student.tolist(), teacher.tolist(), strict=True):
        q, p = ([math.exp(x) / sum(map(math.exp, row)) for x in row] for row in (s, t))
        if alpha == 1:
            weights = p
            values.append(sum(pi * math.log(pi / qi) for pi, qi in zip(p, q, strict=True)))
        else:
            weights = [qi * min((pi / qi) ** alpha, clip) for pi, qi in zip(p, q, strict=True)]
            values.append((sum(weights) - 1) / (alpha * (alpha - 1)))
        # grad log q_i = e_i - q, so -1/alpha sum_i w_i (e_i - q) is, at logit j:
        gradients.append([-(wj - qj * sum(weights)) / alpha for wj, qj in zip(weights, q, strict=True)])
    return values, gradients


def gradient_of(values: torch.Tensor, student: torch.Tensor) -> torch.Tensor:
    (gradient,) = torch.autograd.grad(values.sum(), student)
    return gradient


def test_kl_is_the_softened_divergence():
    student, teacher, temperature = logits(0), logits(1), 2.5
    said, wanted = (functional.softmax(side / temperature, 1) for side in (student, teacher))
    expected = temperature**2 * (wanted * (wanted / said).log()).sum(1)
    torch.testing.assert_close(KullbackLeibler(temperature)(student, teacher), expected)


@pytest.mark.parametrize("divergence", [KullbackLeibler(3.0), AdaptiveAlpha(3.0)])
def test_who_says_what_the_teacher_says_is_at_no_distance(divergence):
    student = logits(0).requires_grad_()
    values = divergence(student, student.detach())
    assert values.abs().max() < 1e-12
    assert gradient_of(values, student).abs().max() < 1e-12


@pytest.mark.parametrize("divergence", [KullbackLeibler(), AdaptiveAlpha()])
def test_the_teacher_gets_no_gradient(divergence):
    student, teacher = logits(0).requires_grad_(), logits(1).requires_grad_()
    divergence(student, teacher).sum().backward()
    assert student.grad is not None
    assert teacher.grad is None


@pytest.mark.parametrize(("alpha_min", "alpha_max"), [(-1.0, 1.0), (-0.5, 2.0), (0.5, 1.0)])
@pytest.mark.parametrize("spread", [0.5, 3.0])
def test_alpha_is_the_larger_of_both_with_the_gradient_of_the_paper(alpha_min, alpha_max, spread):
    student, teacher = logits(2, rows=40, spread=spread).requires_grad_(), logits(3, rows=40, spread=spread)
    low, low_gradient = by_hand(student.detach(), teacher, alpha_min, clip=5)
    high, high_gradient = by_hand(student.detach(), teacher, alpha_max, clip=5)
    values = AdaptiveAlpha(1.0, alpha_min, alpha_max, clip=5.0)(student, teacher)
    torch.testing.assert_close(
        values.detach(), torch.tensor([max(pair) for pair in zip(low, high, strict=True)]).double()
    )
    chosen = [a if x > y else b for x, y, a, b in zip(low, high, low_gradient, high_gradient, strict=True)]
    torch.testing.assert_close(gradient_of(values, student), torch.tensor(chosen, dtype=torch.float64))


def test_without_clipping_the_gradient_is_that_of_the_divergence():
    student, teacher = logits(4).requires_grad_(), logits(5)
    values = AdaptiveAlpha(1.0, -1.0, -0.5, clip=1e9)(student, teacher)
    p, q = functional.softmax(teacher, 1), functional.softmax(student, 1)
    expected = [((q * (p / q) ** alpha).sum(1) - 1) / (alpha * (alpha - 1)) for alpha in (-1.0, -0.5)]
    exact = gradient_of(torch.maximum(*expected), student)
    torch.testing.assert_close(gradient_of(values, student), exact)


def test_clipping_bounds_what_a_class_that_the_teacher_rules_out_can_do():
    student = torch.tensor([[0.0, 0.0]], dtype=torch.float64, requires_grad=True)
    teacher = torch.tensor([[40.0, -40.0]], dtype=torch.float64)
    free, clipped = (
        gradient_of(AdaptiveAlpha(1.0, -1.0, 1.0, clip)(student, teacher), student).abs().max() for clip in (1e30, 5.0)
    )
    assert free > 1e9
    assert clipped < 5


def test_the_square_of_the_temperature_keeps_the_size_of_gradients():
    student, teacher = logits(6, spread=0.01).requires_grad_(), logits(7, spread=0.01)
    for kind in (KullbackLeibler, AdaptiveAlpha):
        cold, hot = (gradient_of(kind(temperature)(student, teacher), student).norm() for temperature in (1.0, 8.0))
        assert hot.item() == pytest.approx(cold.item(), rel=0.02)


def test_rows_may_have_any_shape():
    student, teacher = logits(8, rows=6).view(2, 3, 5), logits(9, rows=6).view(2, 3, 5)
    flat = KullbackLeibler()(student.view(6, 5), teacher.view(6, 5))
    assert torch.equal(KullbackLeibler()(student, teacher), flat.view(2, 3))


def test_the_settings_choose():
    assert build_divergence(DistillationConfig(temperature=2.0)) == KullbackLeibler(2.0)
    config = DistillationConfig(divergence="alpha", alpha_min=-0.5, alpha_max=0.5, alpha_clip=3.0, temperature=4.0)
    assert build_divergence(config) == AdaptiveAlpha(4.0, -0.5, 0.5, 3.0)
