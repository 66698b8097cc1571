"""Blended networks: where every share is 0 or 1 they are the member; between, weights are mixtures of slices."""

import random
from itertools import product

import pytest
import torch
from family_snapshot import snapshot_of
from network_cases import NETWORKS, family_of, images
from torch import nn

from supple import Choice, convert
from supple.searching.relaxation import Relaxation, normalised_by_batch
from supple.space import Kind
from supple.trace import ModelInputs


class Options(nn.Module):
    """A choice of blocks, one of which does nothing, before a block that may be left out."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Linear(12, 16)
        self.choice = Choice(nn.Sequential(nn.Linear(16, 24), nn.ReLU(), nn.Linear(24, 16)), nn.Identity())
        self.head = nn.Linear(16, 4)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Map x: (batch, 12) to (batch, 4)."""
        return self.head(self.choice(self.stem(x).tanh()))  # type: ignore[no-any-return]


class OwnNorm(nn.Module):
    """Divides by the mean size of its channels in code of its own, which knows nothing of shares."""

    def __init__(self) -> None:
        super().__init__()
        self.stem, self.hidden, self.head = nn.Linear(12, 32), nn.Linear(32, 32), nn.Linear(32, 4)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Map x: (batch, 12) to (batch, 4)."""
        x = self.stem(x).relu()
        x = x / (x.abs().mean(-1, keepdim=True) + 0.1)
        return self.head(self.hidden(x).relu())  # type: ignore[no-any-return]


def _trained_like(family):
    """Let norms have weights, biases and statistics, as training gives them."""
    generator = torch.Generator().manual_seed(3)
    with torch.no_grad():
        for tensor in (*family.parameters(), *family.buffers()):
            if tensor.is_floating_point():
                tensor.add_(0.1 * torch.rand(tensor.shape, generator=generator))
    return family


def _relaxed(family, x):
    return Relaxation.of(family, ModelInputs.of(x))


def _configs(family, count=8):
    rng = random.Random(5)
    return [family.space.min(), family.space.max(), *(family.space.sample(rng) for _ in range(count))]


def _assert_members(relaxation, x):
    family = relaxation.family
    outputs = set()
    for config in _configs(family):
        inputs = family.resize(config, x)
        with torch.no_grad():
            with relaxation.blend(relaxation.shares_of(config), config) as blended:
                found = blended(inputs)
            expected = family(inputs, config=config)
        assert torch.allclose(found, expected, rtol=1e-4, atol=1e-5 * expected.abs().max().item()), config
        outputs.add(expected.sum().item())
    assert len(outputs) > 2


@pytest.mark.parametrize("network", NETWORKS)
def test_shares_of_0_and_1_give_the_member(network):
    family = _trained_like(family_of(network))
    x = images(family, 1)[0][0]
    relaxation = _relaxed(family, x)
    assert relaxation.sampled == ()
    _assert_members(relaxation, x)


def test_the_networks_have_all_the_kinds_that_are_blended():
    kinds = {entry.kind for name in NETWORKS for entry in family_of(name).space.dimensions}
    assert kinds == {Kind.WIDTH, Kind.HIDDEN, Kind.HEADS, Kind.EMBED, Kind.DEPTH, Kind.KERNEL}


@pytest.mark.parametrize("network", NETWORKS)
def test_blending_leaves_the_family_as_it_was(network):
    family = _trained_like(family_of(network))
    x = images(family, 1)[0][0]
    before = snapshot_of(family)
    relaxation = _relaxed(family, x)
    shares = {name: share.requires_grad_() for name, share in relaxation.shares_of(family.space.min()).items()}
    with normalised_by_batch(family), relaxation.blend(shares) as blended:
        blended(x).sum().backward()
    assert snapshot_of(family) == before
    assert any(share.grad.abs().sum() > 0 for share in shares.values())


def test_a_weight_is_the_sum_of_its_slices_by_their_shares():
    family = family_of("resnet")
    relaxation = Relaxation(family, ["stages.0.0.hidden", "stages.0.width"])
    generator = torch.Generator().manual_seed(0)
    shares = {name: torch.rand(2, generator=generator).softmax(0) for name in relaxation.blended}
    weight = family.model.stages[0][0].conv2.weight
    expected = torch.zeros_like(weight)
    for (rows, out), (columns, inner) in product(
        *(zip(family.space[name].values, shares[name], strict=True) for name in ("stages.0.width", "stages.0.0.hidden"))
    ):
        expected[:rows, :columns] += out * inner * weight[:rows, :columns]
    with relaxation.blend(shares):
        assert torch.allclose(family.model.stages[0][0].conv2.weight, expected, rtol=1e-6, atol=1e-8)
    assert family.model.stages[0][0].conv2.weight is weight


def test_a_dimension_on_both_axes_goes_together():
    torch.manual_seed(0)
    family = convert(nn.Sequential(nn.Linear(12, 32), Square(32), nn.Linear(32, 4)), torch.randn(2, 12)).eval()
    (name,) = [entry.name for entry in family.space.dimensions]
    values = family.space[name].values
    shares = {name: torch.arange(1.0, len(values) + 1) / sum(range(len(values) + 1))}
    weight = family.model[1].inner.weight
    expected = torch.zeros_like(weight)
    for value, share in zip(values, shares[name], strict=True):
        expected[:value, :value] += share * weight[:value, :value]
    with Relaxation(family, [name]).blend(shares):
        assert torch.allclose(family.model[1].inner.weight, expected, rtol=1e-6, atol=1e-8)


class Square(nn.Module):
    """x + f(x), f with one layer: its input and its output are of one width."""

    def __init__(self, features: int) -> None:
        super().__init__()
        self.inner = nn.Linear(features, features)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Map x: (batch, features) to the same shape."""
        return x + self.inner(x).relu()  # type: ignore[no-any-return]


