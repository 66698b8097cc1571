"""Training a family: what it learns, what it leaves alone, and what it refuses."""

import copy
import re

import pytest
import torch
from conftest import Listener
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

from supple.errors import SuppleError
from supple.family import Family, convert
from supple.training import Accelerator, TrainConfig, UniformConfig, accuracy, calibration_inputs, train


class Spoiled:
    """Data of which some batches, by their number since the start, hold an input that is not a number."""

    def __init__(self, data, spoiled: set[int]) -> None:
        self.data = data
        self.spoiled = spoiled
        self.drawn = 0

    def __len__(self) -> int:
        return len(self.data)

    def set_epoch(self, epoch: int) -> None:
        self.data.set_epoch(epoch)

    def __iter__(self):
        for inputs, labels in self.data:
            if self.drawn in self.spoiled:
                inputs[0, 0, 0, 0] = torch.nan
            self.drawn += 1
            yield inputs, labels


def tensors(family) -> dict[str, torch.Tensor]:
    return {key: tensor.clone() for key, tensor in family.model.state_dict().items()}


def same(one: dict[str, torch.Tensor], other: dict[str, torch.Tensor]) -> bool:
    return one.keys() == other.keys() and all(torch.equal(one[key], other[key]) for key in one)


def test_both_ends_of_the_family_learn(family, train_data, valid_data, config):
    history = train(family, train_data, valid_data, config.model_copy(update={"epochs": 10}))
    first, last = history.rows[0], history.rows[-1]
    assert (last.epoch, last.step) == (10, 60)
    assert last.loss_largest < first.loss_largest
    assert last.metric_largest > 0.9
    assert last.metric_smallest > 0.8


def test_two_runs_are_the_same(converted, family, train_data, valid_data, config):
    other = Family(copy.deepcopy(family.model), converted.structure)
    first = train(family, train_data, valid_data, config)
    torch.rand(3)
    assert train(other, train_data, valid_data, config) == first
    assert same(tensors(family), tensors(other))


def test_the_surroundings_stay_as_they_were(family, train_data, valid_data, config):
    random_state = torch.get_rng_state()
    strides = {key: tensor.stride() for key, tensor in family.model.named_parameters()}
    train(family, train_data, valid_data, config)
    assert torch.equal(torch.get_rng_state(), random_state)
    assert {key: tensor.stride() for key, tensor in family.model.named_parameters()} == strides
    assert not family.training
    assert not family.statistics
    assert all(parameter.grad is None for parameter in family.parameters())


def test_progress_is_told_of_every_step_and_epoch(family, train_data, valid_data, config):
    listener = Listener()
    train(family, train_data, valid_data, config, progress=listener)
    assert listener.stages == [("train", 18, 0)]
    assert len(listener.figures) == 18
    assert listener.figures[0].keys() == {"loss", "loss_smallest", "images_per_s", "memory"}
    assert listener.lines[0].startswith("Epoch 1 of 3: validation accuracy ")


def test_a_plain_loader_will_do(family, valid_data, config):
    loader = DataLoader(TensorDataset(torch.randn(40, 1, 6, 6), torch.arange(40) % 3), batch_size=8, shuffle=True)
    assert len(train(family, loader, valid_data, config).rows) == 3


def test_a_frozen_parameter_stays(family, train_data, valid_data, config):
    weight = family.model.stem[0].weight.requires_grad_(False)
    before = weight.clone()
    train(family, train_data, valid_data, config)
    assert torch.equal(weight, before)


def test_a_loss_that_is_not_finite_never_reaches_the_weights(family, train_data, valid_data, config):
    listener = Listener()
    before = tensors(family)
    everything = set(range(len(train_data)))
    once = config.model_copy(update={"epochs": 1})
    history = train(family, Spoiled(train_data, everything), valid_data, once, progress=listener)
    assert same(tensors(family), before)
    assert history.rows[0].loss_largest is None
    assert listener.lines[4] == (
        "The update of step 5 (batch 5 of epoch 1) is skipped: the loss of "
        "Config(blocks.depth=2, stem.0.width=16) is nan."
    )


