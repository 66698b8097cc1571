"""What is told of an error that somebody else raised."""

import pytest

from supple.errors import class_and_first_line, first_line


@pytest.mark.parametrize(
    ("message", "line", "named"),
    [
        ("it broke", "it broke", "ValueError: it broke"),
        ("\n  it broke\nhere", "it broke", "ValueError: it broke"),
        ("", "ValueError", "ValueError"),
    ],
)
def test_one_line_is_told(message: str, line: str, named: str) -> None:
    assert first_line(ValueError(message)) == line
    assert class_and_first_line(ValueError(message)) == named
