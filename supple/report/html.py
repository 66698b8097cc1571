"""The report: one self-contained HTML page that works from disk and asks no network for anything."""

import base64
import hashlib
import re
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from supple.report.comparison import front_of
from supple.report.figures import Figure, accuracy_figure, front_figure, hypervolume_figure, loss_figure
from supple.report.headlines import headlines
from supple.report.notes import derive_notes
from supple.report.rows import dimension_rows, member_rows
from supple.report.summary import Evaluated, Fact, RunSummary
from supple.report.wording import count, members_count, milliseconds, moment, percent, significant
from supple.storage import write_atomically

_PAGE = Path(__file__).parent / "page"


def write_report(summary: RunSummary, path: Path) -> None:
    """Write the report of a run as one HTML page (about 5 MB, most of it Plotly), whole or not at all.

    Raises `SuppleError` where the page cannot be written.
    """
    write_atomically(path, render(summary).encode("utf-8", errors="replace"))


def render(summary: RunSummary) -> str:
    """Return the report's HTML."""
    from plotly.offline import get_plotlyjs

    # A browser reads CR LF as LF, and the policy's hash is of what it read.
    plotly = get_plotlyjs().replace("\r\n", "\n")
    script = _read("report.js")
    figures = _figures(summary)
    return (
        _environment()
        .get_template("report.html")
        .render(
            summary=summary,
            headlines=headlines(summary),
            notes=derive_notes(summary),
            front=front_of(summary.search),
            member_rows=member_rows(summary),
            dimension_rows=dimension_rows(summary),
            data_facts=_data_facts(summary),
            figures={name: figure for name, figure in figures.items() if figure["data"]},
            has_losses=bool(figures["loss-plot"]["data"]),
            has_accuracies=bool(figures["accuracy-plot"]["data"]),
            style=Markup(_read("report.css")),
            plotly=Markup(plotly),
            script=Markup(script),
            script_hashes=f"{_policy_hash(plotly)} {_policy_hash(script)}",
        )
    )


def _environment() -> Environment:
    environment = Environment(
        loader=FileSystemLoader(_PAGE), autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    environment.policies["json.dumps_kwargs"] = {"allow_nan": False, "separators": (",", ":")}
    environment.filters |= {
        "count": lambda value: _unbroken(count(value)),
        "fact": _fact,
        "interval": _interval,
        "members_count": members_count,
        "milliseconds": lambda value: _unbroken(milliseconds(value)),
        "moment": moment,
        "percent": lambda value: _unbroken(percent(value)),
        "unbroken": _unbroken,
    }
    return environment


def _figures(summary: RunSummary) -> dict[str, Figure]:
    return {
        "front-plot": front_figure(summary),
        "hypervolume-plot": hypervolume_figure(summary.hypervolume),
        "loss-plot": loss_figure(summary.history),
        "accuracy-plot": accuracy_figure(summary.history),
    }


def _data_facts(summary: RunSummary) -> dict[str, Fact]:
    data = summary.data
    return {
        "data set": data.name,
        "classes": data.classes,
        "images to train": f"{data.train_images:,}",
        "images to validate": f"{data.validation_images:,} (all that the search saw)",
        "images to test": f"{data.test_images:,} (read once, at the end)",
    }


def _interval(member: Evaluated) -> str:
    return f"{significant(member.latency_low_ms)} to {significant(member.latency_high_ms)}"


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
