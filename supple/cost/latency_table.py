"""Measured latencies as a table of plain text."""

from collections.abc import Mapping

from supple.cost.latency import Latency
from supple.text_table import text_table


def latency_table(latencies: Mapping[str, Latency]) -> str:
    """Return a line for each model: its median, the 95 % interval, the rounds, and why measuring stopped."""
    rows = [
        (
            name,
            f"{latency.median_ms:.4g}",
            f"{latency.low_ms:.4g} to {latency.high_ms:.4g}",
            str(latency.rounds),
            f"{latency.disturbed:.0%}",
            "narrow enough" if latency.is_narrow else "time was up",
        )
        for name, latency in latencies.items()
    ]
    header = ("model", "median ms", "95 % interval", "rounds", "disturbed", "stopped because")
    return "\n".join(text_table(header, rows, right_aligned={1, 2, 3, 4}))
