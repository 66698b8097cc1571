"""The plots hold the run's points, in figures that Plotly accepts."""

import json
import math
from dataclasses import replace

import pytest

from supple.report import HistoryRow
from supple.report.figures import accuracy_figure, front_figure, hypervolume_figure, loss_figure, thinned


def trace(figure, name):
    return next(trace for trace in figure["data"] if trace["name"] == name)


def all_figures(summary):
    return [
        front_figure(summary),
        hypervolume_figure(summary.hypervolume),
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
    assert sorted(searched) == sorted(member.latency_ms for member in summary.search)
    assert trace(figure, "random members")["x"] == [member.latency_ms for member in summary.baseline]


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
    member = summary.baseline[0]
    hover = trace(front_figure(summary), "random members")["hovertext"][0]
    for name, value in member.config.items():
        assert f"{name} = {value}" in hover


def test_markup_in_names_is_escaped(summary):
    hostile = replace(summary.members[0], name='<a href="javascript:x">', config={"<b>": 1})
    exported = trace(front_figure(replace(summary, members=(hostile,))), "exported members")
    assert "<a" not in exported["text"][0] + exported["hovertext"][0]
    assert "&lt;b&gt; = 1" in exported["hovertext"][0]


def test_empty_sets_have_no_trace(summary):
    figure = front_figure(replace(summary, search=(), baseline=()))
    assert [trace["name"] for trace in figure["data"]] == ["exported members"]


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
