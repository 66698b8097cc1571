"""The benchmark of conversions: a model that goes wrong is a row, and what its notes say."""

import dataclasses
import json
import sys
from pathlib import Path

import pytest
import torch
import without_torchvision  # noqa: F401 (before timm)
from timm import is_model
from typer.testing import CliRunner

from supple.bench.__main__ import app
from supple.bench.conversion_case import ConversionCase, convert_case, members_are_equal
from supple.bench.conversion_models import NAMES, PLAIN, TIMM, WITH_HEADS, build
from supple.bench.convert import convert_in_process, rows_and_targets
from supple.bench.form import Cell
from supple.errors import SuppleError
from supple.family import Family, convert
from supple.sources import NamedModel, random_inputs

CASE = ConversionCase(
    parameters=10_000_000,
    smallest=1_000_000,
    members=7,
    kinds={"width": 2, "heads": 3},
    equal=True,
    seconds=4.0,
    memory_mb=80.0,
    model_mb=40.0,
    remainder="90 % in a",
    frozen={"rare": 1, "often": 9, "at times": 4},
)


def row(name: str, case: ConversionCase | str) -> dict[str, Cell]:
    return dict(rows_and_targets({name: case})[0][0])


def met(cases: dict[str, ConversionCase | str]) -> list[bool]:
    return [entry.met for entry in rows_and_targets(cases)[1]]


def python(code: str) -> list[str]:
    return [sys.executable, "-c", code]


@pytest.mark.parametrize(
    ("code", "reason"),
    [
        ("import os; os.kill(os.getpid(), 9)", "its process ended with status -9: it said nothing"),
        ("raise MemoryError('too large')", "its process ended with status 1: MemoryError: too large"),
        ("import time; time.sleep(60)", "not done after 0.5 s"),
        ("print('noise'); print('{\"error\": \"why\"}')", "why"),
    ],
)
def test_a_process_that_goes_wrong_is_an_answer(code: str, reason: str) -> None:
    limit = 0.5 if "sleep" in code else 60
    assert convert_in_process(python(code), limit) == reason


def test_what_a_process_answers_comes_back(tmp_path: Path) -> None:
    (tmp_path / "answer.json").write_text(json.dumps({"case": dataclasses.asdict(CASE)}))
    assert convert_in_process(python(f"print('noise'); print(open({str(tmp_path / 'answer.json')!r}).read())")) == CASE


def test_a_model_that_does_not_convert_is_a_row_with_the_reason() -> None:
    assert row("resnet18", "why") == {"model": "resnet18", "converts": "no", "notes": "why"}


def test_a_model_that_converts_is_a_row() -> None:
    assert row("vit", CASE) == {
        "model": "vit",
        "converts": "yes",
        "equal": "yes",
        "dimensions": "2 width, 3 heads",
        "parameters": 10_000_000,
        "smallest_%": 10.0,
        "seconds": 4.0,
        "memory_over_model": 2.0,
        "notes": "",
    }


def test_notes_say_why_a_smallest_member_is_large() -> None:
    large = dataclasses.replace(CASE, smallest=2_000_000)
    assert row("resnet18", large)["notes"] == "of the smallest member, 90 % in a; 9 frozen: often; 4 frozen: at times"


def test_notes_say_that_attention_has_no_heads() -> None:
    headless = dataclasses.replace(CASE, kinds={"width": 2}, frozen={})
    assert row("vit", headless)["notes"] == "no heads"
    assert row("resnet18", headless)["notes"] == ""


def test_targets_count_what_goes_wrong() -> None:
    assert met({"vit": CASE, "resnet18": CASE}) == [True] * 6
    assert met({"vit": CASE, "resnet18": "why"}) == [False, False, True, False, True, True]
    assert met({"vit": dataclasses.replace(CASE, equal=False)}) == [True, False, True, True, True, True]
    assert met({"vit": dataclasses.replace(CASE, kinds={})}) == [True, True, False, True, True, True]
    assert met({"vit": dataclasses.replace(CASE, smallest=9**7)}) == [True, True, True, False, True, True]
    slow = dataclasses.replace(CASE, seconds=21.0, memory_mb=121.0)
    assert met({"vit": slow}) == [True, True, True, True, False, False]


def test_the_time_of_small_models_is_not_what_was_asked() -> None:
    small = dataclasses.replace(CASE, parameters=4_000_000, seconds=50.0)
    assert met({"resnet18": small}) == [True, True, False]


def test_an_unknown_model_is_a_row_with_the_nearest() -> None:
    result = CliRunner().invoke(app, ["convert", "--models", "resnet81", "--json"])
    (line,) = json.loads(result.stdout)["rows"]
    assert line["converts"] == "no"
    assert 'timm has no model "resnet81"; did you mean "resnet18"?' in line["notes"]


def test_a_case_says_how_the_conversion_went() -> None:
    case = convert_case("graph_network", seed=0)
    assert case.equal
    assert case.parameters == sum(tensor.numel() for tensor in build("graph_network").model.parameters())
    assert case.smallest < case.parameters
    assert sum(case.kinds.values()) > 0
    assert case.memory_mb >= case.model_mb == pytest.approx(4 * case.parameters / 1e6)


def test_a_member_that_differs_from_its_extracted_network_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    named = build("graph_network")
    family = convert_family(named)
    assert members_are_equal(family, named, seed=0)
    extract = Family.extract

    def wrong(self: Family, config: object) -> torch.nn.Module:
        member = extract(self, config)  # type: ignore[arg-type]
        with torch.no_grad():
            member.head.bias.add_(1e-6)  # type: ignore[union-attr,operator]
        return member

    monkeypatch.setattr(Family, "extract", wrong)
    assert not members_are_equal(family, named, seed=0)


def test_a_full_member_that_differs_from_the_model_is_seen() -> None:
    named = build("graph_network")
    family = convert_family(named)
    with torch.no_grad():
        named.model.head.bias.add_(1e-6)  # type: ignore[union-attr,operator]
    assert not members_are_equal(family, named, seed=0)


def convert_family(named: NamedModel) -> Family:
    return convert(named.model, random_inputs(named.model, named.inputs))


@pytest.mark.parametrize("name", PLAIN)
def test_the_plain_networks_run(name: str) -> None:
    named = build(name)
    with torch.no_grad():
        assert random_inputs(named.model, named.inputs).run(named.model.eval()).shape[0] == 2


def test_names_are_known_and_stand_once() -> None:
    assert len(set(NAMES)) == len(NAMES)
    assert set(NAMES) >= WITH_HEADS
    assert all(is_model(name) for name in TIMM)
    with pytest.raises(SuppleError, match='timm has no model "resnet81"'):
        build("resnet81")
