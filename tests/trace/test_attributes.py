"""Integer attributes of modules that follow the sizes of their tensors."""

import torch
from torch import nn

from supple.trace import Structure, trace


def sizes(structure: Structure, **values: int) -> dict[str, int]:
    config = structure.space.config(values)
    return {f"{entry.module}.{entry.name}": entry.axis.size(config) for entry in structure.attributes}


def test_dense_layers_and_norms() -> None:
    model = nn.Sequential(nn.Conv2d(3, 16, 1), nn.BatchNorm2d(16), nn.Flatten(), nn.Linear(16 * 4, 5))
    structure = trace(model, (torch.randn(2, 3, 2, 2),))
    assert sizes(structure, **{"0.width": 8}) == {
        "0.out_channels": 8,
        "1.num_features": 8,
        "3.in_features": 32,
    }


def test_a_norm_without_tensors_follows_its_input() -> None:
    norm = nn.BatchNorm2d(16, affine=False, track_running_stats=False)
    structure = trace(nn.Sequential(nn.Conv2d(3, 16, 1), norm, nn.Conv2d(16, 5, 1)), (torch.randn(2, 3, 2, 2),))
    assert sizes(structure, **{"0.width": 8})["1.num_features"] == 8


def test_depthwise_convolutions_follow_in_their_groups() -> None:
    model = nn.Sequential(nn.Conv2d(3, 16, 1), nn.Conv2d(16, 32, 3, groups=16), nn.Conv2d(32, 5, 1))
    structure = trace(model, (torch.randn(2, 3, 4, 4),))
    assert sizes(structure, **{"0.width": 8}) == {
        "0.out_channels": 8,
        "1.out_channels": 16,
        "1.in_channels": 8,
        "1.groups": 8,
        "2.in_channels": 16,
    }


def test_grouped_convolutions_keep_their_groups() -> None:
    model = nn.Sequential(nn.Conv2d(3, 64, 1), nn.Conv2d(64, 48, 3, groups=2), nn.Conv2d(48, 5, 1))
    structure = trace(model, (torch.randn(2, 3, 4, 4),))
    assert sizes(structure, **{"0.width": 8, "1.width": 16}) == {
        "0.out_channels": 16,
        "1.out_channels": 32,
        "1.in_channels": 16,
        "2.in_channels": 32,
    }


def test_what_is_not_elastic_has_no_entry() -> None:
    model = nn.Sequential(nn.Linear(3, 16), nn.Linear(16, 5))
    assert sizes(trace(model, (torch.randn(2, 3),))) == {"0.out_features": 16, "1.in_features": 16}
