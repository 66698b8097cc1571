"""Members that are evaluated together have the numbers and statistics that they have one by one."""

import copy
import random

import pytest
import torch
from torch import nn
from torch.nn import functional

from supple.errors import SuppleError
from supple.family import convert
from supple.models import mobilenet_small, resnet_demo
from supple.training import Classification, Regression, calibration_inputs, evaluate, evaluate_together


def population(family, count=12):
    rng = random.Random(0)
    drawn = [family.space.sample(rng) for _ in range(count // 2)]
    siblings = [
        family.space.config({**drawn[0], entry.name: rng.choice(entry.values)})
        for entry in rng.choices(family.space.dimensions, k=count // 2)
    ]
    return [family.space.max(), *drawn, *siblings, family.space.min()]


def same_statistics(family, other):
    keys = {(config, key) for config, buffers in family.statistics.items() for key in buffers}
    others = {(config, key) for config, buffers in other.statistics.items() for key in buffers}
    return keys == others and all(
        torch.equal(family.statistics[config][key], other.statistics[config][key]) for config, key in keys
    )


@pytest.mark.parametrize("build", [resnet_demo, mobilenet_small])
def test_numbers_and_statistics_are_those_of_one_by_one(build):
    torch.manual_seed(0)
    channels = 1 if build is resnet_demo else 3
    family = convert(build(), torch.randn(2, channels, 28, 28))
    other = copy.deepcopy(family)
    # Batches of two sizes, and logits whose order hangs on each bit.
    data = [(torch.randn(size, channels, 28, 28), torch.randint(0, 10, (size,))) for size in (8, 8, 8, 3)]
    inputs = [images for images, _ in data]
    configs = population(family)
    found = evaluate_together(family, configs, data, Classification(), inputs)
    assert found == [evaluate(other, config, data, Classification(), inputs) for config in configs]
    assert len(set(found)) > 3
    assert same_statistics(family, other)
    assert not family.training


def test_without_inputs_to_calibrate_on_earlier_statistics_hold(family, train_data, valid_data):
    configs = population(family)
    for config in configs[:3]:
        family.calibrate(config, calibration_inputs(train_data, 48))
    expected = [evaluate(family, config, valid_data, Classification()) for config in configs]
    assert evaluate_together(family, configs, valid_data, Classification()) == expected


def test_a_config_that_comes_twice_is_answered_twice(family, train_data, valid_data):
    configs = [family.space.min(), family.space.max(), family.space.min()]
    first, other, again = evaluate_together(
        family, configs, valid_data, Classification(), calibration_inputs(train_data, 48)
    )
    assert first == again == evaluate(family, configs[0], valid_data, Classification())
    assert other == evaluate(family, configs[1], valid_data, Classification())


def test_no_members_have_no_numbers(family, valid_data):
    assert evaluate_together(family, [], valid_data, Classification()) == []


def test_other_tasks_have_their_own_metric(family, valid_data):
    data = [(images, functional.one_hot(labels, 3).float()) for images, labels in valid_data]
    configs = population(family)
    expected = [evaluate(family, config, data, Regression()) for config in configs]
    assert evaluate_together(family, configs, data, Regression()) == expected


def test_named_inputs_are_taken(family, train_data, valid_data):
    named = [{"x": images, "labels": labels} for images, labels in valid_data]
    configs, inputs = population(family), calibration_inputs(train_data, 48)
    expected = evaluate_together(family, configs, valid_data, Classification(), inputs)
    found = evaluate_together(family, configs, named, Classification(), [{"x": images} for images in inputs])
    assert found == expected


def test_members_of_other_resolutions_see_smaller_images():
    torch.manual_seed(0)
    model = nn.Sequential(
        nn.Conv2d(1, 16, 3), nn.BatchNorm2d(16), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(16, 3)
    )
    family = convert(model, torch.randn(2, 1, 12, 12), resolutions=[8])
    data = [(torch.randn(64, 1, 12, 12), torch.randint(0, 3, (64,))) for _ in range(2)]
    configs = [
        family.space.config({"input.resolution": size, "0.width": width}) for size in (8, 12) for width in (8, 16)
    ]
    other, inputs = copy.deepcopy(family), [images for images, _ in data]
    found = evaluate_together(family, configs, data, Classification(), inputs)
    assert found == [evaluate(other, config, data, Classification(), inputs) for config in configs]
    assert same_statistics(family, other)


def test_members_that_cannot_share_are_evaluated_one_by_one(family, train_data, valid_data):
    """A hook reads a number that an operator made: it could decide by it what runs next."""
    sums = []
    family.model.head.register_forward_hook(lambda module, inputs, output: sums.append(output.sum().item()))
    configs, inputs = population(family), calibration_inputs(train_data, 48)
    expected = [evaluate(family, config, valid_data, Classification(), inputs) for config in configs]
    assert evaluate_together(family, configs, valid_data, Classification(), inputs) == expected


def test_groups_of_members_that_fit_into_memory_give_the_same(family, train_data, valid_data, monkeypatch):
    configs, inputs = population(family), calibration_inputs(train_data, 48)
    expected = evaluate_together(family, configs, valid_data, Classification(), inputs)
    monkeypatch.setattr("supple.training.evaluating_together._BYTES_OF_WEIGHTS", 1)
    monkeypatch.setattr("supple.family.sharing._BYTES_AT_ONCE", 1)
    assert evaluate_together(family, configs, valid_data, Classification(), inputs) == expected


def test_data_are_gone_through_once(family, valid_data):
    seen = []

    def batches():
        for batch in valid_data:
            seen.append(batch)
            yield batch

    evaluate_together(family, population(family), batches(), Classification())
    assert len(seen) == len(valid_data)


def test_no_data_have_no_metric(family):
    with pytest.raises(SuppleError, match="no data to measure the accuracy on: give at least one batch"):
        evaluate_together(family, [family.space.max()], [], Classification())


def test_data_to_calibrate_on_must_be_there(family, valid_data):
    with pytest.raises(SuppleError, match="Calibration got no data: give at least one batch"):
        evaluate_together(family, [family.space.min()], valid_data, Classification(), [])


def test_a_batch_that_the_model_cannot_take_names_the_layer(family):
    batch = (torch.randn(4, 2, 6, 6), torch.zeros(4, dtype=torch.int64))
    with pytest.raises(SuppleError, match=r'its layer "stem\.0"'):
        evaluate_together(family, [family.space.max(), family.space.min()], [batch], Classification())


def test_labels_that_do_not_fit_are_refused(family):
    batch = (torch.randn(4, 1, 6, 6), torch.full((4,), 7))
    with pytest.raises(SuppleError, match="7"):
        evaluate_together(family, [family.space.max()], [batch], Classification())


def test_a_config_of_another_space_is_refused(family, valid_data):
    other = convert(nn.Sequential(nn.Linear(4, 16), nn.Linear(16, 2)), torch.randn(2, 4))
    with pytest.raises(SuppleError, match="belongs to space"):
        evaluate_together(family, [other.space.min()], valid_data, Classification())


def test_calibrations_of_other_members_stay(family, train_data, valid_data):
    inputs = calibration_inputs(train_data, 48)
    family.eval()
    family.calibrate(family.space.min(), inputs)
    before = {key: tensor.clone() for key, tensor in family.statistics[family.space.min()].items()}
    evaluate_together(family, [family.space.max()], valid_data, Classification(), inputs)
    assert all(torch.equal(family.statistics[family.space.min()][key], tensor) for key, tensor in before.items())
