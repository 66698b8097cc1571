"""Smaller kernels by a learnt matrix: w_5 = crop(w_7) M_5, w_3 = crop(w_5) M_3."""

import copy
from pathlib import Path

import pytest
import torch
from family_cases import Kernels
from torch import nn

from supple import Family, SuppleError, convert, load
from supple.family import save

X = torch.randn(4, 3, 16, 16)
STEM = "stem.weight"


def learnt(family: Family) -> Family:
    """Return the family with random matrices, as if they had been trained."""
    assert family.kernel_transforms is not None
    with torch.no_grad():
        for matrix in family.kernel_transforms.parameters():
            matrix.add_(torch.randn_like(matrix), alpha=0.1)
    return family


@pytest.fixture
def family() -> Family:
    torch.manual_seed(8)
    return convert(Kernels().eval(), X, kernel_transform=True)


def test_at_first_a_member_is_as_without(family: Family) -> None:
    plain = convert(copy.deepcopy(family.model), X)
    for config in (family.space.max(), family.space.min(), family.space.config({"stem.kernel": 5})):
        assert torch.equal(family(X, config=config), plain(X, config=config))


def test_a_smaller_kernel_is_the_middle_of_the_next_larger_times_a_matrix(family: Family) -> None:
    learnt(family)
    weight, matrices = family.model.stem.weight, dict(family.kernel_transforms.matrices)
    five = (weight[:, :, 1:6, 1:6].flatten(2) @ matrices["stem/weight/5"]).view(16, 3, 5, 5)
    three = (five[:, :, 1:4, 1:4].flatten(2) @ matrices["stem/weight/3"]).view(16, 3, 3, 3)
    for size, expected in ((5, five), (3, three)):
        part = family.materialize(family.space.config({"stem.kernel": size}))[STEM]
        assert torch.allclose(part, expected, rtol=1e-6, atol=1e-7)
    assert family.materialize(family.space.max())[STEM] is weight


def test_a_long_kernel_has_a_matrix_of_its_length(family: Family) -> None:
    assert family.kernel_transforms.matrices["rows/weight/5"].shape == (5, 5)
    assert family.kernel_transforms.matrices["depthwise/weight/3"].shape == (9, 9)


def test_members_equal_their_extracted_networks(family: Family) -> None:
    learnt(family)
    for values in ({}, {"stem.kernel": 3}, {"stem.kernel": 5, "rows.kernel": 3}, dict(family.space.min())):
        config = family.space.config(values)
        member = family.extract(config)
        assert type(member) is Kernels
        assert torch.equal(family(X, config=config), member(X))


def test_the_matrices_learn_with_the_weights(family: Family) -> None:
    learnt(family)
    config = family.space.config({"stem.kernel": 3})
    family(X, config=config).square().mean().backward()
    matrices = family.kernel_transforms.matrices
    assert all(matrices[f"stem/weight/{size}"].grad.abs().sum() > 0 for size in (3, 5))
    assert matrices["rows/weight/5"].grad is None
    # The whole 5 x 5 middle reaches the 3 x 3 kernel through the matrices, nothing else does.
    reached = family.model.stem.weight.grad.abs().sum((0, 1)) > 0
    assert torch.equal(reached, nn.functional.pad(torch.ones(5, 5, dtype=torch.bool), (1, 1, 1, 1)))


def test_they_are_copied_saved_and_loaded(family: Family, tmp_path: Path) -> None:
    learnt(family)
    config = family.space.min()
    expected = family(X, config=config)
    assert torch.equal(copy.deepcopy(family)(X, config=config), expected)
    save(family, tmp_path)
    assert torch.equal(load(tmp_path, Kernels().eval())(X, config=config), expected)
    # A family without them, saved in the same place, leaves nothing of them.
    save(convert(Kernels().eval(), X), tmp_path)
    assert load(tmp_path, Kernels()).kernel_transforms is None


def test_matrices_of_another_family_are_refused(family: Family, tmp_path: Path) -> None:
    with torch.no_grad():
        family.kernel_transforms.matrices["stem/weight/3"] = nn.Parameter(torch.eye(4))
    save(family, tmp_path)
    with pytest.raises(SuppleError, match=r"kernel_transforms\.safetensors\" holds matrices of other kernels"):
        load(tmp_path, Kernels())
