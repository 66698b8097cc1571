"""The numbers at the top of the report."""

from dataclasses import replace

from supple.report import HypervolumeCurves
from supple.report.headlines import headlines


def by_label(summary):
    return {headline.label: headline for headline in headlines(summary)}


def test_the_fastest_export_is_set_against_the_most_accurate(summary):
    found = by_label(summary)
    assert found["most accurate export"].value == "91.10 %"
    assert found["fastest export"].value == "0.110 ms"
    assert found["fastest export"].detail == (
        "small: 86.80 % test accuracy; 5.5 times as fast as full for 4.30 points of accuracy"
    )


def test_a_search_worse_than_chance_shows_a_minus(summary):
    curves = HypervolumeCurves(0.0, 1.0, (0.3, 0.36), (0.3, 0.4, 0.5))
    assert by_label(replace(summary, hypervolume=curves))["search over random"].value == "-10.0 %"


def test_what_was_not_measured_has_no_headline(summary):
    empty = replace(summary, history=(), members=(), hypervolume=HypervolumeCurves(0.0, 0.0, (), ()))
    assert list(by_label(empty)) == ["members"]
