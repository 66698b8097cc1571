"""Calibration: a member's own batch-norm statistics."""

import copy
import random

import pytest
import torch
from family_cases import HARD, REFERENCE, snapshot
from torch import nn
from torch.utils.data import DataLoader

from supple import Config, Family, convert
from supple.errors import SuppleError
from supple.family.calibration import recomputed_statistics
from supple.trace import ModelInputs

BATCHES = [REFERENCE["mobilenet_small"].inputs(8) for _ in range(3)]


def member_of(family: Family) -> Config:
    return family.space.sample(random.Random(3))


def recomputed_by_pytorch(model: nn.Module, batches: list[torch.Tensor]) -> dict[str, torch.Tensor]:
    """Return the statistics as PyTorch's own cumulative average gives them."""
    model = copy.deepcopy(model).eval()
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.reset_running_stats()
            module.momentum = None
            module.train()
    with torch.no_grad():
        for batch in batches:
            model(batch)
    return {key: buffer for key, buffer in model.named_buffers() if "running" in key}


def test_statistics_are_those_that_pytorch_recomputes(mobilenet: Family) -> None:
    config = member_of(mobilenet)
    expected = recomputed_by_pytorch(mobilenet.extract(config), BATCHES)
    mobilenet.calibrate(config, BATCHES)
    found = dict(mobilenet.extract(config).named_buffers())
    assert expected
    # Sums in another order round otherwise, layer after layer.
    assert all(torch.allclose(found[key], buffer, rtol=1e-4, atol=1e-5) for key, buffer in expected.items())


@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
@pytest.mark.parametrize("mean", [0.0, 3.0, 1e4])
@pytest.mark.parametrize("size", [2, 12])
def test_moments_are_those_of_the_batch(layout: torch.memory_format, mean: float, size: int) -> None:
    x = torch.randn(16, 5, size, size, generator=torch.Generator().manual_seed(0)) * torch.arange(5.0).view(5, 1, 1)
    x = (x + mean).contiguous(memory_format=layout)
    norm = nn.BatchNorm2d(5)
    found = recomputed_statistics(nn.Sequential(norm).eval(), [ModelInputs.of(x)])
    exact = x.double()
    assert torch.allclose(found["0.running_mean"].double(), exact.mean((0, 2, 3)), rtol=1e-5, atol=1e-5)
    assert torch.allclose(found["0.running_var"].double(), exact.var((0, 2, 3)), rtol=1e-3, atol=1e-3)
    assert found["0.num_batches_tracked"] == 1
    assert torch.equal(norm.running_mean, torch.zeros(5))


@pytest.mark.parametrize("norm", [nn.BatchNorm1d(6), nn.InstanceNorm2d(6, track_running_stats=True)])
def test_other_norms_have_the_statistics_that_pytorch_keeps(norm: nn.Module) -> None:
    x = torch.randn(8, 6) if isinstance(norm, nn.BatchNorm1d) else torch.randn(8, 6, 5, 5)
    found = recomputed_statistics(nn.Sequential(norm).eval(), [ModelInputs.of(x)])
    norm.momentum = 1.0
    norm.train()(x)
    assert torch.allclose(found["0.running_mean"], norm.running_mean, atol=1e-5)
    assert torch.allclose(found["0.running_var"], norm.running_var, rtol=1e-4)


