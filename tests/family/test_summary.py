"""What a family says of itself."""

import dataclasses
import json

import pytest
import torch
from architecture_cases import VisionTransformer
from torch import nn

from supple import convert
from supple.family.summary import DimensionRow, FrozenRow, Size, Summary
from supple.space import Kind


@pytest.fixture(scope="module")
def transformer() -> Summary:
    return convert(VisionTransformer(), torch.randn(2, 3, 16, 16)).summary()


def test_the_summary_is_a_table_with_what_is_not_elastic() -> None:
    model = nn.Sequential(nn.Linear(12, 6), nn.Linear(6, 64), nn.Linear(64, 16), nn.Linear(16, 5))
    assert str(convert(model, torch.randn(2, 12)).summary()) == (
        "Sequential: a family of 14 members\n"
        "\n"
        "                  smallest  largest  in %\n"
        "parameters             371    1,651  22.5\n"
        "MACs of a sample       336    1,560  21.5\n"
        "\n"
        "dimension  kind   count  values                    reaches\n"
        "1.width    width      1  16, 24, 32, ..., 64  (7)   89.2 %\n"
        "2.width    width      1  8, 16                      67.8 %\n"
        "\n"
        "not elastic:\n"
        "  0.width: of 6, no quarter or more is a smaller multiple of 8"
    )


def test_without_frozen_things_nothing_is_said_of_them() -> None:
    summary = convert(nn.Sequential(nn.Linear(12, 16), nn.Linear(16, 5)), torch.randn(2, 12)).summary()
    assert "not elastic" not in str(summary)


def test_dimensions_of_repeated_blocks_share_a_row(transformer: Summary) -> None:
    rows = {row.kind: row for row in transformer.dimensions}
    assert len(rows) == len(transformer.dimensions) == 4
    assert rows[Kind.HEADS].pattern == "blocks.{0-2}.attn.qkv.heads"
    assert rows[Kind.HEADS].names == tuple(f"blocks.{number}.attn.qkv.heads" for number in range(3))
    assert rows[Kind.HIDDEN].pattern == "blocks.{0-2}.mlp.0.hidden"
    (line,) = [line for line in str(transformer).splitlines() if "heads" in line]
    assert line.split() == ["blocks.{0-2}.attn.qkv.heads", "heads", "3", "1,", "2,", "3,", "4", "44.8", "%"]


def test_shares_are_those_of_the_tensors_that_a_row_reaches(transformer: Summary) -> None:
    model = VisionTransformer()
    total = sum(parameter.numel() for parameter in model.parameters())
    rows = {row.kind: row.share for row in transformer.dimensions}
    # Only the head's bias is as long in every member, and only the first block is never dropped.
    assert rows[Kind.EMBED] == pytest.approx(1 - _numel(model, "head.bias", ".mlp.0.bias", ".qkv.bias") / total)
    assert rows[Kind.DEPTH] == pytest.approx(_numel(model, "blocks.1", "blocks.2") / total)


def _numel(model: nn.Module, *parts: str) -> int:
    return sum(tensor.numel() for key, tensor in model.named_parameters() if any(part in key for part in parts))


def test_json_says_all_of_it(transformer: Summary) -> None:
    content = json.loads(json.dumps(transformer.to_json()))
    assert content["members"] == transformer.members
    assert content["smallest"] == {
        "parameters": transformer.smallest.parameters,
        "macs": transformer.smallest.macs,
    }
    assert [entry["kind"] for entry in content["dimensions"]] == [row.kind for row in transformer.dimensions]
    assert content["dimensions"][0].keys() == {field.name for field in dataclasses.fields(DimensionRow)}


def summary_of(frozen: tuple[FrozenRow, ...], members: int = 2, macs: int | None = 7) -> Summary:
    row = DimensionRow("a.width", ("a.width",), Kind.WIDTH, (8, 16), 0.5)
    return Summary("Net", members, Size(10, macs), Size(20, macs), (row,), frozen)


def test_frozen_things_of_repeated_parts_share_a_line() -> None:
    row = FrozenRow("blocks.{0-11}.attn", tuple(f"blocks.{number}.attn" for number in range(12)), "why")
    assert str(summary_of((row,))).splitlines()[-1] == "  12 x blocks.{0-11}.attn: why"


def test_a_long_list_of_one_reason_is_cut() -> None:
    rows = [FrozenRow(name, (name,), "why") for name in "abcdefgh"]
    text = str(summary_of((*rows, FrozenRow("other", ("other",), "another reason"))))
    assert text.split("not elastic:\n")[1].splitlines() == [
        *(f"  {name}: why" for name in "abcde"),
        "  3 others: why",
        "  other: another reason",
    ]


def test_macs_that_nobody_could_count_are_left_out() -> None:
    assert "MACs" not in str(summary_of((), macs=None))


@pytest.mark.parametrize(
    ("members", "text"), [(12_345, "12,345"), (10**15, "about 1.00e15"), (987 * 10**40, "9.87e42")]
)
def test_numbers_of_members_can_be_read(members: int, text: str) -> None:
    assert f"{text} members" in str(summary_of((), members))
