"""The fronts of a search as plain text, and the rows of its tables."""

from dataclasses import replace

from report_cases import LATENCY, OBJECTIVES, evaluated, make_search

from supple.report import front_tables
from supple.report.planes import Plane
from supple.report.search_rows import MOST_GAIN_ROWS, constraint_rows, front_rows, gain_rows
from supple.searching.wishes import Constraint, Direction, Objective, Sense

PLANE = Plane(*OBJECTIVES)


def test_a_front_stands_beside_random_members_of_equal_cost(summary):
    searched = [evaluated(0.7, 0.5, macs=3e6), evaluated(0.8, 1.0), evaluated(0.9, 2.0)]
    search = make_search((searched, [evaluated(0.78, 0.95)] * 2), corners=(searched[0].config,))
    title, header, *rows, _, beware, second, third = front_tables(search, summary.space).splitlines()
    assert title == "Front on onnxruntime:cpu?threads=1:"
    assert header.split("  ")[0].strip() == "latency_ms"
    assert [row.split()[0] for row in rows] == ["0.500", "1.00", "2.00"]
    assert "(given)" in rows[0]
    assert "+2.00 points" in rows[1]
    assert rows[2].split("%")[1].split()[:3] == ["-", "+12.00", "points"]
    assert beware.startswith("Beware: The search is compared with 1 random member only")
    assert second.startswith("Holds: The search beat random members by hypervolume")
    assert third.startswith("Holds: At equal latency the search's front gains in accuracy")


def test_every_target_and_every_other_cost_has_a_table(summary):
    other = Objective("latency_ms on openvino:cpu", Direction.MINIMIZE)
    member = evaluated(0.9, 1.0)
    member.figures[other.figure] = 0.5
    objectives = (*OBJECTIVES, other, Objective("macs", Direction.MINIMIZE))
    tables = front_tables(make_search(([member], []), objectives=objectives), summary.space)
    assert [line for line in tables.splitlines() if line.startswith("Front")] == [
        "Front on onnxruntime:cpu?threads=1:",
        "Front on openvino:cpu:",
        "Front, accuracy against MACs:",
    ]
    assert "Beware: There is no random baseline" in tables


def test_the_spread_of_latencies_stands_beside_latencies_alone(summary):
    target = OBJECTIVES[1].figure.partition(" on ")[2]
    size = Objective(f"file_bytes on {target}", Direction.MINIMIZE)
    member = replace(evaluated(0.9, 1.0), spreads={target: (0.9, 1.1)})
    member.figures[size.figure] = 2048
    tables = front_tables(make_search(([member], []), objectives=(*OBJECTIVES, size)), summary.space)
    of_latency, of_size = (part for part in tables.split("\n\n") if part.startswith("Front"))
    assert "0.900 to 1.10" in of_latency
    assert "spread" not in of_size
    assert "0.900" not in of_size


def test_an_empty_front_has_no_table(summary):
    search = make_search(([evaluated(0.9, 1.0)], []), constraints=(Constraint(LATENCY, Sense.AT_MOST, 0.5),))
    assert "Front on" not in front_tables(search, summary.space)
    assert 'No evaluated member keeps "latency_ms <= 0.5' in front_tables(search, summary.space)


def test_a_long_front_is_shown_from_its_cheapest_to_its_dearest_member():
    searched = [evaluated(0.5 + 0.01 * number, 1.0 + number) for number in range(30)]
    rows = gain_rows(make_search((searched, [evaluated(0.4, 1.0)])), PLANE)
    assert len(rows) == MOST_GAIN_ROWS
    assert (rows[0].cost, rows[-1].cost) == ("1.00 ms", "30.0 ms")


def test_a_member_that_random_ones_beat_is_marked():
    (row,) = gain_rows(make_search(([evaluated(0.5, 1.0)], [evaluated(0.6, 1.0)])), PLANE)
    assert (row.loses, row.over_best, row.rivals) == (True, "-10.00 points", "1")


def test_the_front_has_its_spread_and_the_figures_that_are_not_in_its_plane():
    (row,) = front_rows(make_search(([evaluated(0.5, 1.0, macs=3e6)], [])), PLANE)
    assert (row.cost, row.spread, row.quality, row.others) == (
        "1.00 ms",
        "0.970 to 1.05",
        "50.00 %",
        ("100 k", "3.00 M"),
    )


def test_constraints_are_counted_one_by_one_and_together():
    limits = (Constraint(LATENCY, Sense.AT_MOST, 1.0), Constraint("accuracy", Sense.AT_LEAST, 0.8))
    members = [evaluated(0.9, 2.0), evaluated(0.7, 1.0), evaluated(0.85, 0.9)]
    rows = constraint_rows(make_search((members, members[:1]), constraints=limits))
    assert [(row.searched, row.random) for row in rows] == [
        ("2 of 3", "0 of 1"),
        ("2 of 3", "1 of 1"),
        ("1 of 3", "0 of 1"),
    ]
    assert rows[-1].constraint == "all of them"


def test_what_the_searcher_tells_of_itself_comes_last(summary):
    search = make_search(([evaluated(0.7, 0.5)], [evaluated(0.6, 0.5)]))
    told = replace(search, seeds=(replace(search.seeds[0], remarks=("Sums rank with Spearman 0.9.",)),))
    assert front_tables(told, summary.space).splitlines()[-1] == "Searcher: Sums rank with Spearman 0.9."
