"""Smaller inputs for a proof: cut where the model still runs, and left alone where it does not."""

from collections.abc import Callable

import pytest
import torch

from supple.family.proof_inputs import with_one_sample, with_smaller_sizes
from supple.trace import ModelInputs


def shapes(inputs: ModelInputs) -> list[tuple[int, ...]]:
    return [tuple(tensor.shape) for tensor in inputs.tensors]


def always(inputs: ModelInputs) -> bool:
    return True


def with_features(size: int) -> Callable[[ModelInputs], bool]:
    return lambda inputs: inputs.tensors[0].shape[2] == size


@pytest.mark.parametrize(
    ("given", "smaller"),
    [((2, 3, 224, 224), (2, 3, 64, 64)), ((2, 3, 300, 200), (2, 3, 96, 64)), ((256, 3, 127, 128), (256, 3, 127, 32))],
)
def test_images_are_cut_to_a_quarter_in_multiples_of_32(given: tuple[int, ...], smaller: tuple[int, ...]) -> None:
    assert shapes(with_smaller_sizes(ModelInputs.of(torch.zeros(given)), always)) == [smaller]


def test_a_size_that_the_model_needs_stays() -> None:
    inputs = ModelInputs.of(torch.zeros(2, 256, 512))
    assert shapes(with_smaller_sizes(inputs, with_features(512))) == [(2, 64, 512)]
    assert with_smaller_sizes(inputs, lambda given: given is inputs) is inputs


def test_equal_sizes_of_several_inputs_are_cut_together() -> None:
    words, mask = torch.zeros(2, 128, dtype=torch.long), torch.zeros(2, 1, 128, 128)
    assert shapes(with_smaller_sizes(ModelInputs.of({"words": words, "mask": mask}), always)) == [
        (2, 32),
        (2, 1, 32, 32),
    ]


def test_one_sample_is_taken_of_a_batch() -> None:
    inputs = ModelInputs.of((torch.randn(4, 3), torch.randn(4, 5)))
    one = with_one_sample(inputs, always)
    assert shapes(one) == [(1, 3), (1, 5)]
    assert torch.equal(one.tensors[0], inputs.tensors[0][:1])


def test_inputs_that_are_no_batch_stay() -> None:
    nodes_and_edges = (torch.randn(7, 3), torch.zeros(2, 9, dtype=torch.long))
    scalar = (torch.randn(4, 3), torch.tensor(1.0))
    for given in (nodes_and_edges, scalar, torch.randn(1, 3)):
        inputs = ModelInputs.of(given)
        assert with_one_sample(inputs, always) is inputs


def test_a_batch_that_the_model_needs_stays() -> None:
    inputs = ModelInputs.of(torch.randn(4, 3))
    assert with_one_sample(inputs, lambda given: False) is inputs


def test_inputs_on_another_device_stay() -> None:
    # An index out of range there is no error that a program survives.
    inputs = ModelInputs.of(torch.zeros(2, 256, device="meta"))
    assert with_smaller_sizes(inputs, always) is inputs
    assert with_one_sample(inputs, always) is inputs
