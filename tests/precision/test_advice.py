"""Which layers to leave alone: named are the few that do most of the harm, and nobody where there are none."""

import json

import pytest

from supple.family.quantized.formats import Format
from supple.precision import Measure, Sensitivity, advise
from supple.space import Dimension, Kind, Space

SHAPE = Space([Dimension("a.bits", Kind.BITS, (8, 32))]).max()


def table(harms, signal=1.0, measure=Measure.DISTORTION, base=0.0, pairs=None, saved=1000):
    """Return the sensitivities of layers that all have int8, by their harm."""
    return Sensitivity(
        measure,
        SHAPE,
        base,
        {name: {8: harm} for name, harm in harms.items()},
        {name: {8: Format.INT8} for name in harms},
        {name: {8: saved} for name in harms},
        pairs or {},
        signal,
    )


def even(count, harm):
    return {f"even{number}.bits": harm for number in range(count)}


def test_the_layer_that_does_most_of_the_harm_is_named_with_what_it_costs():
    advice = advise(table({**even(9, 0.01), "head.bits": 0.9}))
    [verdict] = advice.verdicts
    assert verdict.leave == ("head.bits",)
    assert verdict.sentence == (
        "At 8 bits: leave head.bits in fp32: it does 91% of the harm, and 10.0% of the bytes that could be saved are "
        "given up for that."
    )
    assert advice.rows[0].dimension == "head.bits"
    assert [row.harm for row in advice.rows] == sorted((row.harm for row in advice.rows), reverse=True)
    assert sum(row.share for row in advice.rows) == pytest.approx(1)


def test_as_many_are_named_as_do_half_of_the_harm():
    advice = advise(table({**even(20, 0.01), "a.bits": 0.2, "b.bits": 0.15, "c.bits": 0.1}))
    assert advice.verdicts[0].leave == ("a.bits", "b.bits")
    assert "they do 54% of the harm" in advice.verdicts[0].sentence


def test_harm_that_is_spread_evenly_names_nobody():
    [verdict] = advise(table({**even(9, 0.1), "a.bits": 0.12})).verdicts
    assert verdict.leave == ()
    assert "no few layers do most of the harm (the most harmful, a.bits, 12% of it)" in verdict.sentence


def test_the_only_layer_has_nothing_to_be_compared_with():
    [verdict] = advise(table({"a.bits": 0.5})).verdicts
    assert verdict.leave == ()
    assert verdict.sentence == "At 8 bits: only a.bits has that choice; compare it with its others."


def test_harm_no_greater_than_what_seems_to_help_names_nobody():
    [verdict] = advise(table({**even(9, 0.001), "a.bits": 0.05, "b.bits": -0.06}, None, Measure.LOSS, 0.5)).verdicts
    assert verdict.leave == ()
    assert "all choices together add 0.00% of the loss" in verdict.sentence
    [verdict] = advise(table({**even(9, 0.001), "a.bits": 0.05, "b.bits": -0.05}, None, Measure.LOSS, 0.5)).verdicts
    assert verdict.sentence == (
        "At 8 bits: a.bits adds 0.05, but b.bits seems to take away 0.05, so that figures are that far off; take more "
        "samples, or the distortion."
    )


def test_errors_far_below_the_outputs_name_nobody():
    [verdict] = advise(table({**even(9, 1e-6), "a.bits": 9e-4})).verdicts
    assert verdict.leave == ()
    assert "all choices together add 0.09% of the outputs' power, where 0.1% is nothing to mend" in verdict.sentence


def test_an_increase_that_is_nothing_to_the_loss_names_nobody():
    losses = {**even(9, -1e-6), "a.bits": 9e-4}
    [verdict] = advise(table(losses, None, Measure.LOSS, base=1.0)).verdicts
    assert "all choices together add 0.09% of the loss" in verdict.sentence
    assert advise(table(losses, None, Measure.LOSS, base=0.5)).verdicts[0].leave == ("a.bits",)


def test_no_harm_is_told():
    [verdict] = advise(table({"a.bits": 0.0, "b.bits": -1.0}, None, Measure.LOSS, base=1.0)).verdicts
    assert verdict.sentence == "At 8 bits: no choice does any harm; leave none alone."


def test_half_of_each_pair_is_each_ones():
    pairs = {("a.bits", "b.bits"): {(8, 8): 0.2}, ("a.bits", "c.bits"): {(8, 8): -0.1}}
    found = table({"a.bits": 0.1, "b.bits": 0.1, "c.bits": 0.1}, None, Measure.INTERACTIONS, 1.0, pairs)
    assert {row.dimension: row.harm for row in advise(found).rows} == pytest.approx(
        {"a.bits": 0.15, "b.bits": 0.2, "c.bits": 0.05}
    )


def test_the_table_is_printed_with_its_sentences():
    text = str(advise(table({"a.bits": 0.5, "b.bits": 0.01})))
    assert text.splitlines() == [
        "layers  format  distortion  share  bytes saved    dB",
        "a.bits  int8           0.5  98.0%        1,000   3.0",
        "b.bits  int8          0.01   2.0%        1,000  20.0",
        "",
        "At 8 bits: leave a.bits in fp32: it does 98% of the harm, and 50.0% of the bytes that could be saved are "
        "given up for that.",
    ]


def test_json_has_no_infinite_number():
    content = json.dumps(advise(table({"a.bits": 0.5, "b.bits": 0.0})).to_json(), allow_nan=False)
    assert [row["signal_to_noise_db"] for row in json.loads(content)["rows"]][1] is None
