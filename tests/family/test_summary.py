"""What a family says of itself."""

import torch
from torch import nn

from supple import convert


def test_the_summary_is_a_table_with_what_is_not_elastic() -> None:
    model = nn.Sequential(nn.Linear(12, 6), nn.Linear(6, 64), nn.Linear(64, 16), nn.Linear(16, 5))
    assert convert(model, torch.randn(2, 12)).summary() == (
        "Sequential: a family of 14 members, from 371 to 1,651 parameters\n"
        "\n"
        "dimension  kind   values\n"
        "1.width    width  16, 24, 32, ..., 64  (7)\n"
        "2.width    width  8, 16\n"
        "\n"
        "not elastic:\n"
        "  0.width: of 6, no quarter or more is a smaller multiple of 8"
    )


def test_without_frozen_things_nothing_is_said_of_them() -> None:
    summary = convert(nn.Sequential(nn.Linear(12, 16), nn.Linear(16, 5)), torch.randn(2, 12)).summary()
    assert "not elastic" not in summary
