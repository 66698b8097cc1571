"""Figures read well, with their units, at every size."""

import pytest

from supple.report import wording


@pytest.mark.parametrize(
    ("value", "text"),
    [(0.012345, "0.0123"), (4.5678, "4.57"), (9.999, "10.0"), (1234.5, "1,230"), (0.0, "0"), (-0.5, "-0.500")],
)
def test_three_significant_digits(value, text):
    assert wording.significant(value) == text


@pytest.mark.parametrize(
    ("value", "text"), [(0, "0"), (999, "999"), (1_000, "1.00 k"), (45_600, "45.6 k"), (1_230_000, "1.23 M")]
)
def test_counts(value, text):
    assert wording.count(value) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [(12_288, "12,288"), (999_999_999, "999,999,999"), (1_290_000_000, "1.2 × 10^9"), (10**40, "1.0 × 10^40")],  # noqa: RUF001
)
def test_numbers_of_members(value, text):
    assert wording.members_count(value) == text


@pytest.mark.parametrize(
    ("seconds", "text"), [(0.4, "0 s"), (59.4, "59 s"), (59.6, "1 min 0 s"), (185, "3 min 5 s"), (7_440, "2 h 4 min")]
)
def test_durations(seconds, text):
    assert wording.duration(seconds) == text


@pytest.mark.parametrize(("size", "text"), [(12, "12 B"), (2048, "2.00 KiB"), (3 * 1024**2, "3.00 MiB")])
def test_file_sizes(size, text):
    assert wording.file_size(size) == text


def test_shares_and_their_differences():
    assert wording.percent(0.9125) == "91.25 %"
    assert wording.percentage_points(-0.0075) == "0.75 points"


def test_a_latency_with_its_spread():
    assert wording.spread(0.5123, 0.498, 0.5331) == "0.512 ms (0.498 to 0.533)"


def test_a_list_in_a_sentence():
    assert wording.listed(["a"]) == "a"
    assert wording.listed(["a", "b", "c"]) == "a, b and c"


def test_a_moment_is_shortened_and_other_text_left_alone():
    assert wording.moment("2026-03-01T12:30:05+00:00") == "2026-03-01 12:30 UTC"
    assert wording.moment("last spring") == "last spring"
