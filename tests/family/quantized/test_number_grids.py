"""Rounded numbers lie on their grids, whole numbers stand for them, and gradients pass where nothing is clipped."""

import pytest
import torch

from supple.family.quantized.rounding import (
    FloatGrid,
    LiveGrid,
    activation_grid,
    block_grid,
    fp8_grid,
    fp8_weight_grid,
    weight_grid,
)

WEIGHT = torch.randn(6, 5, 3, 3, generator=torch.Generator().manual_seed(0)) * torch.logspace(-2, 2, 6).view(
    -1, 1, 1, 1
)
LINEAR = torch.randn(6, 40, generator=torch.Generator().manual_seed(1))


def test_each_channel_of_a_weight_has_a_scale_that_its_largest_number_fills():
    grid = weight_grid(WEIGHT, 8, per_channel=True, symmetric=True)
    whole = grid.integers(WEIGHT)
    assert whole.abs().flatten(1).amax(1).tolist() == [127] * 6
    assert torch.allclose(whole * grid.scale.view(-1, 1, 1, 1), grid.rounded(WEIGHT), rtol=1e-6)
    assert ((grid.rounded(WEIGHT) - WEIGHT).abs() <= grid.scale.view(-1, 1, 1, 1) * 0.5001).all()


def test_a_reduced_range_has_seven_bits():
    assert weight_grid(WEIGHT, 7, per_channel=True, symmetric=True).integers(WEIGHT).abs().max() == 63


@pytest.mark.parametrize("symmetric", [True, False])
def test_a_weight_may_have_one_scale(symmetric):
    grid = weight_grid(WEIGHT + 1, 8, per_channel=False, symmetric=symmetric)
    whole = grid.integers(WEIGHT + 1)
    assert torch.allclose((whole - grid.zero_point) * grid.scale, grid.rounded(WEIGHT + 1), atol=1e-4)
    assert (grid.zero_point == 0) == symmetric
    assert grid.rounded(torch.zeros(1)).item() == 0


def test_blocks_of_input_features_have_scales_of_their_own():
    grid = block_grid(LINEAR, 4, 16)
    assert grid.scale.shape == (6, 3)
    whole = grid.integers(LINEAR)
    # The largest number of each block is the lowest whole number.
    assert whole[:, :16].amin(1).tolist() == [-8] * 6
    assert whole.amax() <= 7
    assert (grid.rounded(LINEAR) - LINEAR).abs().max() <= grid.scale.abs().max()
    expected = whole * grid.scale.repeat_interleave(16, 1)[:, :40]
    assert torch.allclose(grid.rounded(LINEAR), expected, rtol=1e-6)


@pytest.mark.parametrize(("symmetric", "signed"), [(False, False), (False, True), (True, True)])
def test_an_activation_grid_covers_its_range_and_holds_zero(symmetric, signed):
    grid = activation_grid(-1.0, 3.0, symmetric, signed)
    assert grid.rounded(torch.zeros(1)).item() == 0
    assert (grid.low < 0) == signed
    x = torch.linspace(-1, 3, 1001)
    assert (grid.rounded(x) - x).abs().max() <= 0.51 * grid.scale
    assert grid.rounded(torch.tensor([100.0])).item() == pytest.approx(3, abs=grid.scale)


@pytest.mark.parametrize("ends", [(2.0, 3.0), (-3.0, -2.0), (0.0, 0.0)])
def test_a_range_is_widened_to_zero(ends):
    grid = activation_grid(*ends, symmetric=False, signed=False)
    assert grid.rounded(torch.zeros(1)).item() == 0
    assert grid.rounded(torch.tensor(ends)).tolist() == pytest.approx(ends, abs=grid.scale)


def test_fp8_is_what_the_type_holds():
    grid = fp8_grid(-2.0, 4.0)
    x = torch.randn(50, generator=torch.Generator().manual_seed(2)).clamp(-2, 4)
    expected = (x / grid.scale).to(torch.float8_e4m3fn).float() * grid.scale
    assert torch.equal(grid.rounded(x), expected)
    assert (fp8_weight_grid(WEIGHT, per_channel=True).rounded(WEIGHT) / WEIGHT - 1).abs().max() < 0.07


def test_half_types_are_what_they_hold():
    x = torch.randn(50, generator=torch.Generator().manual_seed(3))
    assert torch.equal(FloatGrid(torch.bfloat16).rounded(x), x.bfloat16().float())


def test_a_live_grid_covers_what_each_tensor_holds():
    grid = LiveGrid(lambda low, high: activation_grid(low, high, symmetric=False, signed=False))
    for size in (1.0, 50.0):
        x = size * torch.randn(100, generator=torch.Generator().manual_seed(4))
        assert (grid.rounded(x) - x).abs().max() <= 0.51 * (x.max() - x.min()) / 255


@pytest.mark.parametrize(
    "grid",
    [
        weight_grid(LINEAR, 8, per_channel=True, symmetric=True),
        block_grid(LINEAR, 4, 16),
        fp8_weight_grid(LINEAR, per_channel=True),
        FloatGrid(torch.bfloat16),
    ],
    ids=["channels", "blocks", "fp8", "bf16"],
)
def test_gradients_go_straight_through(grid):
    x = LINEAR.clone().requires_grad_()
    grid.rounded(x).square().sum().backward()
    assert torch.allclose(x.grad, 2 * grid.rounded(LINEAR))


def test_no_gradient_passes_where_something_is_clipped():
    x = torch.tensor([-5.0, 0.5, 50.0], requires_grad=True)
    activation_grid(0.0, 1.0, symmetric=False, signed=False).rounded(x).sum().backward()
    assert x.grad.tolist() == [0, 1, 0]
