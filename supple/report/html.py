"""The report: one self-contained HTML page that works from disk and asks no network for anything."""

import base64
import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from supple.report.comparison import hypervolume_curves
from supple.report.figures import Figure, accuracy_figure, hypervolume_figure, loss_figure
from supple.report.headlines import headlines, search_headlines
from supple.report.notes import derive_notes, derive_search_notes
from supple.report.plane_figure import plane_figure
from supple.report.planes import Plane, planes_of
from supple.report.quantities import quantity_in
from supple.report.rows import dimension_rows, member_rows
from supple.report.search_notes import NO_BASELINE
from supple.report.search_rows import (
    FrontRow,
    GainRow,
    constraint_rows,
    front_rows,
    gain_rows,
    other_figures,
    with_precision,
)
from supple.report.summary import (
    DataSummary,
    ExportedMember,
    Fact,
    RunSummary,
    SearchRecord,
    SearchSummary,
    SpaceSummary,
)
from supple.report.wording import count, members_count, moment
from supple.searching.wishes import target_of
from supple.storage import write_atomically

_PAGE = Path(__file__).parent / "page"


def write_report(summary: RunSummary, path: Path) -> None:
    """Write the report of a run as one HTML page (about 5 MB, most of it Plotly), whole or not at all.

    Raises `SuppleError` where the page cannot be written.
    """
    write_atomically(path, render(summary).encode("utf-8", errors="replace"))


def write_search_report(record: SearchRecord, path: Path) -> None:
    """Write the page of a search by itself, as `write_report` does that of a run."""
    write_atomically(path, render_search(record).encode("utf-8", errors="replace"))


def render(summary: RunSummary) -> str:
    """Return the report's HTML."""
    learning = {"loss-plot": loss_figure(summary.history), "accuracy-plot": accuracy_figure(summary.history)}
    return _render(
        "report.html",
        summary,
        learning,
        summary.members,
        {
            "headlines": headlines(summary),
            "notes": derive_notes(summary),
            "member_rows": member_rows(summary),
            "data_facts": _data_facts(summary.data, f"{summary.data.test_images:,} (read once, at the end)"),
            "has_losses": bool(learning["loss-plot"]["data"]),
            "has_accuracies": bool(learning["accuracy-plot"]["data"]),
        },
    )


def render_search(record: SearchRecord) -> str:
    """Return the HTML of a search by itself."""
    facts = {
        "headlines": search_headlines(record),
        "notes": derive_search_notes(record),
        "data_facts": _data_facts(record.data, None),
    }
    return _render("search.html", record, {}, (), facts)


def _render(
    template: str,
    summary: RunSummary | SearchRecord,
    learning: dict[str, Figure],
    members: Sequence[ExportedMember],
    content: dict[str, Any],
) -> str:
    from plotly.offline import get_plotlyjs

    # A browser reads CR LF as LF, and the policy's hash is of what it read.
    plotly = get_plotlyjs().replace("\r\n", "\n")
    script = _read("report.js")
    search = summary.search
    space = summary.space
    shown = [_ShownPlane.of(search, space, plane, number) for number, plane in enumerate(planes_of(search), start=1)]
    curves = hypervolume_curves(search)
    figures = {
        **{entry.id: plane_figure(search, entry.plane, members, summary.targets[0]) for entry in shown},
        "hypervolume-plot": hypervolume_figure(curves),
        **learning,
    }
    return (
        _environment()
        .get_template(template)
        .render(
            summary=summary,
            members=members,
            planes=shown if search.searched else (),
            constraints=constraint_rows(search),
            has_hypervolume=bool(curves),
            no_baseline=NO_BASELINE if search.searched and not search.baseline else None,
            dimension_rows=dimension_rows(summary.space, members),
            figures={name: figure for name, figure in figures.items() if figure["data"]},
            style=Markup(_read("report.css")),
            plotly=Markup(plotly),
            script=Markup(script),
            script_hashes=f"{_policy_hash(plotly)} {_policy_hash(script)}",
            **content,
        )
    )


@dataclass(frozen=True)
class _ShownPlane:
    """One plane as the page shows it: its plot and its two tables."""

    plane: Plane
    id: str
    title: str
    note: str
    quality: str
    cost: str
    others: tuple[str, ...]
    gains: tuple[GainRow, ...]
    front: tuple[FrontRow, ...]

    @classmethod
    def of(cls, search: SearchSummary, space: SpaceSummary, plane: Plane, number: int) -> "_ShownPlane":
        quality, cost = quantity_in(search, plane.quality.figure).name, quantity_in(search, plane.cost.figure).name
        return cls(
            plane,
            f"plane-{number}-plot",
            f"{_capitalised(quality)} against {cost}",
            _note(search, plane),
            quality,
            cost,
            (
                *(quantity_in(search, figure).name for figure in other_figures(search, plane)),
                *(("precision",) if space.precisions else ()),
            ),
            tuple(gain_rows(search, plane)) if search.baseline else (),
            tuple(with_precision(row, space) for row in front_rows(search, plane)),
        )


def _note(search: SearchSummary, plane: Plane) -> str:
    told = []
    if plane.cost.figure.startswith("latency_ms on "):
        told.append(
            f"Latency is measured on {target_of(plane.cost.figure)}; bars show its spread ({search.latency_spread})."
        )
    if len(search.objectives) > 2:
        told.append(
            f"The search had {len(search.objectives)} objectives: a member that is best by all of them need not be on "
            "the front of these two."
        )
    if search.constraints:
        told.append("A dashed line is a limit; members that break a constraint are crosses, and on no front.")
    told.append(
        "Point at a member to see its config; drag to zoom in, double-click to zoom out; click a name to hide its "
        "points."
    )
    return " ".join(told)


def _environment() -> Environment:
    environment = Environment(
        loader=FileSystemLoader(_PAGE), autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    environment.policies["json.dumps_kwargs"] = {"allow_nan": False, "separators": (",", ":")}
    environment.filters |= {
        "capitalize_first": _capitalised,
        "count": lambda value: _unbroken(count(value)),
        "fact": _fact,
        "members_count": members_count,
        "moment": moment,
        "unbroken": _unbroken,
    }
    return environment


def _data_facts(data: DataSummary, test: str | None) -> dict[str, Fact]:
    return {
        "data set": data.name,
        "classes": data.classes,
        "images to train": f"{data.train_images:,}",
        "images to validate": f"{data.validation_images:,} (all that the search saw)",
        "images to test": test or "not read by a search",
    }


def _capitalised(text: str) -> str:
    return text[:1].upper() + text[1:]


def _fact(value: Fact) -> str:
    return ", ".join(value) if isinstance(value, list) else str(value)


def _unbroken(text: str) -> str:
    """Keep numbers on one line with what follows them, which may be a unit."""
    return re.sub(r"(?<=\d) ", "\N{NO-BREAK SPACE}", text)


def _read(name: str) -> str:
    return (_PAGE / name).read_text(encoding="utf-8")


def _policy_hash(script: str) -> str:
    """Name a script in the page's Content-Security-Policy: no other script runs."""
    return f"'sha256-{base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()}'"
