"""A table as lines of plain text."""

from collections.abc import Collection, Sequence


def text_table(header: Sequence[str], rows: Sequence[Sequence[str]], right_aligned: Collection[int] = ()) -> list[str]:
    """Return the header and the rows as lines, columns two spaces apart; `right_aligned` holds column numbers."""
    lines = [header, *rows]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    return ["  ".join(_cells(line, widths, right_aligned)).rstrip() for line in lines]


def _cells(line: Sequence[str], widths: Sequence[int], right_aligned: Collection[int]) -> list[str]:
    return [
        cell.rjust(width) if column in right_aligned else cell.ljust(width)
        for column, (cell, width) in enumerate(zip(line, widths, strict=True))
    ]
