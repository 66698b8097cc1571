"""The evidence of a run: its summary, the honest notes that follow from it, the HTML report and the closing table."""

from supple.report.comparison import hypervolume_curves, mark_front
from supple.report.html import write_report
from supple.report.notes import derive_notes
from supple.report.summary import (
    DataSummary,
    Evaluated,
    ExportedMember,
    Frozen,
    HistoryRow,
    HypervolumeCurves,
    Level,
    Note,
    Origin,
    Parity,
    RunSummary,
    SpaceSummary,
)
from supple.report.table import members_table

__all__ = [
    "DataSummary",
    "Evaluated",
    "ExportedMember",
    "Frozen",
    "HistoryRow",
    "HypervolumeCurves",
    "Level",
    "Note",
    "Origin",
    "Parity",
    "RunSummary",
    "SpaceSummary",
    "derive_notes",
    "hypervolume_curves",
    "mark_front",
    "members_table",
    "write_report",
]
