"""The summary of a run goes to JSON and back unchanged, and refuses everything else."""

import json
import math
from dataclasses import replace

import pytest
from report_cases import evaluated, make_search

from supple.errors import SuppleError
from supple.report import HistoryRow, RunSummary, SearchRecord


def test_json_and_back_is_the_identity(summary):
    assert RunSummary.from_json(summary.to_json()) == summary


def test_the_json_is_plain(summary):
    content = json.loads(summary.to_json())
    assert content["search"]["objectives"][0] == {"figure": "accuracy", "direction": "maximize"}
    assert content["search"]["seeds"][0]["searched"][0].keys() == {"config", "figures", "spreads"}
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
    member = evaluated(0.9, math.nan, {"width": 1})
    wrong = replace(summary, search=make_search(([member], [])))
    with pytest.raises(
        SuppleError, match=r"no summary of a run: search\.seeds\.0\.searched\.0\.figures\.latency_ms on "
    ):
        wrong.to_json()


def test_a_search_by_itself_goes_to_json_and_back(summary):
    names = SearchRecord.__dataclass_fields__
    record = SearchRecord(**{name: getattr(summary, name) for name in names})
    assert SearchRecord.from_json(record.to_json()) == record
    with pytest.raises(SuppleError, match="no summary of a search: title: Field required"):
        SearchRecord.from_json("{}")


def test_a_member_that_two_seeds_found_counts_once():
    member = evaluated(0.9, 1.0)
    search = make_search(([member], []), ([member, evaluated(0.8, 0.5)], [member]))
    assert (len(search.searched), len(search.baseline)) == (2, 1)


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
