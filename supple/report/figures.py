"""The report's plots as Plotly figures in plain data: hypervolumes and learning curves, and what all plots share.

A colour is the name of a CSS variable, `var(--search)`, which the page resolves for its light or dark theme. Text
that comes from the user is escaped, for Plotly reads markup in labels.
"""

import html
import math
from collections.abc import Callable, Sequence
from statistics import median
from typing import Any

from supple.report.comparison import HypervolumeCurves
from supple.report.summary import HistoryRow

Figure = dict[str, Any]
"""A Plotly figure: `{"data": [trace, ...], "layout": {...}}`, nothing but JSON."""

_MOST_STEPS_SHOWN = 400
_FONT = "system-ui, -apple-system, 'Segoe UI', Roboto, sans-serif"


def hypervolume_figure(curves: Sequence[HypervolumeCurves]) -> Figure:
    """Draw both hypervolumes over the number of evaluated members; of several seeds the median and the range."""
    randoms, searches = [curve.random for curve in curves], [curve.search for curve in curves]
    traces = [
        *_range_of("random members", randoms, "random"),
        *_range_of("search", searches, "search"),
        _line("random members", _over_seeds(randoms, median), "random", shape="hv", dash="dot"),
        _line("search", _over_seeds(searches, median), "search", shape="hv"),
    ]
    title = "hypervolume in %" if len(curves) < 2 else f"hypervolume in %, median of {len(curves)} seeds"
    return {"data": [trace for trace in traces if trace["x"]], "layout": layout("members evaluated", title)}


def loss_figure(history: Sequence[HistoryRow]) -> Figure:
    """Draw the training loss of the largest and the smallest member over the steps."""
    return _learning(
        "training loss",
        ("largest member", "member-large", [(row.step, row.loss_largest) for row in history]),
        ("smallest member", "member-small", [(row.step, row.loss_smallest) for row in history]),
    )


def accuracy_figure(history: Sequence[HistoryRow]) -> Figure:
    """Draw the validation accuracy of the largest and the smallest member over the steps."""
    return _learning(
        "validation accuracy in %",
        ("largest member", "member-large", [(row.step, _times_100(row.accuracy_largest)) for row in history]),
        ("smallest member", "member-small", [(row.step, _times_100(row.accuracy_smallest)) for row in history]),
    )


def thinned(points: Sequence[tuple[int, float]], most: int = _MOST_STEPS_SHOWN) -> list[tuple[float, float]]:
    """Return at most this many points: the means of equally many neighbours where there are more."""
    width = math.ceil(len(points) / most) if points else 1
    groups = [points[start : start + width] for start in range(0, len(points), width)]
    return [(math.fsum(x for x, _ in g) / len(g), math.fsum(y for _, y in g) / len(g)) for g in groups]


def _learning(axis: str, *series: tuple[str, str, list[tuple[int, float | None]]]) -> Figure:
    traces = []
    for name, colour, values in series:
        points = thinned([(step, value) for step, value in values if value is not None and math.isfinite(value)])
        if points:
            trace = _line(name, points, colour)
            trace["mode"] = "lines+markers" if len(points) <= 40 else "lines"
            traces.append(trace)
    return {"data": traces, "layout": layout("training step", axis)}


def _line(
    name: str, points: Sequence[tuple[float, float]], colour: str, shape: str = "linear", dash: str = "solid"
) -> Figure:
    return {
        "type": "scatter",
        "mode": "lines",
        "name": name,
        "x": [x for x, _ in points],
        "y": [y for _, y in points],
        "line": {"color": f"var(--{colour})", "width": 2.5, "shape": shape, "dash": dash},
        "marker": {"color": f"var(--{colour})", "size": 6},
    }


def layout(x_title: str, y_title: str) -> Figure:
    """Return the layout that all plots share."""
    axis = {
        "gridcolor": "var(--grid)",
        "linecolor": "var(--line)",
        "zeroline": False,
        "automargin": True,
        "ticks": "outside",
        "tickcolor": "var(--line)",
    }
    return {
        "font": {"family": _FONT, "color": "var(--ink-soft)"},
        "paper_bgcolor": "rgba(0,0,0,0)",
        "plot_bgcolor": "rgba(0,0,0,0)",
        "margin": {"l": 8, "r": 12, "t": 8, "b": 8},
        "xaxis": {**axis, "title": {"text": escaped(x_title), "standoff": 10}},
        "yaxis": {**axis, "title": {"text": escaped(y_title), "standoff": 10}},
        "legend": {"orientation": "h", "x": 0, "xanchor": "left", "y": 1.02, "yanchor": "bottom"},
        "hoverlabel": {
            "bgcolor": "var(--card)",
            "bordercolor": "var(--line)",
            "align": "left",
            "font": {"family": _FONT, "color": "var(--ink)", "size": 13},
        },
    }


def escaped(text: str) -> str:
    """Return text without markup."""
    return html.escape(text, quote=False)


def _times_100(share: float | None) -> float | None:
    return None if share is None else 100 * share


def _over_seeds(
    curves: Sequence[Sequence[float]], combine: Callable[[list[float]], float]
) -> list[tuple[float, float]]:
    """Return the points of several curves as one, as far as all of them go."""
    together = zip(*curves, strict=False)
    return [(number, 100 * combine(list(values))) for number, values in enumerate(together, start=1)]


def _range_of(name: str, curves: Sequence[Sequence[float]], colour: str) -> list[Figure]:
    """Draw the area between the lowest and the highest of several curves: its lower edge, and what is filled to it."""
    if len(curves) < 2:
        return []
    edges = [_line(name, _over_seeds(curves, combine), colour, shape="hv") for combine in (min, max)]
    for edge in edges:
        edge |= {"showlegend": False, "hoverinfo": "skip", "line": {**edge["line"], "width": 0}}
    edges[1] |= {"fill": "tonexty", "fillcolor": f"var(--{colour}-range)"}
    return edges
