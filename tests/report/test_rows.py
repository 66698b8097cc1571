"""The rows of the tables about exported members."""

from dataclasses import replace

from report_cases import LATENCY, evaluated, make_search

from supple.report.rows import Cell, member_rows
from supple.searching.wishes import Constraint, Sense


def test_each_exported_member_is_shown_with_whether_it_kept_a_constraint(summary):
    small, _, full = summary.members
    found = [evaluated(0.85, 0.2, small.config), evaluated(0.9, 0.6, full.config)]
    search = make_search((found, []), constraints=(Constraint(LATENCY, Sense.AT_MOST, 0.5),))
    rows = {row.label: row for row in member_rows(replace(summary, search=search))}
    assert rows["latency_ms <= 0.5 on onnxruntime:cpu?threads=1"].cells == (
        Cell("0.200 ms", "keeps it"),
        Cell("not searched"),
        Cell("0.600 ms", "breaks it", True),
    )


def test_without_constraints_there_is_no_such_row(summary):
    assert not [row for row in member_rows(summary) if "<=" in row.label or ">=" in row.label]