def test_a_norm_that_never_runs_keeps_its_statistics() -> None:
    class Unused(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.norm, self.unused = nn.BatchNorm1d(4), nn.BatchNorm1d(4)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.norm(x)  # type: ignore[no-any-return]

    found = recomputed_statistics(Unused().eval(), [ModelInputs.of(torch.randn(8, 4))])
    assert torch.equal(found["unused.running_var"], torch.ones(4))


@pytest.mark.parametrize("training", [False, True], ids=["eval", "training"])
def test_calibration_works_from_any_mode_and_changes_nothing_else(mobilenet: Family, training: bool) -> None:
    mobilenet.train(training)
    mobilenet.model.head.train(not training)
    before = snapshot(mobilenet.model)
    config = member_of(mobilenet)
    mobilenet.calibrate(config, BATCHES)
    assert mobilenet.statistics[config]
    assert snapshot(mobilenet.model) == before


def test_calibrated_outputs_differ_and_normalise_better(mobilenet: Family) -> None:
    mobilenet.eval()
    config = member_of(mobilenet)
    seen: list[torch.Tensor] = []
    mobilenet.model.blocks[0].expand[1].register_forward_hook(lambda module, inputs, output: seen.append(output))
    before = mobilenet(BATCHES[0], config=config)
    mobilenet.calibrate(config, BATCHES[:1])
    uncalibrated = seen[0]
    after = mobilenet(BATCHES[0], config=config)
    assert not torch.equal(before, after)
    # Behind a norm without bias every channel of the batch then has about mean 0.
    assert seen[-1].mean((0, 2, 3)).abs().max() < 0.1 * uncalibrated.mean((0, 2, 3)).abs().max()


def test_members_keep_their_own_statistics(mobilenet: Family) -> None:
    mobilenet.eval()
    one, other = member_of(mobilenet), mobilenet.space.min()
    mobilenet.calibrate(one, BATCHES)
    expected = mobilenet(BATCHES[0], config=one)
    mobilenet.calibrate(other, BATCHES[:1])
    assert torch.equal(mobilenet(BATCHES[0], config=one), expected)
    assert mobilenet.statistics.keys() == {one, other}


def test_calibrating_again_starts_afresh(mobilenet: Family) -> None:
    config = member_of(mobilenet)
    mobilenet.calibrate(config, BATCHES[:1])
    mobilenet.calibrate(config, BATCHES[1:])
    again = mobilenet.statistics[config]
    mobilenet.forget_calibrations()
    mobilenet.calibrate(config, BATCHES[1:])
    assert all(torch.equal(again[key], buffer) for key, buffer in mobilenet.statistics[config].items())


def test_the_full_member_keeps_the_models_own_statistics(mobilenet: Family) -> None:
    before = snapshot(mobilenet.model)
    mobilenet.calibrate(mobilenet.space.max(), BATCHES)
    assert mobilenet.statistics == {}
    assert snapshot(mobilenet.model) == before


def test_statistics_are_forgotten_when_training_begins(mobilenet: Family) -> None:
    mobilenet.eval()
    config = member_of(mobilenet)
    before = mobilenet(BATCHES[0], config=config)
    mobilenet.calibrate(config, BATCHES)
    mobilenet.eval()
    assert config in mobilenet.statistics
    mobilenet.train()
    assert mobilenet.statistics == {}
    assert torch.equal(mobilenet.eval()(BATCHES[0], config=config), before)


def test_no_data_is_refused_and_leaves_everything(mobilenet: Family) -> None:
    before = snapshot(mobilenet.model)
    config = member_of(mobilenet)
    with pytest.raises(SuppleError, match="Calibration got no data: give at least one batch of inputs"):
        mobilenet.calibrate(config, [])
    assert snapshot(mobilenet.model) == before
    assert mobilenet.statistics == {}


def test_an_error_in_the_data_leaves_everything(mobilenet: Family) -> None:
    before = snapshot(mobilenet.model)
    with pytest.raises(RuntimeError):
        mobilenet.calibrate(member_of(mobilenet), [BATCHES[0], torch.randn(4, 7, 32, 32)])
    assert snapshot(mobilenet.model) == before
    assert mobilenet.statistics == {}


def test_batches_of_several_inputs_are_tuples() -> None:
    class Two(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.first, self.norm, self.last = nn.Linear(3, 16), nn.BatchNorm1d(16), nn.Linear(16, 3)

        def forward(self, x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
            return self.last(self.norm(self.first(x))) + y  # type: ignore[no-any-return]

    batch = (torch.randn(8, 3), torch.randn(8, 3))
    family = convert(Two(), batch)
    family.calibrate(family.space.min(), iter([batch]))
    mean = family.statistics[family.space.min()]["norm.running_mean"]
    assert torch.allclose(mean, family.model.first(batch[0])[:, :8].mean(0))


def test_a_data_loader_can_give_the_batches(mobilenet: Family) -> None:
    config = member_of(mobilenet)
    mobilenet.calibrate(config, DataLoader(torch.cat(BATCHES), batch_size=8))  # type: ignore[arg-type]
    loaded = mobilenet.statistics[config]
    mobilenet.calibrate(config, BATCHES)
    assert all(torch.equal(loaded[key], buffer) for key, buffer in mobilenet.statistics[config].items())


def test_a_family_without_norms_has_nothing_to_calibrate() -> None:
    family = convert(HARD["flattened"].model(), HARD["flattened"].inputs(2)).eval()
    x = HARD["flattened"].inputs()
    before = family(x, config=family.space.min())
    family.calibrate(family.space.min(), [x])
    assert torch.equal(family(x, config=family.space.min()), before)


def test_statistics_of_a_shared_norm_stand_under_all_its_keys() -> None:
    class Shared(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.first, self.norm, self.last = nn.Linear(3, 16), nn.BatchNorm1d(16), nn.Linear(16, 3)
            self.again = self.norm

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.last(self.again(self.norm(self.first(x))))  # type: ignore[no-any-return]

    family = convert(Shared(), torch.randn(8, 3)).eval()
    config = family.space.min()
    x = torch.randn(8, 3)
    family.calibrate(config, [x])
    member = family.extract(config)
    assert member.again is member.norm
    assert torch.equal(family(x, config=config), member(x))
    state = member.state_dict()
    assert torch.equal(state["norm.running_mean"], state["again.running_mean"])
    assert all(torch.equal(family.materialize(config)[key], tensor) for key, tensor in state.items())


class Viewed(nn.Module):
    """Its code takes images in one layout only, behind a norm; `layouts` are those that reached it."""

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.norm, self.last = nn.Conv2d(3, 16, 3), nn.BatchNorm2d(16), nn.Linear(16 * 4, 3)
        self.layouts: list[bool] = []

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.norm(self.conv(x))
        self.layouts.append(x.is_contiguous())
        return self.last(x.view(len(x), -1))  # type: ignore[no-any-return]


def test_images_have_their_channels_last_where_the_code_takes_it() -> None:
    seen: list[bool] = []
    model = nn.Sequential(nn.Conv2d(3, 16, 3), nn.BatchNorm2d(16)).eval()
    model[1].register_forward_hook(
        lambda module, inputs, output: seen.append(output.is_contiguous(memory_format=torch.channels_last))
    )
    recomputed_statistics(model, [ModelInputs.of(torch.randn(2, 3, 8, 8))] * 2)
    assert seen == [True, True]


def test_code_that_takes_one_layout_only_gets_it() -> None:
    model = Viewed().eval()
    batches = [torch.randn(4, 3, 4, 4) for _ in range(3)]
    with torch.no_grad():
        found = recomputed_statistics(model, map(ModelInputs.of, batches))
        expected = torch.stack([model.conv(batch).mean((0, 2, 3)) for batch in batches]).mean(0)
    assert torch.allclose(found["norm.running_mean"], expected, atol=1e-6)
    assert found["norm.num_batches_tracked"] == 3
    # Tried once, and then no more.
    assert model.layouts == [False, True, True, True]
