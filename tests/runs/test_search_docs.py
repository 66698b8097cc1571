"""The code and the commands of the guide to searching run, or are understood, as they are written."""

import re
import shlex
from pathlib import Path

import pytest
import torch
import yaml
from torch import nn
from torch.utils.data import DataLoader, TensorDataset
from typer.testing import CliRunner

import supple
from supple.cli import app
from supple.runs.quantizing import QuantizeConfig
from supple.searching import SearchConfig

GUIDE = (Path(__file__).parents[2] / "docs" / "search.md").read_text()


def blocks(language):
    return re.findall(rf"```{language}\n(.*?)```", GUIDE, re.DOTALL)


def test_a_family_is_searched_as_written(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    torch.manual_seed(0)
    layers = (nn.Linear(16, 64), nn.ReLU(), nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, 3))
    family = supple.convert(nn.Sequential(*layers).eval(), torch.randn(2, 16))
    data = DataLoader(TensorDataset(torch.randn(96, 16), torch.arange(96) % 3), batch_size=32)
    names = {"supple": supple, "family": family, "train_data": data, "valid_data": data, "Path": Path}
    exec(compile(blocks("python")[0], "docs/search.md", "exec"), names)
    found = names["found"]
    assert (len(found.searched), len(found.baseline)) == (18, 6)
    assert capsys.readouterr().out.count("\n") == len(found.front) > 0
    assert (tmp_path / "study.sqlite").exists()


@pytest.mark.slow
def test_shape_and_precision_are_searched_as_written():
    torch.manual_seed(0)
    layers = (nn.Linear(16, 64), nn.ReLU(), nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, 3))
    family = supple.convert(nn.Sequential(*layers).eval(), torch.randn(2, 16))
    data = DataLoader(TensorDataset(torch.randn(96, 16), torch.arange(96) % 3), batch_size=32)
    names = {"supple": supple, "family": family, "train_data": data, "valid_data": data}
    exec(compile(blocks("python")[1], "docs/search.md", "exec"), names)
    assert {value for entry in names["found"].front for value in entry.config.values()} >= {8}


def test_a_space_is_searched_as_written(capsys):
    exec(compile(blocks("python")[-1], "docs/search.md", "exec"), {"supple": supple})
    front, baseline = map(int, capsys.readouterr().out.split())
    assert front > 1
    assert baseline == 4


def test_the_settings_are_understood():
    precision, targets = map(yaml.safe_load, blocks("yaml"))
    assert SearchConfig.model_validate(precision["search"]).dimensions == ("shape", "bits")
    assert QuantizeConfig.model_validate(precision["quantize"]).formats == {"*": ["int8"], "head": []}
    assert len(SearchConfig.model_validate(targets["search"]).targets) == 2


@pytest.mark.parametrize(
    "command", [line for block in blocks("sh") for line in block.splitlines() if line.startswith("supple search")]
)
def test_the_commands_have_only_options_that_there_are(command, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    result = CliRunner().invoke(app, shlex.split(command, comments=True)[1:])
    # Without a run there is nothing to search; a wrong option would end with status 2.
    assert result.exit_code == 1
    assert "holds no run, and there is none of that name below" in result.stderr
