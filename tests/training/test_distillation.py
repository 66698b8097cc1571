"""The loss of each member of a step."""

import pytest
import torch
from torch.nn import functional

from supple.training import InPlaceDistillation

LABELS = torch.tensor([0, 2, 1])


def logits(seed: int) -> torch.Tensor:
    return torch.randn(3, 4, generator=torch.Generator().manual_seed(seed), dtype=torch.float64).requires_grad_()


def test_without_a_teacher_the_labels_teach():
    loss = InPlaceDistillation(weight=1, temperature=2, label_smoothing=0.1).loss(logits(0), LABELS)
    assert torch.equal(loss, functional.cross_entropy(logits(0), LABELS, label_smoothing=0.1))


def test_who_says_what_the_teacher_says_has_no_loss():
    loss = InPlaceDistillation(weight=1, temperature=3, label_smoothing=0).loss(logits(0), LABELS, logits(0).detach())
    assert loss.item() == pytest.approx(0, abs=1e-12)


def test_the_loss_is_the_softened_divergence():
    student, teacher, temperature = logits(0), logits(1).detach(), 2.5
    said, wanted = (functional.softmax(side / temperature, 1) for side in (student, teacher))
    by_hand = temperature**2 * (wanted * (wanted / said).log()).sum(1).mean()
    loss = InPlaceDistillation(weight=1, temperature=temperature, label_smoothing=0).loss(student, LABELS, teacher)
    assert loss.item() == pytest.approx(by_hand.item())


def test_the_weight_mixes_teacher_and_labels():
    def loss(weight: float) -> float:
        return InPlaceDistillation(weight, 1, 0).loss(logits(0), LABELS, logits(1).detach()).item()

    assert loss(0.25) == pytest.approx(0.25 * loss(1) + 0.75 * loss(0))
    assert loss(0) == pytest.approx(functional.cross_entropy(logits(0), LABELS).item())
