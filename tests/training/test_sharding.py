"""A family that is sharded over processes learns what one learns that is whole."""

from pathlib import Path

import pytest
import torch
from sharding_cases import CASES, train
from torchrun import torchrun

from supple.errors import SuppleError
from supple.family import convert, quantize
from supple.storage import load_tensors
from supple.training.processes import Processes
from supple.training.sharding import sharded


@pytest.fixture(scope="module")
def sharded_over_two(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("sharded")
    torchrun(2, "sharding_cases.py", str(folder))
    return folder


@pytest.mark.parametrize("name", CASES)
def test_losses_gradients_and_weights_are_those_of_one_process(sharded_over_two, name):
    expected = train(name, Processes())
    whole_bytes = int(expected.pop("bytes"))
    for rank in range(2):
        found = load_tensors(sharded_over_two / f"{name}-{rank}.safetensors")
        # Of weights and optimizer each process keeps half, but for the rounding of short axes.
        assert 0.45 * whole_bytes < int(found.pop("bytes")) < 0.55 * whole_bytes
        assert expected.keys() == found.keys()
        for key, tensor in expected.items():
            torch.testing.assert_close(
                found[key], tensor, atol=1e-5, rtol=1e-5, msg=lambda text, key=key: f"{key}: {text}"
            )


def test_a_member_without_a_block_leaves_its_gradient_out(sharded_over_two):
    results = load_tensors(sharded_over_two / "texts-0.safetensors")
    steps = [{key.split("/")[2] for key in results if key.startswith(f"gradient/{step}/")} for step in range(2)]
    assert {key for key in steps[0] - steps[1] if "blocks.3" in key}
    assert not {key for key in steps[1] if "blocks.3" in key}
    assert {key for key in steps[1] if "blocks.0" in key}


def test_kernel_transforms_are_refused():
    model = torch.nn.Sequential(torch.nn.Conv2d(1, 8, 5, padding=2), torch.nn.Flatten(), torch.nn.Linear(8 * 36, 2))
    family = convert(model, torch.randn(2, 1, 6, 6), kernel_transform=True)
    with pytest.raises(SuppleError) as caught, sharded(family, Processes()):
        pass
    assert str(caught.value) == (
        "A family with kernel transforms cannot be sharded: convert it without kernel_transform, or set sharding to "
        '"none".'
    )


def test_dimensions_of_precision_are_refused():
    model = torch.nn.Sequential(torch.nn.Conv2d(1, 16, 3), torch.nn.Flatten(), torch.nn.Linear(16 * 16, 2))
    family = quantize(convert(model, torch.randn(2, 1, 6, 6)))
    with pytest.raises(SuppleError) as caught, sharded(family, Processes()):
        pass
    assert str(caught.value) == (
        'A quantized family cannot be sharded: train the family that it was made of, or set sharding to "none".'
    )
