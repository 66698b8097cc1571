"""The plots hold the run's points, in figures that Plotly accepts."""

import json
import math
from dataclasses import replace

import pytest
from report_cases import LATENCY, make_search

from supple.report import HistoryRow
from supple.report.comparison import hypervolume_curves
from supple.report.figures import accuracy_figure, hypervolume_figure, loss_figure, thinned
from supple.report.plane_figure import plane_figure
from supple.report.planes import planes_of
from supple.searching.wishes import Constraint, Direction, Objective, Sense


def trace(figure, name):
    return next(trace for trace in figure["data"] if trace["name"] == name)


def front_figure(summary, number=0):
    plane = planes_of(summary.search)[number]
    return plane_figure(summary.search, plane, summary.members, summary.targets[0])


def all_figures(summary):
    return [
        front_figure(summary),
        hypervolume_figure(hypervolume_curves(summary.search)),
        hypervolume_figure(2 * hypervolume_curves(summary.search)),
        loss_figure(summary.history),
        accuracy_figure(summary.history),
    ]


def with_real_colours(value):
    if isinstance(value, dict):
        return {key: with_real_colours(item) for key, item in value.items()}
    if isinstance(value, list):
        return [with_real_colours(item) for item in value]
    return "#123456" if isinstance(value, str) and value.startswith("var(") else value


def test_plotly_knows_every_attribute(summary):
    from plotly.graph_objects import Figure

    for figure in all_figures(summary):
        Figure(with_real_colours(figure))  # raises ValueError for an attribute or a value that Plotly does not know


def test_figures_are_json(summary):
    for figure in all_figures(summary):
        assert json.loads(json.dumps(figure, allow_nan=False)) == figure


def test_every_evaluated_member_is_drawn_once(summary):
    figure = front_figure(summary)
    searched = [*trace(figure, "members the search tried")["x"], *trace(figure, "front of the search")["x"]]
    assert sorted(searched) == sorted(member.figures[LATENCY] for member in summary.search.searched)
    assert trace(figure, "random members")["x"] == [member.figures[LATENCY] for member in summary.search.baseline]


def test_what_breaks_a_constraint_is_drawn_apart_beside_its_limit(summary):
    search = replace(summary.search, constraints=(Constraint("accuracy", Sense.AT_LEAST, 0.9),))
    figure = front_figure(replace(summary, search=search))
    broken = trace(figure, "break a constraint")["y"]
    assert broken
    assert max(broken) < 90
    (shape,) = figure["layout"]["shapes"]
    assert (shape["y0"], shape["y1"], shape["xref"]) == (90.0, 90.0, "paper")


def test_members_that_are_best_by_more_than_two_objectives_are_marked(summary):
    search = replace(summary.search, objectives=(*summary.search.objectives, Objective("macs", Direction.MINIMIZE)))
    marked = trace(front_figure(replace(summary, search=search), number=1), "best by all 3 objectives")
    assert not set(marked["x"]) & set(
        trace(front_figure(replace(summary, search=search), 1), "front of the search")["x"]
    )


def test_exported_members_stand_where_the_search_saw_them_in_planes_that_were_not_measured_again(summary):
    search = replace(summary.search, objectives=(*summary.search.objectives, Objective("macs", Direction.MINIMIZE)))
    exported = trace(front_figure(replace(summary, search=search), number=1), "exported members")
    assert exported["x"] == [float(member.macs) for member in summary.members]
    assert "error_x" not in exported


def test_several_seeds_are_drawn_as_a_median_in_a_range(summary):
    (curves,) = hypervolume_curves(summary.search)
    better = replace(curves, search=tuple(min(1.0, 1.2 * value) for value in curves.search))
    figure = hypervolume_figure([curves, better, better])
    assert [entry.get("fill") for entry in figure["data"]] == [None, "tonexty", None, "tonexty", None, None]
    assert trace({"data": figure["data"][4:]}, "search")["y"] == [100 * value for value in better.search]


def test_error_bars_reach_from_the_low_to_the_high_latency(summary):
    exported = trace(front_figure(summary), "exported members")
    for x, above, below, member in zip(
        exported["x"], exported["error_x"]["array"], exported["error_x"]["arrayminus"], summary.members, strict=True
    ):
        assert (x - below, x + above) == (
            pytest.approx(member.latency_low_ms),
            pytest.approx(member.latency_high_ms),
        )


def test_hover_shows_the_config(summary):
    member = summary.search.baseline[0]
    hover = trace(front_figure(summary), "random members")["hovertext"][0]
    for name, value in member.config.items():
        assert f"{name} = {value}" in hover


def test_markup_in_names_is_escaped(summary):
    hostile = replace(summary.members[0], name='<a href="javascript:x">', config={"<b>": 1})
    found = replace(summary.search.searched[0], config={"<b>": 1})
    search = make_search(([found], []))
    exported = trace(front_figure(replace(summary, members=(hostile,), search=search)), "exported members")
    assert "<a" not in exported["text"][0] + exported["hovertext"][0]
    assert "&lt;b&gt; = 1" in exported["hovertext"][0]


def test_empty_sets_have_no_trace(summary):
    (seed,) = summary.search.seeds
    search = replace(summary.search, seeds=(replace(seed, baseline=()),))
    figure = front_figure(replace(summary, search=search, members=()))
    assert [trace["name"] for trace in figure["data"]] == ["members the search tried", "front of the search"]


def test_figures_that_were_not_measured_are_left_out():
    history = [HistoryRow(1, 1, 0.1, loss_largest=2.0), HistoryRow(1, 2, 0.2, loss_largest=math.nan)]
    figure = loss_figure(history)
    assert [(trace["name"], trace["x"]) for trace in figure["data"]] == [("largest member", [1.0])]
    assert accuracy_figure(history)["data"] == []


def test_long_series_are_thinned_to_means_of_neighbours():
    points = thinned([(step, float(step % 2)) for step in range(1, 1001)], most=100)
    assert len(points) == 100
    assert points[0] == (5.5, 0.5)


def test_short_series_are_kept_as_they_are():
    assert thinned([(1, 0.5), (2, 0.25)]) == [(1, 0.5), (2, 0.25)]
