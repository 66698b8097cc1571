"""The closing table is plain text, with or without a terminal."""

from dataclasses import replace

from supple.report import members_table


def test_the_table_holds_every_member_with_its_figures(summary):
    heading, _, *rows = members_table(summary).splitlines()
    assert "test accuracy" in heading
    assert [row.split("|")[1].strip() for row in rows] == ["small", "medium", "full"]
    assert "0.110 ms (0.107 to 0.114)" in rows[0]
    assert "members/full.onnx" in rows[2]


def test_the_table_is_plain_even_for_names_that_look_like_markup(summary):
    hostile = replace(summary.members[0], name="[red]x[/red]")
    table = members_table(replace(summary, members=(hostile,)))
    assert "[red]x[/red]" in table
    assert "\x1b" not in table


def test_the_table_is_ascii(summary):
    assert members_table(summary).isascii()


def test_a_narrow_table_stays_within_its_width(summary):
    assert max(len(line) for line in members_table(summary, width=70).splitlines()) <= 70


def test_a_run_without_members_has_a_heading_only(summary):
    assert len(members_table(replace(summary, members=())).splitlines()) == 2
