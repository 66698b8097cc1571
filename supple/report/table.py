"""The exported members as a plain text table, for the end of a run in a terminal or a log."""

from io import StringIO

from supple.report.summary import RunSummary
from supple.report.wording import count, file_size, percent, spread


def members_table(summary: RunSummary, width: int = 120) -> str:
    """Return the exported members as a table of at most `width` columns: plain characters, no colours, no markup."""
    from rich import box
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(box=box.MARKDOWN, show_edge=True)
    table.add_column("member", overflow="fold")
    for heading in ("test accuracy", "latency", "parameters", "MACs", "size"):
        table.add_column(heading, justify="right")
    table.add_column("file", overflow="fold")
    for member in summary.members:
        table.add_row(
            Text(member.name),
            percent(member.test_accuracy_runtime),
            spread(member.latency_median_ms, member.latency_low_ms, member.latency_high_ms),
            count(member.parameters),
            count(member.macs),
            file_size(member.file_bytes),
            Text(member.file_name),
        )
    text = StringIO()
    Console(file=text, width=width, color_system=None, force_terminal=False, legacy_windows=False).print(table)
    return "\n".join(line.rstrip() for line in text.getvalue().strip().splitlines())
