"""The running average of weights: its numbers, swapping it in and out, and its state."""

import copy

import pytest
import torch
from torch import Tensor, nn

from supple.errors import SuppleError
from supple.training.averaging import WeightAverage


def network() -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4), nn.Flatten(), nn.Linear(16, 3))


def train_a_step(model: nn.Module, seed: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    model.zero_grad()
    model(torch.randn(8, 1, 4, 4, generator=generator)).square().mean().backward()
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.grad is not None:
                parameter.sub_(parameter.grad, alpha=0.1)


def snapshot(model: nn.Module) -> dict[str, Tensor]:
    return {name: tensor.clone() for name, tensor in model.state_dict().items()}


def assert_same(one: dict[str, Tensor], other: dict[str, Tensor]) -> None:
    assert one.keys() == other.keys()
    assert all(torch.equal(one[name], other[name]) for name in one)


def test_it_is_the_exponential_average_with_a_faster_start():
    model = network()
    average = WeightAverage(model, decay=0.25)
    expected = snapshot(model)
    for step, decay in enumerate([1 / 10, 2 / 11, 3 / 12, 0.25, 0.25]):
        train_a_step(model, step)
        average.update()
        for name, tensor in model.state_dict().items():
            expected[name] = decay * expected[name] + (1 - decay) * tensor if tensor.is_floating_point() else tensor
    with average.swapped_in():
        for name, tensor in model.state_dict().items():
            torch.testing.assert_close(tensor, expected[name])


def test_the_model_has_its_own_weights_back_bit_for_bit():
    model = network()
    average = WeightAverage(model, decay=0.9)
    train_a_step(model, 0)
    average.update()
    before, averaged = snapshot(model), {name: tensor.clone() for name, tensor in average.state().items()}
    with pytest.raises(ZeroDivisionError), average.swapped_in():
        raise ZeroDivisionError
    with average.swapped_in():
        assert not torch.equal(model[0].weight, before["0.weight"])
    assert_same(snapshot(model), before)
    assert_same(average.state(), averaged)


def test_a_model_in_half_precision_has_its_weights_back_and_its_average_is_not_rounded():
    model = network().to(torch.bfloat16)
    average = WeightAverage(model, decay=0.999)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(1)
    for _ in range(20):
        average.update()
    before, averaged = snapshot(model), {name: tensor.clone() for name, tensor in average.state().items()}
    assert averaged["average/0.weight"].dtype == torch.float32
    with average.swapped_in():
        assert torch.equal(model[0].weight, averaged["average/0.weight"].to(torch.bfloat16))
    assert_same(snapshot(model), before)
    assert_same(average.state(), averaged)


def test_buffers_of_real_numbers_are_averaged_and_counters_are_not():
    model = network()
    average = WeightAverage(model, decay=0.5)
    train_a_step(model, 0)
    mean = model[1].running_mean.clone()
    average.update()
    with average.swapped_in():
        torch.testing.assert_close(model[1].running_mean, 0.9 * mean)
        assert model[1].num_batches_tracked == 1


def test_frozen_parameters_take_no_copy():
    model = network()
    model[0].requires_grad_(False)
    assert [name for name in WeightAverage(model, 0.9).state() if name.startswith("average/0.")] == []


def test_the_order_in_memory_is_that_of_the_weights():
    model = network()
    model[0].weight.data = torch.randn(4, 3, 3, 3).contiguous(memory_format=torch.channels_last)
    average = WeightAverage(model, 0.9)
    assert average.state()["average/0.weight"].stride() == model[0].weight.stride()


def test_with_a_restored_state_it_goes_on_bit_for_bit():
    model = network()
    average = WeightAverage(model, decay=0.4)
    for step in range(4):
        train_a_step(model, step)
        average.update()
    other = copy.deepcopy(model)
    restored = WeightAverage(other, decay=0.4)
    restored.load_state({name: tensor.clone() for name, tensor in average.state().items()})
    for step in range(4, 8):
        for each, its_average in ((model, average), (other, restored)):
            train_a_step(each, step)
            its_average.update()
    assert_same(average.state(), restored.state())


def test_adopting_gives_the_model_the_average():
    model = network()
    average = WeightAverage(model, decay=0.4)
    train_a_step(model, 0)
    average.update()
    average.adopt()
    for name, parameter in model.named_parameters():
        assert torch.equal(parameter, average.state()[f"average/{name}"]), name


def test_the_state_of_another_model_is_refused():
    state = WeightAverage(nn.Linear(2, 3), 0.9).state()
    message = r'The averaged weights are of another model: "average/weight" is \(3, 2\) there, but \(4, 2\) here.'
    with pytest.raises(SuppleError, match=message):
        WeightAverage(nn.Linear(2, 4), 0.9).load_state(state)
