"""The evidence of a run: its summary, the honest notes that follow from it, the HTML report and the closing table."""

from supple.report.html import write_report, write_search_report
from supple.report.notes import derive_notes, derive_search_notes
from supple.report.search_json import search_json
from supple.report.search_tables import front_tables
from supple.report.summary import (
    DataSummary,
    Evaluated,
    ExportedMember,
    Frozen,
    HistoryRow,
    LayerPrecision,
    Level,
    Note,
    Parity,
    PrecisionChoice,
    RunSummary,
    SearchRecord,
    SearchSummary,
    SeedSummary,
    SpaceSummary,
    TwinLatency,
)
from supple.report.table import members_table

__all__ = [
    "DataSummary",
    "Evaluated",
    "ExportedMember",
    "Frozen",
    "HistoryRow",
    "LayerPrecision",
    "Level",
    "Note",
    "Parity",
    "PrecisionChoice",
    "RunSummary",
    "SearchRecord",
    "SearchSummary",
    "SeedSummary",
    "SpaceSummary",
    "TwinLatency",
    "derive_notes",
    "derive_search_notes",
    "front_tables",
    "members_table",
    "search_json",
    "write_report",
    "write_search_report",
]
