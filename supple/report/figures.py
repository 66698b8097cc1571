"""The report's plots as Plotly figures in plain data.

A colour is the name of a CSS variable, `var(--search)`, which the page resolves for its light or dark theme. Text
that comes from the user is escaped, for Plotly reads markup in labels.
"""

import html
import math
from collections.abc import Iterable, Sequence
from typing import Any

from supple.report.comparison import front_of
from supple.report.summary import Evaluated, ExportedMember, HistoryRow, HypervolumeCurves, RunSummary
from supple.report.wording import count, percent, spread

Figure = dict[str, Any]
"""A Plotly figure: `{"data": [trace, ...], "layout": {...}}`, nothing but JSON."""

_MOST_STEPS_SHOWN = 400
_HOVER_LINE = 52
_FONT = "system-ui, -apple-system, 'Segoe UI', Roboto, sans-serif"


def front_figure(summary: RunSummary) -> Figure:
    """Draw accuracy against latency: what the search tried and its front, the random members, what was exported."""
    search_front, baseline_front = front_of(summary.search), front_of(summary.baseline)
    traces = [
        _scatter("random members", summary.baseline, "random", size=6, symbol="circle-open"),
        _front_line("front of the random members", baseline_front, "random", dash="dot"),
        _scatter("members the search tried", _not_in(summary.search, search_front), "search-soft", size=6),
        _front_line("front of the search", search_front, "search", dash="solid", markers=True),
        _exported(summary.members),
    ]
    layout = _layout("latency in ms", "validation accuracy in %")
    layout["hovermode"] = "closest"
    return {"data": [trace for trace in traces if trace["x"]], "layout": layout}


def hypervolume_figure(curves: HypervolumeCurves) -> Figure:
    """Draw both hypervolumes over the number of evaluated members."""
    traces = [
        _line("random members", list(enumerate(curves.baseline, start=1)), "random", shape="hv", dash="dot"),
        _line("search", list(enumerate(curves.search, start=1)), "search", shape="hv"),
    ]
    return {"data": [trace for trace in traces if trace["x"]], "layout": _layout("members evaluated", "hypervolume")}


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
    return {"data": traces, "layout": _layout("training step", axis)}


def _scatter(name: str, members: Sequence[Evaluated], colour: str, size: int, symbol: str = "circle") -> Figure:
    return {
        "type": "scatter",
        "mode": "markers",
        "name": name,
        "x": [member.latency_ms for member in members],
        "y": [100 * member.accuracy for member in members],
        "marker": {"color": f"var(--{colour})", "size": size, "symbol": symbol},
        "hoverinfo": "text",
        "hovertext": [_about_evaluated(member) for member in members],
    }


def _front_line(name: str, front: Sequence[Evaluated], colour: str, dash: str, markers: bool = False) -> Figure:
    trace = _scatter(name, front, colour, size=8)
    # What is reachable at a latency is the accuracy of the last front member before it: right first, then up.
    trace |= {"mode": "lines+markers" if markers else "lines"}
    trace["line"] = {"color": f"var(--{colour})", "width": 2, "dash": dash, "shape": "hv"}
    if markers:
        trace["error_x"] = _error_bars(
            [(member.latency_ms, member.latency_low_ms, member.latency_high_ms) for member in front], colour
        )
    else:
        trace["hoverinfo"] = "skip"
    return trace


def _exported(members: Sequence[ExportedMember]) -> Figure:
    # The slowest stands near the right edge, where its name would be cut off.
    slowest = max(members, key=lambda member: member.latency_median_ms, default=None) if len(members) > 1 else None
    return {
        "type": "scatter",
        "mode": "markers+text",
        "name": "exported members",
        "x": [member.latency_median_ms for member in members],
        "y": [100 * member.validation_accuracy for member in members],
        "text": [f"<b>{_escaped(member.name)}</b>" for member in members],
        "textposition": ["bottom left" if member is slowest else "bottom right" for member in members],
        "textfont": {"color": "var(--exported)", "size": 14},
        "marker": {
            "color": "var(--exported)",
            "size": 14,
            "symbol": "diamond",
            "line": {"color": "var(--card)", "width": 2},
        },
        "error_x": _error_bars(
            [(member.latency_median_ms, member.latency_low_ms, member.latency_high_ms) for member in members],
            "exported",
        ),
        "cliponaxis": False,
        "hoverinfo": "text",
        "hovertext": [_about_exported(member) for member in members],
    }


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


def _error_bars(latencies: Iterable[tuple[float, float, float]], colour: str) -> Figure:
    known = list(latencies)
    return {
        "type": "data",
        "symmetric": False,
        "array": [max(high - middle, 0.0) for middle, _, high in known],
        "arrayminus": [max(middle - low, 0.0) for middle, low, _ in known],
        "color": f"var(--{colour})",
        "thickness": 1.5,
        "width": 4,
    }


def _layout(x_title: str, y_title: str) -> Figure:
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
        "xaxis": {**axis, "title": {"text": x_title, "standoff": 10}},
        "yaxis": {**axis, "title": {"text": y_title, "standoff": 10}},
        "legend": {"orientation": "h", "x": 0, "xanchor": "left", "y": 1.02, "yanchor": "bottom"},
        "hoverlabel": {
            "bgcolor": "var(--card)",
            "bordercolor": "var(--line)",
            "align": "left",
            "font": {"family": _FONT, "color": "var(--ink)", "size": 13},
        },
    }


def _about_evaluated(member: Evaluated) -> str:
    return "<br>".join(
        [
            f"<b>{percent(member.accuracy)}</b> validation accuracy",
            f"<b>{spread(member.latency_ms, member.latency_low_ms, member.latency_high_ms)}</b>",
            f"{count(member.parameters)} parameters, {count(member.macs)} MACs",
            *_config_lines(member.config),
        ]
    )


def _about_exported(member: ExportedMember) -> str:
    return "<br>".join(
        [
            f"<b>{_escaped(member.name)}</b>, exported as {_escaped(member.file_name)}",
            f"<b>{percent(member.test_accuracy_runtime)}</b> test accuracy in the runtime "
            f"({percent(member.validation_accuracy)} validation)",
            f"<b>{spread(member.latency_median_ms, member.latency_low_ms, member.latency_high_ms)}</b>",
            f"{count(member.parameters)} parameters, {count(member.macs)} MACs",
            *_config_lines(member.config),
        ]
    )


def _config_lines(config: dict[str, int]) -> list[str]:
    lines: list[str] = [""]
    for name, value in config.items():
        entry = f"{name} = {value}"
        if lines[-1] and len(lines[-1]) + len(entry) + 3 > _HOVER_LINE:
            lines.append("")
        lines[-1] += f"{' · ' if lines[-1] else ''}{entry}"
    return [_escaped(line) for line in lines if line]


def _not_in(members: Sequence[Evaluated], others: Sequence[Evaluated]) -> list[Evaluated]:
    left_out = {id(member) for member in others}
    return [member for member in members if id(member) not in left_out]


def _times_100(share: float | None) -> float | None:
    return None if share is None else 100 * share


def _escaped(text: str) -> str:
    return html.escape(text, quote=False)
