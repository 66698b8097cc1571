"""Members that take smaller images."""

import pytest
import torch
from torch import nn

from supple import Family, SuppleError, convert
from supple.space import Kind

IMAGES = torch.randn(4, 3, 32, 16)


class Convolutional(nn.Module):
    """Runs at any resolution of at least 12 rows."""

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.norm, self.head = nn.Conv2d(3, 16, 3, 2), nn.BatchNorm2d(16), nn.Linear(16, 5)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Map x: (batch, 3, height, width) to (batch, 5)."""
        if x.shape[2] < 12:
            raise ValueError("too few rows")
        return self.head(self.norm(self.conv(x)).relu().mean((2, 3)))  # type: ignore[no-any-return]


@pytest.fixture
def family() -> Family:
    torch.manual_seed(4)
    return convert(Convolutional().eval(), IMAGES, resolutions=[24, 8, 16])


def test_a_resolution_at_which_the_model_does_not_run_is_left_out_with_the_reason(family: Family) -> None:
    assert family.space["input.resolution"].values == (16, 24, 32)
    assert family.space["input.resolution"].kind is Kind.RESOLUTION
    (frozen,) = (entry for entry in family.structure.frozen if entry.what.startswith("input"))
    assert frozen.what == "input.resolution 8"
    assert frozen.reason.endswith("too few rows")


def test_images_are_resized_to_the_members_resolution(family: Family) -> None:
    config = family.space.config({"input.resolution": 24})
    assert family.resize(config, IMAGES).shape == (4, 3, 24, 12)
    assert family.resize(family.space.max(), IMAGES) is IMAGES
    words = torch.zeros(4, 7, dtype=torch.int64)
    assert family.resize(config, words) is words
    # What is the same everywhere stays so; what alternates from row to row averages out.
    assert torch.allclose(family.resize(config, torch.ones(1, 3, 32, 16)), torch.ones(1, 3, 24, 12))
    half = family.space.config({"input.resolution": 16})
    stripes = torch.tensor([1.0, -1.0]).repeat(16)[:, None].expand(1, 3, 32, 16)
    assert family.resize(half, stripes)[:, :, 2:-2].abs().max() < 0.3


def test_a_member_is_its_extracted_network_on_resized_images(family: Family) -> None:
    config = family.space.config({"input.resolution": 16, "conv.width": 8})
    small = family.resize(config, IMAGES)
    assert torch.equal(family(small, config=config), family.extract(config)(small))


def test_calibration_sees_resized_images(family: Family) -> None:
    config = family.space.config({"input.resolution": 16})
    family.calibrate(config, [IMAGES])
    expected = family.extract(family.space.max()).conv(family.resize(config, IMAGES)).mean((0, 2, 3))
    assert torch.allclose(family.extract(config).norm.running_mean, expected, atol=1e-6)


@pytest.mark.parametrize(
    ("inputs", "resolutions", "message"),
    [
        (IMAGES, [64], r"The resolutions 64 must be whole numbers from 1 to 32"),
        (IMAGES, [0.5], r"The resolutions 0\.5 must be whole numbers"),
        (torch.randn(4, 32), [16], r"where inputs are images .*; these are of shape \[4, 32\]"),
    ],
)
def test_resolutions_that_cannot_be_are_refused(inputs: torch.Tensor, resolutions: list[int], message: str) -> None:
    model = nn.Linear(32, 16) if inputs.ndim == 2 else Convolutional()
    with pytest.raises(SuppleError, match=message):
        convert(model, inputs, resolutions=resolutions)
