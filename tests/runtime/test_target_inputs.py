"""Tests of inputs as a target asks for them."""

import pytest
import torch

from supple.errors import SuppleError
from supple.family import convert
from supple.models import ResNet
from supple.runtime import parse_target
from supple.runtime.target_inputs import inputs_at_resolution, inputs_for_target


@pytest.fixture(scope="module")
def wide():
    """Return images that are wider than high, and a family of theirs."""
    torch.manual_seed(0)
    images = torch.randn(3, 1, 16, 24)
    return convert(ResNet(1, 2, 8, (8,), (2,)), images), images


def test_a_batch_repeats_the_examples(wide):
    inputs = inputs_for_target(*wide, parse_target("torch:cpu?batch=8"))
    (tensor,) = inputs.tensors
    assert torch.equal(tensor[:3], wide[1])
    assert torch.equal(tensor[6:], wide[1][:2])


def test_images_keep_their_proportions_at_another_height(wide):
    target = parse_target("torch:cpu?batch=2&resolution=12")
    assert inputs_for_target(*wide, target).tensors[0].shape == (2, 1, 12, 18)
    assert inputs_at_resolution(*wide, target).tensors[0].shape == (3, 1, 12, 18)


def test_a_resolution_is_refused_where_members_have_their_own(wide):
    images = torch.randn(2, 1, 16, 16)
    family = convert(ResNet(1, 2, 8, (8,), (2,)), images, resolutions=[8])
    with pytest.raises(SuppleError, match=r"resolution=12.*resolutions of their own \(8, 16\). Leave it out"):
        inputs_at_resolution(family, images, parse_target("torch:cpu?resolution=12"))


def test_a_resolution_is_refused_where_inputs_are_no_images(wide):
    with pytest.raises(SuppleError, match=r"a resolution is for images .* the inputs are of shape \[2, 4\]"):
        inputs_at_resolution(wide[0], torch.randn(2, 4), parse_target("torch:cpu?resolution=12"))
