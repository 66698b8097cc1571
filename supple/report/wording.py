"""Figures as text for people: counts, shares, times and sizes with their units."""

import math
from datetime import datetime

_COUNT_UNITS = ((1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k"))
_BYTE_UNITS = ((1024.0**3, "GiB"), (1024.0**2, "MiB"), (1024.0, "KiB"))


def significant(value: float, digits: int = 3) -> str:
    """Return the value with this many significant digits and no exponent: `0.0123`, `4.56`, `1,235`."""
    if value == 0 or not math.isfinite(value):
        return f"{value:g}"
    # Rounded first: 9.999 becomes 10.0, which has one digit more before the point.
    rounded = float(f"{value:.{digits - 1}e}")
    decimals = digits - 1 - math.floor(math.log10(abs(rounded)))
    return f"{rounded:,.{max(decimals, 0)}f}"


def count(value: int) -> str:
    """Return a number of parameters or MACs: `1.23 M`, `45.6 k`, `789`."""
    for unit, name in _COUNT_UNITS:
        if value >= unit:
            return f"{significant(value / unit)} {name}"
    return str(value)


def members_count(value: int) -> str:
    """Return a number of members: exact up to a billion, a power of ten above."""
    if value < 10**9:
        return f"{value:,}"
    exponent = len(str(value)) - 1
    return f"{value // 10 ** (exponent - 1) / 10:.1f} × 10^{exponent}"  # noqa: RUF001


def percent(share: float) -> str:
    """Return a share of 0 to 1 as `91.25 %`."""
    return f"{100 * share:.2f} %"


def percentage_points(share: float) -> str:
    """Return the size of a difference of two shares as `0.75 points`."""
    return f"{100 * abs(share):.2f} points"


def milliseconds(value: float) -> str:
    """Return a latency given in milliseconds as `0.512 ms`."""
    return f"{significant(value)} ms"


def spread(median: float, low: float, high: float) -> str:
    """Return a latency with its spread as `0.512 ms (0.498 to 0.533)`."""
    return f"{milliseconds(median)} ({significant(low)} to {significant(high)})"


def file_size(size: int) -> str:
    """Return a number of bytes as `1.23 MiB`."""
    for unit, name in _BYTE_UNITS:
        if size >= unit:
            return f"{significant(size / unit)} {name}"
    return f"{size} B"


def duration(seconds: float) -> str:
    """Return a time span as `42 s`, `3 min 5 s` or `2 h 4 min`."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    return f"{whole // 3600} h {whole % 3600 // 60} min"


def moment(iso: str) -> str:
    """Return an ISO 8601 time as `2026-03-01 12:30 UTC`; any other text as it is."""
    try:
        return datetime.fromisoformat(iso).strftime("%Y-%m-%d %H:%M %Z").strip()
    except ValueError:
        return iso


def listed(words: list[str]) -> str:
    """Return the words as a list in a sentence: `a, b and c`."""
    return " and ".join([", ".join(words[:-1]), words[-1]] if len(words) > 1 else words)
