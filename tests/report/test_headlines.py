"""The numbers at the top of the report."""

from dataclasses import replace

from report_cases import evaluated, make_search

from supple.report import SearchRecord
from supple.report.headlines import headlines, search_headlines


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
    search = make_search(
        ([evaluated(0.0, 1.0), evaluated(0.9, 0.5)], [evaluated(0.5, 1.0), evaluated(1.0, 0.5), evaluated(0.99, 0.0)])
    )
    found = by_label(replace(summary, search=search))["search over random"]
    assert (found.value, found.detail) == ("-10.0 %", "hypervolume after 2 evaluations each")


def test_several_seeds_show_their_median_and_range(summary):
    random = [evaluated(0.0, 1.0), evaluated(1.0, 0.5)]
    seeds = [([evaluated(0.0, 1.0), evaluated(1.0, latency)], random) for latency in (0.0, 0.5, 0.25)]
    found = by_label(replace(summary, search=make_search(*seeds)))["search over random"]
    assert (found.value, found.detail) == (
        "+50.0 %",
        "hypervolume after 2 evaluations each, median of 3 seeds (+0.0 to +100.0 %)",
    )


def test_without_random_members_the_gain_is_unknown(summary):
    search = make_search(([evaluated(0.5, 1.0)], []))
    assert by_label(replace(summary, search=search))["search over random"].value == "unknown"


def test_a_search_by_itself_shows_its_best_and_its_cheapest_member(summary):
    names = SearchRecord.__dataclass_fields__
    record = SearchRecord(**{name: getattr(summary, name) for name in names})
    search = make_search(([evaluated(0.9, 1.0), evaluated(0.8, 0.5)], [evaluated(0.7, 2.0)]))
    found = {headline.label: headline for headline in search_headlines(replace(record, search=search))}
    assert (found["best accuracy"].value, found["best accuracy"].detail) == ("90.00 %", "at 1.00 ms of latency")
    assert (found["best latency"].value, found["best latency"].detail) == ("0.500 ms", "at 80.00 % of accuracy")
    assert found["members tried"].detail == "by nsga2, and 1 random; 1 seed"


def test_what_was_not_measured_has_no_headline(summary):
    empty = replace(summary, history=(), members=(), search=make_search())
    assert list(by_label(empty)) == ["members"]
