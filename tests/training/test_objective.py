"""The loss of each member of a step: whom it learns from, and how much."""

import pytest
import torch
from torch import nn
from torch.nn import functional

from supple.errors import SuppleError
from supple.family import convert
from supple.training.classification import Classification
from supple.training.distillation import DistillationConfig
from supple.training.divergences import KullbackLeibler
from supple.training.objective import MemberLoss, Objective
from supple.training.sampler import Draw


class Teacher(nn.Module):
    """A network of another kind that counts its runs."""

    def __init__(self) -> None:
        super().__init__()
        self.head = nn.Linear(36, 3)
        self.dropout = nn.Dropout(0.5)
        self.runs = 0

    def forward(self, x):
        self.runs += 1
        return self.dropout(self.head(x.flatten(1)))


@pytest.fixture
def batch(train_data):
    return next(iter(train_data))


@pytest.fixture
def smooth(family):
    """A family without dropout, so that a member says the same twice."""
    family.model.dropout.p = 0.0
    return family.train()


def logits_of(family, config, batch):
    with family.activate(config) as member:
        return member(batch[0])


def loss_of(objective, family, config, batch, weight=1.0) -> MemberLoss:
    with family.activate(config) as member:
        return objective.loss(Draw(config, weight), member, batch)


def gradients(family) -> list[torch.Tensor]:
    found = [torch.zeros_like(p) if p.grad is None else p.grad.clone() for p in family.parameters()]
    family.zero_grad()
    return found


def test_in_place_the_full_member_teaches_those_after_it(smooth, batch):
    largest, smallest = smooth.space.max(), smooth.space.min()
    objective = Objective(smooth, Classification(), DistillationConfig(weight=0.75, temperature=2.0))
    objective.begin(batch)
    full = loss_of(objective, smooth, largest, batch)
    small = loss_of(objective, smooth, smallest, batch)
    teacher, logits = logits_of(smooth, largest, batch).detach(), logits_of(smooth, smallest, batch)
    data = functional.cross_entropy(logits, batch[1])
    assert torch.equal(full.total, functional.cross_entropy(teacher, batch[1]))
    torch.testing.assert_close(small.total, 0.75 * KullbackLeibler(2.0)(logits, teacher).mean() + 0.25 * data)
    assert torch.equal(small.data, data)
    assert not small.data.requires_grad


def test_who_has_all_its_loss_from_the_teacher_still_reports_that_of_the_data(smooth, batch):
    objective = Objective(smooth, Classification())
    objective.begin(batch)
    loss_of(objective, smooth, smooth.space.max(), batch)
    small = loss_of(objective, smooth, smooth.space.min(), batch)
    logits = logits_of(smooth, smooth.space.min(), batch)
    assert torch.equal(small.data, functional.cross_entropy(logits, batch[1]))
    assert not torch.equal(small.total, small.data)


def test_the_gradient_of_the_others_does_not_reach_the_full_member_s_outputs(smooth, batch):
    objective = Objective(smooth, Classification())
    objective.begin(batch)
    smooth.zero_grad()
    loss_of(objective, smooth, smooth.space.max(), batch).total.backward()
    small = loss_of(objective, smooth, smooth.space.min(), batch)
    gradients(smooth)
    small.total.backward()
    outside = smooth.model.stem[0].weight.grad[smooth.space.min()["stem.0.width"] :]
    assert outside.numel() > 0
    assert not outside.any()


def test_without_the_full_member_in_the_step_the_data_teach(smooth, batch):
    objective = Objective(smooth, Classification())
    objective.begin(batch)
    loss_of(objective, smooth, smooth.space.max(), batch)
    objective.begin(batch)
    small = loss_of(objective, smooth, smooth.space.min(), batch)
    assert torch.equal(small.total, small.data)


def test_with_no_teacher_the_data_teach(smooth, batch):
    objective = Objective(smooth, Classification(), DistillationConfig(teacher="none"))
    objective.begin(batch)
    loss_of(objective, smooth, smooth.space.max(), batch)
    small = loss_of(objective, smooth, smooth.space.min(), batch)
    assert torch.equal(small.total, small.data)


def test_the_weight_of_a_draw_multiplies_its_gradient(smooth, batch):
    objective = Objective(smooth, Classification())
    objective.begin(batch)
    whole = loss_of(objective, smooth, smooth.space.min(), batch)
    whole.total.backward()
    expected = [0.25 * gradient for gradient in gradients(smooth)]
    quarter = loss_of(objective, smooth, smooth.space.min(), batch, weight=0.25)
    quarter.total.backward()
    torch.testing.assert_close(gradients(smooth), expected)
    assert torch.equal(quarter.data, whole.data)


def test_a_teacher_of_ones_own_runs_once_per_batch_in_eval_mode(smooth, batch):
    teacher = Teacher().train()
    config = DistillationConfig(weight=1.0, full_weight=0.25)
    objective = Objective(smooth, Classification(), config, teacher)
    objective.begin(batch)
    full = loss_of(objective, smooth, smooth.space.max(), batch)
    small = loss_of(objective, smooth, smooth.space.min(), batch)
    assert teacher.runs == 1
    assert teacher.training
    said = teacher.head(batch[0].flatten(1)).detach()
    for config, loss, share in ((smooth.space.max(), full, 0.25), (smooth.space.min(), small, 1.0)):
        logits = logits_of(smooth, config, batch)
        taught, data = KullbackLeibler()(logits, said).mean(), functional.cross_entropy(logits, batch[1])
        torch.testing.assert_close(loss.total, share * taught + (1 - share) * data)
    (full.total + small.total).backward()
    assert teacher.head.weight.grad is None


def test_a_teacher_where_nobody_teaches_is_refused(family):
    with pytest.raises(SuppleError, match=r'A teacher is given \(Teacher\), but distillation.teacher is "none"'):
        Objective(family, Classification(), DistillationConfig(teacher="none"), Teacher())


def test_labels_are_checked_once_for_each_batch(smooth, batch):
    inputs, labels = batch
    objective = Objective(smooth, Classification())
    objective.begin((inputs, labels + 1))
    with pytest.raises(SuppleError, match="A label is 3, but the model tells 3 classes apart"):
        loss_of(objective, smooth, smooth.space.max(), batch)
    checked = []

    class Noting(Classification):
        def check(self, outputs, batch):
            checked.append(batch)

    objective = Objective(smooth, Noting())
    objective.begin(batch)
    for config in (smooth.space.max(), smooth.space.min()):
        loss_of(objective, smooth, config, batch)
    assert checked == [batch]


def test_members_of_another_resolution_get_smaller_images(batch):
    torch.manual_seed(0)
    model = nn.Sequential(
        nn.Conv2d(1, 8, 3, padding=1), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8, 3)
    )
    family = convert(model, torch.randn(2, 1, 6, 6), resolutions=[4, 6])
    objective = Objective(family, Classification())
    objective.begin(batch)
    seen = []
    handle = family.model[0].register_forward_hook(lambda module, args, output: seen.append(tuple(output.shape[2:])))
    for config in (family.space.max(), family.space.min()):
        loss_of(objective, family, config, batch)
    handle.remove()
    assert seen == [(6, 6), (4, 4)]


def test_resolution_and_named_inputs_reach_the_member(smooth, batch):
    named = {"x": batch[0], "labels": batch[1]}
    objective = Objective(smooth, Classification())
    losses = []
    for given in (batch, named):
        objective.begin(given)
        losses.append(loss_of(objective, smooth, smooth.space.min(), given).total)
    assert torch.equal(*losses)
