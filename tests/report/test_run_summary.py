"""The summary of a run goes to JSON and back unchanged, and refuses everything else."""

import json
import math
from dataclasses import replace

import pytest

from supple.errors import SuppleError
from supple.report import HistoryRow, RunSummary


def test_json_and_back_is_the_identity(summary):
    assert RunSummary.from_json(summary.to_json()) == summary


def test_the_json_is_plain(summary):
    content = json.loads(summary.to_json())
    assert content["search"][0]["origin"] == "search"
    assert content["space"]["dimensions"][0] == {
        "name": "stem.width",
        "kind": "width",
        "values": [8, 12, 16],
        "conditions": [],
    }


def test_a_loss_that_is_not_finite_is_written_as_not_measured(summary):
    unlucky = replace(summary, history=(HistoryRow(1, 1, 0.5, loss_largest=math.inf),))
    assert RunSummary.from_json(unlucky.to_json()).history == (HistoryRow(1, 1, 0.5, loss_largest=None),)


def test_a_latency_that_is_not_finite_is_not_written(summary):
    wrong = replace(summary, search=(replace(summary.search[0], latency_ms=math.nan),))
    with pytest.raises(SuppleError, match=r"no summary of a run: search\.0\.latency_ms: "):
        wrong.to_json()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "no summary of a run: the text: Invalid JSON"),
        ("[" * 100_000, "no summary of a run: the text: Invalid JSON"),
        ("[]", "no summary of a run: the text: "),
        ("{}", "no summary of a run: title: Field required"),
    ],
)
def test_other_text_is_refused(text, message):
    with pytest.raises(SuppleError, match=message):
        RunSummary.from_json(text)


def test_a_wrong_type_is_refused_by_its_place(summary):
    content = json.loads(summary.to_json())
    content["members"][1]["macs"] = "many"
    with pytest.raises(SuppleError, match=r"no summary of a run: members\.1\.macs: Input should be a valid integer"):
        RunSummary.from_json(json.dumps(content))


def test_an_unknown_kind_of_dimension_is_refused(summary):
    content = json.loads(summary.to_json())
    content["space"]["dimensions"][0]["kind"] = "colour"
    with pytest.raises(SuppleError, match=r"space\.dimensions\.0\.kind: Input should be 'width'"):
        RunSummary.from_json(json.dumps(content))
