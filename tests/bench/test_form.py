"""The one form of a benchmark: its JSON, its table, its targets."""

import io
import json
import math

import pytest
from rich.console import Console

from supple.bench.form import Bound, Options, Outcome, Result, Wanted, print_result
from supple.bench.timing import Spread
from supple.machine import describe_machine

RESULT = Result(
    "example",
    Options(quick=False, seed=7),
    describe_machine(),
    {"torch": "2.13.0"},
    Outcome(
        (
            {"member": "min [1]", "latency_ms": Spread(1.5, 1.25, 2.0), "parameters": 12345},
            {"member": "max", "latency_ms": Spread(3.0, 2.5, 3.5)},
        ),
        (Wanted("slowest", 3.0, Bound.AT_MOST, 2.0),),
    ),
)


def printed(result):
    console = Console(file=io.StringIO(), width=1000)
    print_result(result, console)
    return console.file.getvalue()


@pytest.mark.parametrize(
    ("value", "bound", "met"),
    [
        (1.0, Bound.AT_MOST, True),
        (1.1, Bound.AT_MOST, False),
        (1.0, Bound.AT_LEAST, True),
        (0.9, Bound.AT_LEAST, False),
        (math.nan, Bound.AT_MOST, False),
        (math.nan, Bound.AT_LEAST, False),
    ],
)
def test_what_is_wanted_is_met_on_the_right_side_of_its_target(value, bound, met):
    assert Wanted("a value", value, bound, 1.0).met is met


def test_a_result_becomes_one_object_of_json():
    content = json.loads(json.dumps(RESULT.to_json(), allow_nan=False))
    assert set(content) == {"name", "quick", "seed", "models", "machine", "versions", "rows", "wanted"}
    assert content["rows"][0]["latency_ms"] == {"median": 1.5, "lower_quartile": 1.25, "upper_quartile": 2.0}
    assert content["wanted"] == [{"what": "slowest, at most", "value": 3.0, "target": 2.0, "met": False}]


def test_the_table_shows_the_spread_of_each_row():
    header, _, first, second = [line for line in printed(RESULT).splitlines() if line.startswith("|")]
    assert [cell.strip() for cell in header.split("|")[1:-1]] == ["member", "latency ms", "parameters"]
    assert [cell.strip() for cell in first.split("|")[1:-1]] == ["min [1]", "1.5 (1.25 to 2)", "12,345"]
    assert [cell.strip() for cell in second.split("|")[1:-1]] == ["max", "3 (2.5 to 3.5)", ""]


def test_what_is_wanted_the_machine_the_versions_and_the_seed_stand_below_the_table():
    text = printed(RESULT)
    assert "slowest: 3, wanted at most 2: not met\n" in text
    assert f"Machine: {RESULT.machine.summary()}\n" in text
    assert "Versions: torch 2.13.0\nSeed: 7\n" in text


def test_a_quick_run_says_that_its_numbers_mean_nothing():
    quick = Result(RESULT.name, Options(quick=True, seed=0), RESULT.machine, RESULT.versions, RESULT.outcome)
    assert "its numbers mean nothing" in printed(quick)
    assert "its numbers mean nothing" not in printed(RESULT)
