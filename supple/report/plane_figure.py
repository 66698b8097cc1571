"""The plot of one plane, quality against a cost: what the search tried, its front, random and exported members."""

from collections.abc import Iterable, Sequence

from supple.report.figures import Figure, escaped, layout
from supple.report.planes import Plane, allowed, whole_front
from supple.report.quantities import Quantity, quantity_in
from supple.report.summary import Evaluated, ExportedMember, SearchSummary
from supple.report.wording import count, percent, spread
from supple.searching.wishes import target_of

_HOVER_LINE = 52


def plane_figure(
    search: SearchSummary, plane: Plane, members: Sequence[ExportedMember] = (), shipped: str = ""
) -> Figure:
    """Draw one plane. `members` were exported for the target `shipped`, and were measured again there."""
    searched, baseline = allowed(search, search.searched), allowed(search, search.baseline)
    broken = [member for member in (*search.searched, *search.baseline) if not search.keeps_constraints(member)]
    front = plane.front(searched)
    others = [member for member in searched if member not in front]
    best = [member for member in whole_front(search) if member not in front]
    draw = _Drawing(search, plane)
    traces = [
        draw.scatter("break a constraint", broken, "random", size=6, symbol="x-thin-open"),
        draw.scatter("random members", baseline, "random", size=6, symbol="circle-open"),
        draw.front_line("front of the random members", plane.front(baseline), "random", dash="dot"),
        draw.scatter("members the search tried", [m for m in others if m not in best], "search-soft", size=6),
        draw.scatter(f"best by all {len(search.objectives)} objectives", best, "search", size=7, symbol="circle-open"),
        draw.front_line("front of the search", front, "search", dash="solid", markers=True),
        draw.exported(members, search.searched, shipped),
    ]
    figure_layout = layout(draw.x.axis, f"{draw.y.axis}, validation")
    figure_layout["hovermode"] = "closest"
    figure_layout["shapes"] = _limits(search, plane)
    return {"data": [trace for trace in traces if trace["x"]], "layout": figure_layout}


class _Drawing:
    """Draws members in one plane."""

    def __init__(self, search: SearchSummary, plane: Plane) -> None:
        self._search = search
        self.x, self.y = quantity_in(search, plane.cost.figure), quantity_in(search, plane.quality.figure)

    def scatter(
        self, name: str, members: Sequence[Evaluated], colour: str, size: int, symbol: str = "circle"
    ) -> Figure:
        """Draw members as points."""
        return {
            "type": "scatter",
            "mode": "markers",
            "name": name,
            "x": [self.x.scale * member.figures[self.x.figure] for member in members],
            "y": [self.y.scale * member.figures[self.y.figure] for member in members],
            "marker": {"color": f"var(--{colour})", "size": size, "symbol": symbol},
            "hoverinfo": "text",
            "hovertext": [self._about_evaluated(member) for member in members],
        }

    def front_line(
        self, name: str, front: Sequence[Evaluated], colour: str, dash: str, markers: bool = False
    ) -> Figure:
        """Draw a front as steps: at a cost, the quality of the last front member before it is what can be had."""
        trace = self.scatter(name, front, colour, size=8)
        trace |= {"mode": "lines+markers" if markers else "lines"}
        trace["line"] = {"color": f"var(--{colour})", "width": 2, "dash": dash, "shape": "hv"}
        if not markers:
            trace["hoverinfo"] = "skip"
        elif spreads := self._spreads(front):
            trace["error_x"] = _error_bars(spreads, colour)
        return trace

    def exported(self, members: Sequence[ExportedMember], searched: Sequence[Evaluated], shipped: str) -> Figure:
        """Draw exported members: at the latency of their files on the target that ships, elsewhere as searched."""
        found = {tuple(entry.config.items()): entry for entry in searched}
        pairs = [(member, entry) for member in members if (entry := found.get(tuple(member.config.items())))]
        measured = self.x.figure == f"latency_ms on {shipped}"
        xs = [
            member.latency_median_ms if measured else self.x.scale * entry.figures[self.x.figure]
            for member, entry in pairs
        ]
        # The one to the right stands near the edge, where its name would be cut off.
        last = max(xs, default=None) if len(xs) > 1 else None
        trace: Figure = {
            "type": "scatter",
            "mode": "markers+text",
            "name": "exported members",
            "x": xs,
            "y": [self.y.scale * entry.figures[self.y.figure] for _, entry in pairs],
            "text": [f"<b>{escaped(member.name)}</b>" for member, _ in pairs],
            "textposition": ["bottom left" if x == last else "bottom right" for x in xs],
            "textfont": {"color": "var(--exported)", "size": 14},
            "marker": {
                "color": "var(--exported)",
                "size": 14,
                "symbol": "diamond",
                "line": {"color": "var(--card)", "width": 2},
            },
            "cliponaxis": False,
            "hoverinfo": "text",
            "hovertext": [_about_exported(member) for member, _ in pairs],
        }
        if measured:
            latencies = [(m.latency_median_ms, m.latency_low_ms, m.latency_high_ms) for m, _ in pairs]
            trace["error_x"] = _error_bars(latencies, "exported")
        return trace

    def _about_evaluated(self, member: Evaluated) -> str:
        """Return the figures of a member, one a line, latencies with their spread, and its config."""
        lines = []
        for figure, value in member.figures.items():
            quantity = quantity_in(self._search, figure)
            target = target_of(figure)
            is_latency = figure.startswith("latency_ms on ") and target in member.spreads
            shown = spread(value, *member.spreads[target or ""]) if is_latency else quantity.shown(value)
            lines.append(f"<b>{escaped(shown)}</b> {escaped(quantity.name)}")
        return "<br>".join([*lines, *_config_lines(member.config)])

    def _spreads(self, members: Sequence[Evaluated]) -> list[tuple[float, float, float]]:
        target = target_of(self.x.figure)
        if target is None or any(target not in member.spreads for member in members):
            return []
        return [(member.figures[self.x.figure], *member.spreads[target]) for member in members]


def _limits(search: SearchSummary, plane: Plane) -> list[Figure]:
    """Draw the limits of the constraints on the figures of this plane."""
    shapes = []
    for entry in search.constraints:
        for figure, along, across in ((plane.cost.figure, "x", "y"), (plane.quality.figure, "y", "x")):
            if entry.figure == figure:
                at = Quantity(figure).scale * entry.limit
                line = {"color": "var(--caution)", "width": 1.5, "dash": "dash"}
                ends = {f"{along}0": at, f"{along}1": at, f"{across}0": 0, f"{across}1": 1}
                shapes.append({"type": "line", f"{across}ref": "paper", **ends, "line": line, "layer": "below"})
    return shapes


def _error_bars(values: Iterable[tuple[float, float, float]], colour: str) -> Figure:
    known = list(values)
    return {
        "type": "data",
        "symmetric": False,
        "array": [max(high - middle, 0.0) for middle, _, high in known],
        "arrayminus": [max(middle - low, 0.0) for middle, low, _ in known],
        "color": f"var(--{colour})",
        "thickness": 1.5,
        "width": 4,
    }


def _about_exported(member: ExportedMember) -> str:
    return "<br>".join(
        [
            f"<b>{escaped(member.name)}</b>, exported as {escaped(member.file_name)}",
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
    return [escaped(line) for line in lines if line]
