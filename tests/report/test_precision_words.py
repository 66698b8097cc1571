"""What the report says of precision: the formats of layers in short, and whether they pay in time."""

from dataclasses import replace

import pytest
from report_cases import TARGET, evaluated, make_member, make_search, make_space

from supple.report import LayerPrecision, Level, Parity, PrecisionChoice, RunSummary, TwinLatency, derive_notes
from supple.report.html import render
from supple.report.notes import parity_notes
from supple.report.precision import (
    exported_precision_notes,
    formats_in,
    precision_text,
    searched_precision_notes,
)
from supple.report.rows import member_rows
from supple.report.search_tables import front_tables
from supple.space import Condition, Dimension, Kind, Space

OTHER = "openvino:cpu?threads=1"


@pytest.fixture
def quantized(summary):
    """Return the small run of these tests with two dimensions of precision: that of the stem, and of two layers."""
    space = Space(
        [
            *summary.space.dimensions,
            Dimension("stem.bits", Kind.BITS, (8, 32)),
            Dimension("stages.2.2.bits", Kind.BITS, (4, 32), (Condition("stages.2.depth", 3),)),
        ]
    )
    choices = (
        PrecisionChoice("stem.bits", ("stem",), ("int8", "fp32")),
        PrecisionChoice("stages.2.2.bits", ("stages.2.2.first", "stages.2.2.second"), ("int4-weights", "fp32")),
    )
    return replace(summary.space, dimensions=space.dimensions, precisions=choices)


def largest(space, **changes):
    return dict(Space(space.dimensions).config(changes))


def measured(config, latency_ms, spread=(0.99, 1.01)):
    member = evaluated(0.9, latency_ms, config)
    spreads = dict.fromkeys((TARGET, OTHER), (latency_ms * spread[0], latency_ms * spread[1]))
    figures = {**member.figures, f"latency_ms on {OTHER}": latency_ms}
    return replace(member, spreads=spreads, figures=figures)


@pytest.mark.parametrize(
    ("formats", "text"),
    [
        (["fp32", "fp32"], "fp32"),
        (["int8"] * 12 + ["fp32"] * 4, "int8: 12 of 16 layers"),
        (["int8"], "int8: 1 of 1 layer"),
        (["int8", "int8", "int4-weights", "fp32"], "int4-weights: 1, int8: 2 of 4 layers"),
        ([], "fp32"),
    ],
)
def test_formats_are_told_in_short(formats, text):
    assert precision_text(formats) == text


def test_formats_of_layers_that_a_member_lacks_do_not_count(quantized):
    config = {"stem.bits": 8, "stages.2.2.bits": 4}
    assert formats_in(quantized, largest(quantized, **config)) == ["int8", "int4-weights", "int4-weights"]
    shallow = largest(quantized, **{"stem.bits": 8, "stages.2.depth": 1})
    assert formats_in(quantized, shallow) == ["int8"]


def member_with(twin):
    member = make_member("small", make_space().min(), 0.9, 0.5)
    precision = (LayerPrecision("stem", "int8"), LayerPrecision("head", "fp32"))
    return replace(member, latency_low_ms=0.49, latency_high_ms=0.51, precision=precision, twin=twin)


def test_precision_that_makes_a_member_faster_is_a_good_sign():
    (note,) = exported_precision_notes([member_with(TwinLatency(1.0, 0.98, 1.02))], TARGET)
    assert note.level is Level.GOOD
    assert note.text == (
        "small (int8: 1 of 2 layers) is 2.0 times as fast as its shape in fp32: 0.500 ms (0.490 to 0.510) against "
        "1.00 ms (0.980 to 1.02)."
    )


@pytest.mark.parametrize("twin", [TwinLatency(0.4, 0.39, 0.41), TwinLatency(0.51, 0.50, 0.52)])
def test_precision_that_does_not_pay_is_said(twin):
    (note,) = exported_precision_notes([member_with(twin), member_with(None)], TARGET)
    assert note.level is Level.CAUTION
    assert note.text.startswith(
        f"The precision of small (int8: 1 of 2 layers) does not pay in time on {TARGET}: it takes 0.500 ms"
    )


