"""Families: members taken out are independent and true, and what a family tells of itself."""

import copy
import random
from dataclasses import replace

import pytest
import torch
from family_cases import HARD, REFERENCE, snapshot
from torch import nn

from supple import Config, Family, SuppleError, convert
from supple.family.counting import count_macs

X = REFERENCE["mobilenet_small"].inputs()


def member_of(family: Family) -> Config:
    return family.space.sample(random.Random(3))


def test_an_extracted_network_is_independent(mobilenet: Family) -> None:
    mobilenet.eval()
    config = member_of(mobilenet)
    before = snapshot(mobilenet.model)
    member = mobilenet.extract(config)
    expected = mobilenet(X, config=config)
    storages = {tensor.untyped_storage().data_ptr() for tensor in mobilenet.state_dict().values() if tensor.numel()}
    for tensor in member.state_dict().values():
        assert tensor.untyped_storage().data_ptr() not in storages
        assert tensor.untyped_storage().nbytes() == tensor.numel() * tensor.element_size()
    with torch.no_grad():
        for tensor in member.state_dict().values():
            tensor.zero_()
    member.blocks[0].extra = 3
    assert snapshot(mobilenet.model) == before
    assert torch.equal(mobilenet(X, config=config), expected)


def test_training_an_extracted_network_leaves_the_family(mobilenet: Family) -> None:
    before = snapshot(mobilenet.model)
    member = mobilenet.extract(member_of(mobilenet)).train()
    optimizer = torch.optim.SGD(member.parameters(), 0.1)
    member(X).sum().backward()
    optimizer.step()
    assert snapshot(mobilenet.model) == before
    assert all(parameter.grad is None for parameter in mobilenet.parameters())


def test_extracted_attributes_are_true(mobilenet: Family) -> None:
    rng = random.Random(4)
    families = [mobilenet, *(convert(case.model(), case.inputs(2)) for case in HARD.values())]
    for family in families:
        for config in (family.space.min(), *(family.space.sample(rng) for _ in range(3))):
            for module in family.extract(config).modules():
                if isinstance(module, nn.Conv2d):
                    channels = module.out_channels, module.in_channels // module.groups
                    assert tuple(module.weight.shape[:2]) == channels
                elif isinstance(module, nn.Linear):
                    assert tuple(module.weight.shape) == (module.out_features, module.in_features)
                elif isinstance(module, nn.BatchNorm2d | nn.BatchNorm1d):
                    assert module.running_mean is not None
                    assert len(module.running_mean) == module.num_features
                elif isinstance(module, nn.Embedding):
                    assert tuple(module.weight.shape) == (module.num_embeddings, module.embedding_dim)


def test_an_extracted_network_loads_its_own_state_dict(mobilenet: Family) -> None:
    config = member_of(mobilenet)
    member, other = mobilenet.extract(config).eval(), mobilenet.extract(config).eval()
    with torch.no_grad():
        for parameter in other.parameters():
            parameter.zero_()
    other.load_state_dict(member.state_dict())
    assert torch.equal(other(X), member(X))


def test_a_network_extracted_in_training_mode_has_the_statistics(mobilenet: Family) -> None:
    config = member_of(mobilenet)
    expected = mobilenet.eval()(X, config=config)
    assert torch.equal(mobilenet.train().extract(config).eval()(X), expected)


def test_an_extracted_network_has_no_gradients(mobilenet: Family) -> None:
    config = member_of(mobilenet)
    mobilenet(X, config=config).sum().backward()
    assert all(parameter.grad is None for parameter in mobilenet.extract(config).parameters())


def test_materialized_weights_pass_gradients_on(mobilenet: Family) -> None:
    config = member_of(mobilenet)
    tensors = mobilenet.materialize(config)
    (tensors["stem.0.weight"].sum() * 2 + tensors["classifier.bias"].sum() * 3).backward()
    gradient = mobilenet.model.stem[0].weight.grad
    assert gradient is not None
    assert torch.equal(gradient[: config["stem.width"]], torch.full_like(gradient[: config["stem.width"]], 2))
    assert not gradient[config["stem.width"] :].any()
    assert torch.equal(mobilenet.model.classifier.bias.grad, torch.full((10,), 3.0))


def test_materialized_buffers_are_copies(mobilenet: Family) -> None:
    before = snapshot(mobilenet.model)
    for key, tensor in mobilenet.materialize(mobilenet.space.max()).items():
        if "running" in key:
            tensor.zero_()
    assert snapshot(mobilenet.model) == before


def test_materialized_weights_run_the_extracted_network(mobilenet: Family) -> None:
    mobilenet.eval()
    config = member_of(mobilenet)
    member = mobilenet.extract(config)
    output = torch.func.functional_call(member, mobilenet.materialize(config), (X,))
    assert torch.equal(output, member(X))


def test_parameters_are_counted_as_in_the_extracted_network(mobilenet: Family) -> None:
    rng = random.Random(1)
    families = [mobilenet, *(convert(case.model(), case.inputs(2)) for case in HARD.values())]
    for family in families:
        for config in (family.space.min(), family.space.max(), family.space.sample(rng)):
            counted = sum(parameter.numel() for parameter in family.extract(config).parameters())
            assert family.count_parameters(config) == counted


def test_macs_are_counted_as_in_the_extracted_network(mobilenet: Family) -> None:
    for config in (mobilenet.space.min(), mobilenet.space.max(), member_of(mobilenet)):
        assert mobilenet.count_macs(config) == count_macs(mobilenet.extract(config), X)


def test_macs_are_those_at_the_member_s_resolution() -> None:
    family = convert(nn.Sequential(nn.Conv2d(3, 16, 1), nn.Conv2d(16, 5, 1)), torch.randn(2, 3, 8, 8), resolutions=[4])
    full = family.space.max()
    assert family.count_macs(family.space.config({**full, "input.resolution": 4})) * 4 == family.count_macs(full)


def test_without_the_shapes_of_its_inputs_a_family_counts_nothing(mobilenet: Family) -> None:
    family = Family(mobilenet.model, replace(mobilenet.structure, inputs=None))
    with pytest.raises(SuppleError, match="shapes of the example inputs cannot be written down"):
        family.count_macs(family.space.max())
    assert family.summary().smallest.macs is None


def test_a_copied_family_is_a_family_of_its_own(mobilenet: Family) -> None:
    mobilenet.eval()
    config = member_of(mobilenet)
    mobilenet.calibrate(config, [X])
    other = copy.deepcopy(mobilenet)
    expected = mobilenet(X, config=config)
    assert torch.equal(other(X, config=config), expected)
    with torch.no_grad():
        for parameter in other.parameters():
            parameter.add_(1)
    assert torch.equal(mobilenet(X, config=config), expected)
    assert not other.training
    assert not torch.equal(other(X, config=config), expected)


def test_a_familys_parameters_are_the_shared_weights(mobilenet: Family) -> None:
    assert [id(parameter) for parameter in mobilenet.parameters()] == [
        id(parameter) for parameter in mobilenet.model.parameters()
    ]


def test_an_optimizer_trains_the_shared_weights_through_a_member(resnet: Family) -> None:
    torch.manual_seed(0)
    config = resnet.space.min()
    x, labels = torch.randn(16, 1, 28, 28), torch.arange(16) % 10
    optimizer = torch.optim.SGD(resnet.train().parameters(), 0.1)
    losses = []
    for _ in range(10):
        optimizer.zero_grad()
        loss = nn.functional.cross_entropy(resnet(x, config=config), labels)
        torch.autograd.backward(loss)
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < 0.7 * losses[0]