def test_training_goes_on_after_a_skipped_update(family, train_data, valid_data, config):
    listener = Listener()
    strict = config.model_copy(update={"skipped_steps_limit": 2})
    history = train(family, Spoiled(train_data, {2, 4}), valid_data, strict, progress=listener)
    assert sum("is skipped" in line for line in listener.lines) == 2
    assert all(torch.isfinite(tensor).all() for tensor in tensors(family).values())
    assert history.rows[0].loss_largest is not None


def test_a_gradient_that_is_not_finite_is_skipped_too(family, train_data, valid_data, config):
    listener = Listener()
    before = tensors(family)
    family.model.head.weight.register_hook(lambda gradient: gradient * torch.inf)
    train(family, train_data, valid_data, config.model_copy(update={"epochs": 1}), progress=listener)
    assert same(tensors(family), before)
    assert re.search("the gradient.s norm is (nan|inf), though every loss is finite", listener.lines[0])


def test_too_many_skipped_updates_in_a_row_stop_the_training(family, train_data, valid_data, config):
    strict = config.model_copy(update={"skipped_steps_limit": 3})
    with pytest.raises(SuppleError) as caught:
        train(family, Spoiled(train_data, {1, 2, 3}), valid_data, strict)
    assert str(caught.value) == (
        "3 updates in a row were skipped, the last at step 4 (batch 4 of epoch 1): the loss of "
        "Config(blocks.depth=2, stem.0.width=16) is nan. The learning rate is 0.01: try learning_rate 0.0025, or a "
        "longer warm-up (warmup_share). If that does not help, look for values in the data that are not finite."
    )


class TwoOutputs(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Sequential(nn.Flatten(), nn.Linear(36, 32), nn.ReLU())
        self.head = nn.Linear(32, 3)

    def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        logits = self.head(self.body(x))
        return logits, logits.exp()


def test_a_model_with_two_outputs_is_refused(train_data, valid_data, config):
    family = convert(TwoOutputs(), torch.randn(2, 1, 6, 6))
    with pytest.raises(SuppleError, match="The model returns a tuple of 2, not one tensor of logits"):
        train(family, train_data, valid_data, config)


def test_labels_that_the_model_does_not_know_are_refused(family, valid_data, config):
    loader = DataLoader(TensorDataset(torch.randn(8, 1, 6, 6), torch.arange(8)), batch_size=8)
    with pytest.raises(SuppleError, match="A label is 7, but the model tells 3 classes apart"):
        train(family, loader, valid_data, config)


def test_empty_data_are_refused(family, valid_data, config):
    with pytest.raises(SuppleError, match="The training data have no batches: give at least one"):
        train(family, [], valid_data, config)


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_a_gpu_that_is_not_there_is_refused(family, train_data, valid_data):
    with pytest.raises(SuppleError, match='The accelerator "cuda" is wanted, but PyTorch finds no GPU: use "auto"'):
        train(family, train_data, valid_data, TrainConfig(accelerator=Accelerator.CUDA))


def test_a_checkpoint_folder_that_cannot_be_made_is_named(family, train_data, valid_data, config, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(SuppleError, match=r'The folder ".*file/checkpoints" cannot be made: Not a directory'):
        train(family, train_data, valid_data, config, folder=tmp_path / "file" / "checkpoints")


def test_the_full_member_has_true_statistics_though_it_seldom_trains(family, train_data, valid_data, config):
    seldom = config.model_copy(update={"sampler": UniformConfig(), "epochs": 6, "seed": 2})
    history = train(family, train_data, valid_data, seldom)
    assert history.rows[-1].metric_largest == accuracy(family, family.space.max(), valid_data) > 0.8
    inputs = calibration_inputs(train_data, config.calibration_images)
    before = {name: buffer.clone() for name, buffer in family.named_buffers()}
    family.refresh_statistics(inputs)
    for name, buffer in family.named_buffers():
        torch.testing.assert_close(buffer, before[name])
