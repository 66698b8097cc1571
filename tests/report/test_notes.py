"""Each honest remark appears when the figures call for it, with its figures."""

from dataclasses import replace

import pytest
from report_cases import LATENCY, TARGET, evaluated, make_search

from supple.report import Level, Note, Parity, derive_notes
from supple.report.notes import (
    accuracy_notes,
    broken_constraint_notes,
    generalisation_notes,
    parity_notes,
    remeasured_notes,
    speed_notes,
)
from supple.searching.wishes import Constraint, Sense


@pytest.fixture
def members(summary):
    return dict(zip(("small", "medium", "full"), summary.members, strict=True))


def with_latency(member, median, low=None, high=None):
    return replace(member, latency_median_ms=median, latency_low_ms=low or median, latency_high_ms=high or median)


def texts(notes, level=Level.CAUTION):
    return [note.text for note in notes if note.level is level]


def test_fewer_macs_that_take_less_time_are_a_good_sign(summary):
    assert speed_notes(summary.members) == [
        Note(
            Level.GOOD,
            "Fewer MACs show as less time: small 0.110 ms, medium 0.210 ms and full 0.600 ms; "
            "no two intervals overlap.",
        )
    ]


def test_fewer_macs_that_take_no_less_time_are_named(members):
    slow = with_latency(members["medium"], 0.52, 0.50, 0.55)
    fast = with_latency(members["full"], 0.50, 0.48, 0.53)
    assert texts(speed_notes([members["small"], slow, fast])) == [
        "medium has fewer MACs than full (4.42 M against 20.6 M) but is not faster: 0.520 ms (0.500 to 0.550) "
        "against 0.500 ms (0.480 to 0.530); the intervals overlap."
    ]


def test_a_clearly_slower_smaller_member_is_named_as_such(members):
    slow = with_latency(members["small"], 0.9, 0.8, 1.0)
    assert texts(speed_notes([slow, members["full"]])) == [
        "small has fewer MACs than full (1.65 M against 20.6 M) but is not faster: 0.900 ms (0.800 to 1.00) "
        "against 0.600 ms (0.582 to 0.624); the intervals do not overlap."
    ]


def test_a_faster_member_whose_interval_overlaps_is_no_clear_win(members):
    near = with_latency(members["medium"], 0.58, 0.5, 0.65)
    (text,) = texts(speed_notes([near, members["full"]]))
    assert "and its median is lower" in text
    assert text.endswith("the intervals overlap.")


def test_every_pair_is_compared(members):
    slowest = with_latency(members["small"], 0.9)
    assert len(texts(speed_notes([slowest, members["medium"], members["full"]]))) == 2


def test_one_member_alone_has_no_order(members):
    assert speed_notes([members["small"]]) == []


def test_more_time_for_no_more_accuracy_is_named(members):
    worse = replace(members["full"], test_accuracy_runtime=0.89)
    assert texts(accuracy_notes([members["medium"], worse])) == [
        "full takes more time than medium (0.600 ms against 0.210 ms) but is not more accurate on the test split "
        "(89.00 % against 89.30 %)."
    ]
    assert accuracy_notes(list(members.values())) == []


def test_agreement_with_pytorch_is_told_with_its_largest_difference(summary):
    assert texts(parity_notes(summary.members), Level.GOOD) == [
        "Every exported file agrees with its PyTorch member on 256 images: largest difference 2.1e-06 "
        "(tolerance 1.0e-04), same classes."
    ]


def test_an_export_that_does_not_agree_is_named(members):
    wrong = replace(members["small"], parity=Parity(0.5, 2.0, 1e-4, 256, 0.75))
    assert texts(parity_notes([wrong, members["full"]])) == [
        "members/small.onnx does not agree with PyTorch: the outputs differ by up to 5.0e-01 (tolerance 1.0e-04) "
        "on 256 images. Do not use it.",
        "members/small.onnx predicts another class than PyTorch for 25.00 % of 256 images.",
    ]


def test_a_gap_between_validation_and_test_beyond_sampling_is_named(summary, members):
    lucky = replace(members["small"], validation_accuracy=0.90, test_accuracy_runtime=0.85)
    assert texts(generalisation_notes([lucky, members["full"]], summary.data)) == [
        "small is 5.00 points less accurate on the test split than on the validation split (85.00 % against 90.00 %); "
        "sampling explains about 2.09 points."
    ]


def test_a_gap_within_sampling_is_fine(summary):
    (note,) = generalisation_notes(summary.members, summary.data)
    assert note.level is Level.GOOD
    assert "the widest gap is 0.40 points, of " in note.text


def test_an_export_much_slower_than_the_search_measured_is_named(members):
    def found(low, middle, high):
        entry = evaluated(0.9, middle, members["small"].config)
        return make_search(([replace(entry, spreads={TARGET: (low, high)})], []))

    assert texts(remeasured_notes([members["small"]], found(0.07, 0.08, 0.09), TARGET)) == [
        "small takes 38 % more time as an exported file than the search measured: 0.110 ms (0.107 to 0.114) against "
        "0.0800 ms (0.0700 to 0.0900)."
    ]
    assert remeasured_notes([members["small"]], found(0.1, 0.105, 0.12), TARGET) == []


def test_an_exported_member_that_breaks_a_constraint_is_named(members):
    limits = (Constraint(LATENCY, Sense.AT_MOST, 0.5), Constraint("accuracy", Sense.AT_LEAST, 0.8))
    found = [evaluated(0.9, 0.6, members["full"].config), evaluated(0.85, 0.2, members["small"].config)]
    search = make_search((found, []), constraints=limits)
    assert texts(broken_constraint_notes(list(members.values()), search)) == [
        'full breaks "latency_ms <= 0.5 on onnxruntime:cpu?threads=1". It is exported for comparison only.'
    ]
    assert texts(broken_constraint_notes([members["small"]], search), Level.GOOD) == [
        'Every exported member keeps "latency_ms <= 0.5 on onnxruntime:cpu?threads=1" and "accuracy >= 0.8".'
    ]


def test_cautions_stand_before_what_holds_and_the_run_s_own_notes_are_kept(summary):
    notes = derive_notes(summary)
    levels = [note.level for note in notes]
    assert levels == sorted(levels, key=lambda level: level is Level.GOOD)
    assert Note(Level.CAUTION, "The run was resumed once.") in notes


def test_a_run_that_measured_nothing_has_no_derived_notes(summary):
    empty = replace(summary, search=make_search(), members=(), notes=())
    assert derive_notes(empty) == ()