def test_a_kernel_is_blended_around_its_middle():
    family = family_of("mobilenet")
    name = next(entry.name for entry in family.space.dimensions if entry.kind is Kind.KERNEL)
    path = name.removesuffix(".kernel")
    weight = family.get_parameter(f"model.{path}.weight")
    with Relaxation(family, [name]).blend({name: torch.tensor([0.25, 0.75])}):
        module = family.model.get_submodule(path)
        ratio = module._parameters["weight"] / weight
    assert torch.allclose(ratio[0, 0, 1:4, 1:4], torch.tensor(1.0))
    assert torch.allclose(ratio[0, 0, 0], torch.tensor(0.75))


def test_a_block_passes_on_what_a_member_without_it_would():
    family = _trained_like(family_of("resnet"))
    x = images(family, 1)[0][0]
    name = "stages.1.depth"
    relaxation = Relaxation(family, [name])
    seen = {}
    block, head = family.model.stages[1][1], family.model.head
    block_handle = block.register_forward_hook(lambda module, args, output: seen.update(x=args[0], y=output))
    stage_handle = family.model.stages[1].register_forward_hook(lambda module, args, output: seen.update(out=output))
    with torch.no_grad(), relaxation.blend({name: torch.tensor([0.3, 0.7])}) as blended:
        blended(x)
    block_handle.remove()
    stage_handle.remove()
    assert torch.allclose(seen["out"], 0.3 * seen["x"] + 0.7 * seen["y"], rtol=1e-5, atol=1e-6)
    assert head is family.model.head


def test_the_options_of_a_choice_add_up_by_their_shares():
    torch.manual_seed(0)
    family = convert(Options(), torch.randn(2, 12)).eval()
    x = torch.randn(4, 12)
    relaxation = _relaxed(family, x)
    assert relaxation.sampled == ()
    _assert_members(relaxation, x)
    model = family.model
    with torch.no_grad():
        stem = model.stem(x).tanh()
        expected = model.head(0.2 * stem + 0.8 * model.choice.options[0](stem))
        shares = relaxation.shares_of(family.space.max()) | {"choice.operator": torch.tensor([0.2, 0.8])}
        with relaxation.blend(shares) as blended:
            found = blended(x)
    assert torch.allclose(found, expected, rtol=1e-5, atol=1e-6)


def test_what_the_users_code_computes_from_sizes_is_sampled():
    torch.manual_seed(0)
    family = convert(OwnNorm(), torch.randn(2, 12)).eval()
    x = torch.randn(8, 12)
    relaxation = _relaxed(family, x)
    assert relaxation.sampled == ("stem.width",)
    assert relaxation.blended == ("hidden.width",)
    _assert_members(relaxation, x)


def test_resolutions_are_sampled():
    torch.manual_seed(0)
    model = nn.Sequential(nn.Conv2d(1, 16, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(16, 4))
    family = convert(model, torch.randn(2, 1, 16, 16), resolutions=[8, 12]).eval()
    x = torch.randn(4, 1, 16, 16)
    relaxation = _relaxed(family, x)
    assert relaxation.sampled == ("input.resolution",)
    _assert_members(relaxation, x)


def test_transformed_kernels_are_sampled():
    torch.manual_seed(0)
    model = nn.Sequential(nn.Conv2d(1, 16, 5, padding=2), nn.ReLU(), nn.Flatten(), nn.Linear(16 * 64, 4))
    family = convert(model, torch.randn(2, 1, 8, 8), kernel_transform=True).eval()
    with torch.no_grad():
        for matrix in family.kernel_transforms.parameters():
            matrix.add_(0.3 * torch.randn_like(matrix))
    x = torch.randn(4, 1, 8, 8)
    relaxation = _relaxed(family, x)
    assert [family.space[name].kind for name in relaxation.sampled] == [Kind.KERNEL]
    _assert_members(relaxation, x)


def test_batch_norm_uses_each_batch_and_keeps_nothing():
    family = _trained_like(family_of("resnet"))
    x = images(family, 1)[0][0]
    before = snapshot_of(family)
    with torch.no_grad(), normalised_by_batch(family):
        by_batch = family.model(x)
        assert torch.allclose(by_batch, family.model(x))
    assert snapshot_of(family) == before
    family.train()
    with torch.no_grad():
        assert torch.allclose(by_batch, family.model(x), rtol=1e-5, atol=1e-6)
