"""What a user of `train` gets wrong is told in one line, before or at the first step where it can be."""

import copy
import json
import re

import pytest
import torch
from conftest import Listener, SmallNet, image_batches
from torch import nn
from torch.utils.data import DataLoader, IterableDataset, TensorDataset

from supple.errors import SuppleError
from supple.family import Family, convert
from supple.training import (
    AugmentationConfig,
    Precision,
    Regression,
    SandwichConfig,
    TrainConfig,
    UniformConfig,
    train,
)

X = torch.randn(32, 1, 6, 6, generator=torch.Generator().manual_seed(0))
Y = torch.arange(32) % 3
BEFORE_THE_FIRST_STEP = TrainConfig(epochs=1, optimizer="nothing:here")


def batches(inputs, labels):
    return list(zip(inputs.split(16), labels.split(16), strict=True))


class Endless(IterableDataset):
    def __iter__(self):
        yield from zip(X, Y, strict=True)


class Detached(SmallNet):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return super().forward(x).detach()


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        (
            Y * 8,
            "A label is 16, but the model tells 3 classes apart, 0 to 2: give the model as many outputs as there are "
            "classes.",
        ),
        (
            Y + 1,
            "A label is 3, but the model tells 3 classes apart, 0 to 2: number the classes from 0, or give the model "
            "as many outputs as there are classes.",
        ),
        (Y - 1, "A label is -1, but the model tells 3 classes apart, 0 to 2: number the classes from 0."),
        (
            Y.float(),
            "The labels are torch.float32 of shape (16,): expected torch.int64 of shape (16,), one for each sample.",
        ),
        (
            nn.functional.one_hot(Y),
            "The labels are torch.int64 of shape (16, 3): expected torch.int64 of shape (16,), one for each sample.",
        ),
    ],
)
def test_labels_that_the_model_does_not_know(family, valid_data, config, labels, message):
    with pytest.raises(SuppleError) as caught:
        train(family, batches(X, labels), valid_data, config)
    assert str(caught.value) == message
    with pytest.raises(SuppleError) as caught:
        train(family, batches(X, Y), batches(X, labels), config)
    assert str(caught.value) == message


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (
            DataLoader(TensorDataset(X, Y), batch_size=64, drop_last=True),
            "The {} data have no batches: give at least one. A loader with drop_last has none where the batch size is "
            "larger than the data.",
        ),
        ([], "The {} data have no batches: give at least one."),
        (iter(batches(X, Y)), "The {} data are list_iterator: give a list of batches, or a loader with a length."),
        (
            DataLoader(Endless(), batch_size=16),
            "The {} data (DataLoader) do not know how many batches they have: give them a length (__len__).",
        ),
    ],
    ids=["drop_last", "empty", "generator", "endless"],
)
def test_data_without_batches(family, data, message):
    for name, train_data, valid_data in (("training", data, [0]), ("validation", batches(X, Y), data)):
        with pytest.raises(SuppleError, match=re.escape(message.format(name))):
            train(family, train_data, valid_data, BEFORE_THE_FIRST_STEP)


def test_inputs_of_another_shape_are_told_with_the_layer_that_complains(family, config):
    colours = batches(X.expand(-1, 3, -1, -1), Y)
    message = (
        'The model cannot take a batch of shape [16, 3, 6, 6]: its layer "stem.0" (Conv2d) got [16, 3, 6, 6] of '
        "float32, but expects 1 channels in the second of 4 axes ("
    )
    with pytest.raises(SuppleError, match=re.escape(message)):
        train(family, colours, batches(X, Y), config)
    with pytest.raises(SuppleError, match=re.escape(message)):
        train(family, batches(X, Y), colours, config)


def test_a_model_that_is_frozen(family, train_data, valid_data):
    family.model.requires_grad_(False)
    with pytest.raises(SuppleError) as caught:
        train(family, train_data, valid_data, BEFORE_THE_FIRST_STEP)
    assert str(caught.value) == "The model has no parameter to train: requires_grad is False for all of them."


def test_a_model_that_loses_its_gradient(train_data, valid_data, config):
    family = convert(Detached(), torch.randn(2, 1, 6, 6))
    with pytest.raises(SuppleError) as caught:
        train(family, train_data, valid_data, config)
    assert str(caught.value) == (
        "The model's outputs have no gradient, it is lost in its own forward: look there for torch.no_grad(), "
        "detach(), .data, argmax or a conversion to NumPy."
    )


def test_training_without_gradients(family, train_data, valid_data, config):
    with (
        torch.no_grad(),
        pytest.raises(SuppleError, match=r"Gradients are off: training is called under torch.no_grad"),
    ):
        train(family, train_data, valid_data, config)


