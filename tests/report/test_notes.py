"""Each honest remark appears when the figures call for it, with its figures."""

from dataclasses import replace

import pytest

from supple.report import HypervolumeCurves, Level, Note, Parity, derive_notes
from supple.report.notes import (
    accuracy_notes,
    equal_latency_notes,
    generalisation_notes,
    parity_notes,
    remeasured_notes,
    search_notes,
    speed_notes,
)


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


def test_a_search_that_beats_chance_by_hypervolume_says_by_how_much(summary):
    curves = HypervolumeCurves(0.8, 1.0, tuple([0.05] * 60), tuple([0.04] * 60))
    assert (
        "The search beat random members by hypervolume: 0.0500 against 0.0400 after 60 evaluations each, 25.00 % more."
    ) in texts(search_notes(summary.search, summary.baseline, curves), Level.GOOD)


def test_a_search_that_does_not_beat_chance_is_admitted(summary):
    curves = HypervolumeCurves(0.8, 1.0, tuple([0.04] * 60), tuple([0.04] * 60))
    assert (
        "The search did not beat random members by hypervolume: 0.0400 against 0.0400 after 60 evaluations each."
    ) in texts(search_notes(summary.search, summary.baseline, curves))


def test_a_smaller_baseline_is_named_and_compared_at_its_size(summary):
    curves = HypervolumeCurves(0.8, 1.0, (0.01, 0.02, 0.03), (0.015, 0.02))
    cautions = texts(search_notes(summary.search[:3], summary.baseline[:2], curves))
    assert cautions[0].startswith("The random baseline is smaller than the search (2 members against 3)")
    assert cautions[1].endswith("0.0200 against 0.0200 after 2 evaluations each.")


def test_a_search_without_a_baseline_proves_nothing(summary):
    curves = HypervolumeCurves(0.8, 1.0, (0.01,), ())
    assert texts(search_notes(summary.search[:1], (), curves)) == [
        "There is no random baseline, so nothing shows that the search was better than chance."
    ]


def front_member(member, accuracy, latency):
    return replace(
        member, accuracy=accuracy, latency_ms=latency, on_front=True, config={"width": round(1000 * latency)}
    )


def test_the_front_is_compared_with_random_members_at_equal_latency(summary):
    base = summary.search[0]
    search = [front_member(base, a, t) for a, t in ((0.7, 0.5), (0.8, 1.0), (0.9, 2.0))]
    baseline = [front_member(base, a, t) for a, t in ((0.79, 0.9), (0.91, 1.9))]
    (note,) = search_notes(search, baseline, HypervolumeCurves(0.0, 0.0, (), ()))[1:]
    assert note == Note(
        Level.GOOD,
        "At equal latency, 2 of the 3 members on the search's front are more accurate than the best random member "
        "(1 is faster than every random member; the differences go from -1.00 to +1.00 points).",
    )


def test_a_front_that_mostly_loses_at_equal_latency_is_a_caution(summary):
    base = summary.search[0]
    search, baseline = [front_member(base, 0.7, 1.0)], [front_member(base, 0.8, 0.9)]
    assert texts(search_notes(search, baseline, HypervolumeCurves(0.0, 0.0, (), ()))) == [
        "At equal latency, 0 of the 1 members on the search's front are more accurate than the best random member "
        "(the differences go from -10.00 to -10.00 points)."
    ]


def test_an_exported_member_is_compared_with_random_members_that_are_as_fast(summary, members):
    config = members["medium"].config
    found = replace(summary.search[0], config=config, accuracy=0.9, latency_ms=0.2)
    rivals = [
        replace(summary.baseline[0], accuracy=a, latency_ms=t) for a, t in ((0.88, 0.19), (0.89, 0.21), (0.95, 1))
    ]
    assert equal_latency_notes([members["medium"]], [found], rivals) == [
        Note(
            Level.GOOD,
            "At the latency of medium (0.200 ms ± 10 %) the search found 90.00 % validation accuracy; 2 random members "
            "reach 88.50 % on average and 89.00 % at best.",
        )
    ]
    better = [replace(rivals[0], accuracy=0.9)]
    assert texts(equal_latency_notes([members["medium"]], [found], better)) == [
        "At the latency of medium (0.200 ms ± 10 %) the search found 90.00 % validation accuracy; 1 random member "
        "reaches 90.00 % on average and 90.00 % at best."
    ]


def test_no_random_member_as_fast_is_said(summary, members):
    found = replace(summary.search[0], config=members["small"].config, latency_ms=0.01)
    assert texts(equal_latency_notes([members["small"]], [found], summary.baseline)) == [
        "At the latency of small (0.0100 ms ± 10 %) there is no random member to compare with."
    ]


def test_a_member_that_the_search_never_saw_is_not_compared(summary, members):
    assert equal_latency_notes([members["full"]], [], summary.baseline) == []


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


def test_an_export_much_slower_than_the_search_measured_is_named(summary, members):
    found = replace(
        summary.search[0],
        config=members["small"].config,
        latency_ms=0.08,
        latency_low_ms=0.07,
        latency_high_ms=0.09,
    )
    assert texts(remeasured_notes([members["small"]], [found])) == [
        "small takes 38 % more time as an exported file than the search measured: 0.110 ms (0.107 to 0.114) against "
        "0.0800 ms (0.0700 to 0.0900)."
    ]
    same = replace(found, latency_ms=0.105, latency_low_ms=0.1, latency_high_ms=0.12)
    assert remeasured_notes([members["small"]], [same]) == []


def test_cautions_stand_before_what_holds_and_the_run_s_own_notes_are_kept(summary):
    notes = derive_notes(summary)
    levels = [note.level for note in notes]
    assert levels == sorted(levels, key=lambda level: level is Level.GOOD)
    assert Note(Level.CAUTION, "The run was resumed once.") in notes


def test_a_run_that_measured_nothing_has_no_derived_notes(summary):
    empty = replace(
        summary, search=(), baseline=(), members=(), hypervolume=HypervolumeCurves(0.0, 0.0, (), ()), notes=()
    )
    assert derive_notes(empty) == ()
