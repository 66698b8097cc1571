"""The accuracy of a member, and what calibrates it."""

import pytest
import torch
from torch import nn
from torch.nn import functional
from torch.utils.data import DataLoader, TensorDataset

from supple.errors import SuppleError
from supple.training import accuracy, calibration_inputs
from supple.training.classification import Classification
from supple.training.evaluation import evaluate
from supple.training.regression import Regression
from supple.training.segmentation import Segmentation


def test_it_is_the_share_of_right_answers_of_the_extracted_member(family, train_data, valid_data):
    config = family.space.min()
    measured = accuracy(family, config, valid_data, calibration_inputs(train_data, 48))
    member = family.extract(config).eval()
    with torch.no_grad():
        right = [member(images).argmax(1) == labels for images, labels in valid_data]
    assert measured == torch.cat(right).double().mean().item()


def test_calibration_changes_the_statistics_that_the_member_takes_along(family, train_data, valid_data):
    config = family.space.min()
    before = family.extract(config).state_dict()["stem.1.running_mean"]
    accuracy(family, config, valid_data, calibration_inputs(train_data, 48))
    assert not torch.equal(family.extract(config).state_dict()["stem.1.running_mean"], before)


def test_a_sample_without_finite_logits_counts_as_wrong(family, valid_data):
    with torch.no_grad():
        family.model.head.bias.fill_(float("nan"))
    assert accuracy(family, family.space.max(), valid_data) == 0


def test_the_family_is_in_eval_mode_afterwards(family, valid_data):
    accuracy(family.train(), family.space.max(), valid_data)
    assert not family.training


def test_no_data_have_no_accuracy(family):
    with pytest.raises(SuppleError, match="no data to measure the accuracy on: give at least one batch"):
        accuracy(family, family.space.max(), [])


def test_a_model_that_returns_no_logits_is_named(family, valid_data):
    family.model.head.register_forward_hook(lambda module, inputs, output: (output, output))
    with pytest.raises(SuppleError, match="returns a tuple of 2"):
        accuracy(family, family.space.max(), valid_data)


def test_calibration_inputs_are_as_many_as_wanted_or_all(train_data):
    assert [len(inputs) for inputs in calibration_inputs(train_data, 33)] == [16, 16, 16]
    assert len(calibration_inputs(train_data, 10_000)) == len(train_data)


def test_calibration_inputs_are_the_same_each_time(train_data):
    first = calibration_inputs(train_data, 32)
    train_data.set_epoch(3)
    assert all(torch.equal(one, other) for one, other in zip(first, calibration_inputs(train_data, 32), strict=True))


def test_drawing_calibration_inputs_leaves_the_random_numbers_alone():
    loader = DataLoader(TensorDataset(torch.randn(32, 4), torch.zeros(32)), batch_size=4, shuffle=True)
    before = torch.get_rng_state()
    calibration_inputs(loader, 8)
    assert torch.equal(torch.get_rng_state(), before)


def test_other_tasks_have_their_own_metric(family, valid_data):
    """Each third of an image has its number; a regression on three outputs at once."""

    def one_hot():
        return ((images, functional.one_hot(labels, 3).float()) for images, labels in valid_data)

    config = family.space.min()
    measured = evaluate(family, config, one_hot(), Regression())
    member = family.extract(config).eval()
    with torch.no_grad():
        errors = torch.cat([(member(images) - targets) ** 2 for images, targets in one_hot()])
    assert measured == pytest.approx(errors.mean().sqrt().item(), rel=1e-6)


def test_calibration_takes_named_inputs(family, train_data, valid_data):
    config = family.space.min()
    named = [{"x": images, "labels": labels} for images, labels in train_data]
    inputs = calibration_inputs(named, 48)
    assert [list(batch) for batch in inputs] == [["x"]] * 3
    plain = accuracy(family, config, valid_data, [batch["x"] for batch in inputs])
    assert evaluate(family, config, valid_data, Classification(), inputs) == plain


def test_data_without_any_label_have_no_metric(family):
    batch = (torch.zeros(2, 1, 6, 6), torch.full((2, 6, 6), 255))
    family.model.head = nn.Sequential(family.model.head, nn.Unflatten(1, (3, 1, 1)))
    with pytest.raises(
        SuppleError, match="Nothing in the data has a label to measure the mean intersection over union"
    ):
        evaluate(family, family.space.max(), [batch], Segmentation())