def test_the_full_network_says_on_which_targets_precision_pays(quantized):
    full = measured(largest(quantized), 1.0)
    few = measured(largest(quantized, **{"stem.bits": 8, "stages.2.2.bits": 4}), 0.5)
    slow = replace(
        few,
        figures={**few.figures, f"latency_ms on {OTHER}": 1.2},
        spreads={**few.spreads, OTHER: (1.1, 1.3)},
    )
    good, caution = searched_precision_notes(make_search(((full, slow), ())), quantized)
    text = "The full network with int4-weights: 2, int8: 1 of 3 layers is"
    assert (good.level, caution.level) == (Level.GOOD, Level.CAUTION)
    assert good.text == (
        f"{text} faster than in fp32 on {TARGET} (2.0 times as fast: 0.500 ms (0.495 to 0.505) against 1.00 ms "
        "(0.990 to 1.01))."
    )
    assert caution.text == (
        f"{text} not faster than in fp32 on {OTHER} (1.20 ms (1.10 to 1.30) against 1.00 ms (0.990 to 1.01)): it saves "
        "bytes."
    )


def test_without_both_of_them_nothing_is_said(quantized, summary):
    full = measured(largest(quantized), 1.0)
    assert searched_precision_notes(make_search(((full,), ())), quantized) == []
    assert searched_precision_notes(summary.search, summary.space) == []


def test_rounded_members_are_judged_by_signal_and_noise():
    rounded = Parity(0.1, 0.02, 1e-4, 256, 0.996, 31.0, 25.0, 0.99)
    assert rounded.agrees
    (note,) = parity_notes([replace(member_with(None), parity=rounded)])
    assert note.level is Level.GOOD
    assert note.text == (
        "members/small.onnx agrees with its PyTorch member as closely as its rounding does: signal over differences "
        "31.0 dB (at least 25.0 dB), the same class for 99.60 % of 256 images."
    )
    for wrong in (replace(rounded, signal_to_noise_db=20.0), replace(rounded, top1_agreement=0.9)):
        (note,) = parity_notes([replace(member_with(None), parity=wrong)])
        assert note.level is Level.CAUTION
        assert note.text.startswith("members/small.onnx does not agree with PyTorch: signal over differences")
    assert replace(rounded, signal_to_noise_db=None).agrees


def test_a_run_shows_precisions_and_is_read_back(summary, quantized):
    members = tuple(
        replace(
            member,
            config=largest(quantized),
            precision=(LayerPrecision("stem", "int8"),),
            twin=TwinLatency(1.0, 0.9, 1.1),
        )
        for member in summary.members
    )
    searched = [measured(largest(quantized), 1.0), measured(largest(quantized, **{"stem.bits": 8}), 0.5)]
    search = make_search((searched, ()))
    run = replace(summary, space=quantized, members=members, search=search)
    assert RunSummary.from_json(run.to_json()) == run
    rows = {row.label: [cell.value for cell in row.cells] for row in member_rows(run)}
    assert rows["Precision"] == ["int8: 1 of 1 layer"] * 3
    assert rows["Latency of the same shape in fp32"] == ["1.00 ms"] * 3
    assert "precision" not in {row.label for row in member_rows(summary)}
    assert any("is not faster than in fp32" in note.text or "is faster" in note.text for note in derive_notes(run))
    page = render(run).replace("\N{NO-BREAK SPACE}", " ")
    assert "int8: 1 of 3 layers" in page


def test_a_front_on_the_terminal_names_the_formats_of_its_members(quantized):
    searched = [measured(largest(quantized), 1.0), measured(largest(quantized, **{"stem.bits": 8}), 0.5)]
    searched[1].figures["accuracy"] -= 0.1
    _, header, *rows = front_tables(make_search((searched, ())), quantized).splitlines()[:4]
    assert header.endswith("precision")
    assert [row.rsplit("  ", 1)[1] for row in rows] == ["int8: 1 of 3 layers", "fp32"]