@pytest.mark.parametrize(
    ("optimizer", "message"),
    [
        (
            "torch.optim:AdamX",
            'Cannot import "torch.optim:AdamX": module "torch.optim" has no "AdamX"; did you mean "Adam"?',
        ),
        (
            "torch.optimm:Adam",
            'Cannot import "torch.optimm:Adam": package "torch" has no module "optimm"; did you mean "optim"?',
        ),
        (
            "torch.optim.Adam",
            '"torch.optim.Adam" is no import path: expected "package.module:function"; '
            'did you mean "torch.optim:Adam"?',
        ),
        (
            "torch:zeros",
            '"torch:zeros" is no optimizer: expected a class derived from torch.optim.Optimizer.',
        ),
    ],
)
def test_an_optimizer_that_is_not_there(family, train_data, valid_data, optimizer, message):
    with pytest.raises(SuppleError) as caught:
        train(family, train_data, valid_data, TrainConfig(optimizer=optimizer))
    assert str(caught.value) == message


def test_mixup_of_labels_that_are_no_classes(family, config):
    mixing = config.model_copy(update={"augmentation": AugmentationConfig(mixup_alpha=0.2)})
    targets = batches(X, torch.randn(32, 3))
    with pytest.raises(SuppleError) as caught:
        train(family, targets, targets, mixing, task=Regression())
    assert str(caught.value) == (
        "Mixup and cutmix need one class for each image, not labels of torch.float32 [16, 3]: leave them out."
    )


@pytest.mark.parametrize(
    ("changes", "what"),
    [
        ({"learning_rate": 0.5}, "learning_rate 0.01, not 0.5"),
        ({"sampler": UniformConfig()}, "sampler.kind sandwich, not uniform"),
        ({"sampler": SandwichConfig(random_members=3)}, "sampler.random_members 1, not 3"),
    ],
)
def test_a_resume_with_another_setting(converted, train_data, valid_data, config, tmp_path, changes, what):
    for settings in (config, config.model_copy(update=changes)):
        family = Family(copy.deepcopy(converted.model), converted.structure)
        if settings is config:
            train(family, train_data, valid_data, settings, folder=tmp_path)
            continue
        with pytest.raises(SuppleError) as caught:
            train(family, train_data, valid_data, settings, folder=tmp_path)
        assert str(caught.value) == (
            f'The checkpoints in "{tmp_path}" are of a run with {what}. Use another folder, or the earlier setting.'
        )


def diverging(learning_rate: float, tmp_path) -> tuple[Listener, list[dict[str, object]]]:
    """Train a network without norms, and return what was said and logged, until the end or an error."""
    torch.manual_seed(0)
    layers = (nn.Linear(36, 32), nn.ReLU(), nn.Linear(32, 32), nn.ReLU(), nn.Linear(32, 3))
    family = convert(nn.Sequential(nn.Flatten(), *layers), X[:2])
    config = TrainConfig(
        epochs=10,
        optimizer="torch.optim:SGD",
        learning_rate=learning_rate,
        precision=Precision.FP32,
        skipped_steps_limit=4,
    )
    listener = Listener()
    try:
        data = image_batches(96, seed=1, shuffle=True), image_batches(48, seed=2)
        train(family, *data, config, folder=tmp_path, progress=listener)
    except SuppleError as error:
        listener.lines.append(str(error))
    return listener, [json.loads(line) for line in (tmp_path / "training.jsonl").read_text().splitlines()]


def test_a_learning_rate_that_diverges_is_told_once_with_advice(tmp_path):
    listener, log = diverging(30.0, tmp_path)
    (line,) = [line for line in listener.lines if not line.startswith("Epoch ")]
    assert line.startswith("Training diverges: the loss of the largest member is ")
    assert line.endswith("The learning rate is 30: try learning_rate 7.5, or a longer warm-up (warmup_share).")
    assert [entry["text"] for entry in log if entry["kind"] == "note"] == [line]


def test_a_learning_rate_that_leaves_nothing_finite_stops_the_training(tmp_path):
    listener, log = diverging(1e30, tmp_path)
    assert listener.lines[-1].startswith("4 updates in a row were skipped, the last at step ")
    assert "The learning rate is 1e+30: try learning_rate 2.5e+29, or a longer warm-up" in listener.lines[-1]
    skips = [entry["text"] for entry in log if entry["kind"] == "skip"]
    assert skips == [line for line in listener.lines if line.startswith("The update of step ")]
    assert len(skips) >= 4
