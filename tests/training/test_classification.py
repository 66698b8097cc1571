"""The task of classification: its loss, its metric, and what it says of outputs and labels that do not fit."""

import re

import pytest
import torch
from lightning_fabric.utilities import move_data_to_device
from torch.nn import functional

from supple.errors import SuppleError
from supple.training.classification import Classification, MixedLabels
from supple.training.divergences import KullbackLeibler

INPUTS = torch.zeros(3, 2)
LABELS = torch.tensor([0, 2, 1])
LOGITS = torch.tensor([[2.0, 1.0, 0.0], [0.0, 0.5, 1.0], [1.0, 0.0, 3.0]])


class Output:
    def __init__(self, logits: torch.Tensor) -> None:
        self.logits = logits


def test_the_loss_is_the_smoothed_cross_entropy():
    loss = Classification(label_smoothing=0.1).loss(LOGITS, (INPUTS, LABELS))
    assert torch.equal(loss, functional.cross_entropy(LOGITS, LABELS, label_smoothing=0.1))


def test_mixed_labels_share_the_loss():
    task = Classification(label_smoothing=0.2)
    other = torch.tensor([1, 1, 0])
    share = torch.tensor([0.3, 1.0, 0.5])
    first, second = (
        functional.cross_entropy(LOGITS, labels, reduction="none", label_smoothing=0.2) for labels in (LABELS, other)
    )
    mixed = task.loss(LOGITS, (INPUTS, MixedLabels(LABELS, other, share)))
    torch.testing.assert_close(mixed, (share * first + (1 - share) * second).mean())
    unmixed = task.loss(LOGITS, (INPUTS, MixedLabels(LABELS, other, torch.tensor(1.0))))
    torch.testing.assert_close(unmixed, task.loss(LOGITS, (INPUTS, LABELS)))


def test_mixed_labels_go_to_a_device_with_their_batch():
    _, moved = move_data_to_device((INPUTS, MixedLabels(LABELS, LABELS, torch.tensor(0.5))), torch.device("meta"))
    assert {part.device.type for part in (moved.first, moved.second, moved.share)} == {"meta"}


def test_there_is_no_accuracy_on_mixed_labels():
    mixed = MixedLabels(LABELS, LABELS, torch.tensor(0.5))
    with pytest.raises(SuppleError, match="Accuracy has no meaning on mixed labels: leave mixup and cutmix out"):
        Classification().score(LOGITS, (INPUTS, mixed))


def test_the_metric_is_the_share_of_right_answers():
    task = Classification()
    score = task.score(LOGITS, (INPUTS, LABELS)) + task.score(LOGITS[:1], (INPUTS[:1], LABELS[:1]))
    assert task.result(score) == 3 / 4


def test_a_sample_without_finite_logits_is_wrong():
    logits = torch.tensor([[float("inf"), 0.0], [1.0, float("nan")], [1.0, 0.0]])
    assert Classification().score(logits, (INPUTS, torch.zeros(3, dtype=torch.int64))).total == 1


def test_it_takes_outputs_and_batches_in_the_form_of_transformers():
    batch = {"pixel_values": INPUTS, "labels": LABELS}
    task = Classification()
    assert task.inputs(batch) == {"pixel_values": INPUTS}
    assert task.samples(batch) == 3
    assert torch.equal(task.loss(Output(LOGITS), batch), task.loss(LOGITS, (INPUTS, LABELS)))


def test_half_precision_is_widened_before_it_is_summed():
    loss = Classification().loss(LOGITS.bfloat16(), (INPUTS, LABELS))
    assert loss.dtype == torch.float32
    assert loss == functional.cross_entropy(LOGITS.bfloat16().float(), LABELS)


def test_the_divergence_does_not_look_at_labels():
    teacher = LOGITS.flip(1)
    value = Classification().divergence(LOGITS, Output(teacher), (INPUTS, None), KullbackLeibler())
    assert torch.equal(value, KullbackLeibler()(LOGITS, teacher).mean())


@pytest.mark.parametrize(
    ("logits", "message"),
    [
        (
            (torch.zeros(2, 3), torch.zeros(2, 3)),
            "The model returns a tuple of 2, not one tensor of logits (batch, classes)",
        ),
        ({"logits": torch.zeros(2, 3)}, "The model returns an object of type dict, not one tensor of logits"),
        (
            torch.zeros(2, 3, 4),
            "returns a tensor of shape (2, 3, 4) for 2 samples: expected logits of shape (2, classes)",
        ),
        (torch.zeros(5, 3), "returns a tensor of shape (5, 3) for 2 samples"),
        (torch.zeros(2, 2), "A label is 2, but the model tells 2 classes apart, 0 to 1: give the model"),
    ],
)
def test_what_is_no_logits_for_the_labels_is_named(logits, message):
    with pytest.raises(SuppleError, match=re.escape(message)):
        Classification().check(logits, (torch.zeros(2, 1), torch.tensor([0, 2])))


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        (torch.tensor([-1, 2]), "A label is -1, but the model tells 3 classes apart"),
        (torch.tensor([0.0, 1.0]), "The labels are torch.float32 of shape (2,): expected torch.int64 of shape (2,)"),
        (torch.tensor([0, 1], dtype=torch.int32), "The labels are torch.int32 of shape (2,): expected torch.int64"),
        (torch.tensor([[0, 1]]), "The labels are torch.int64 of shape (1, 2): expected torch.int64 of shape (2,)"),
        ([0, 1], "The labels are an object of type list, not a tensor of class numbers"),
        (MixedLabels(torch.tensor([0, 1]), torch.tensor([0, 7]), torch.tensor(0.5)), "A label is 7, but"),
    ],
)
def test_labels_that_do_not_fit_are_named(labels, message):
    with pytest.raises(SuppleError, match=re.escape(message)):
        Classification().check(torch.zeros(2, 3), (torch.zeros(2, 1), labels))


@pytest.mark.parametrize(
    ("batch", "message"),
    [
        (torch.zeros(2), "A batch of the data is Tensor: expected (inputs, labels), or a mapping"),
        ((1, 2, 3), "A batch of the data is a tuple of 3: expected (inputs, labels)"),
        ({"x": 1, "y": 2}, 'A batch of the data has the entries x, y, but no "labels".'),
    ],
)
def test_batches_of_another_form_are_named(batch, message):
    with pytest.raises(SuppleError, match=re.escape(message)):
        Classification().inputs(batch)


def test_smoothing_is_a_share():
    with pytest.raises(SuppleError, match="label_smoothing is 1: expected a share from 0 to less than 1"):
        Classification(label_smoothing=1)
