"""The Python of the README runs as it is written."""

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from supple.runs import RunConfig

README = Path(__file__).parents[1] / "README.md"


def _blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", README.read_text(), re.DOTALL)


def test_the_python_api_runs_as_written(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    code, _ = _blocks("python")
    assert len([line for line in code.splitlines() if line.strip()]) <= 20
    exec(compile(code, str(README), "exec"), {})
    output = capsys.readouterr().out
    assert "a family of" in output
    assert "ms  " in output
    assert (tmp_path / "member.onnx").stat().st_size > 0


def test_the_choice_is_one_of_three():
    scope: dict[str, Any] = {}
    exec(compile(_blocks("python")[1], str(README), "exec"), scope)
    assert len(scope["block"].options) == 3


def test_the_run_file_is_valid():
    (text,) = _blocks("yaml")
    assert RunConfig.model_validate(yaml.safe_load(text)).train.epochs == 20


def test_the_two_commands_come_first():
    first, second = (line.split("#")[0].strip() for line in _blocks("sh")[0].strip().splitlines())
    assert (first, second) == ("make demo", "make test")


@pytest.mark.parametrize("command", ["supple run", "supple demo"])
def test_the_commands_are_named(command):
    assert command in README.read_text()
