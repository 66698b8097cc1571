"""The command `python -m supple.bench`, and the form of every benchmark in the catalogue."""

import json
import subprocess
import sys

import pytest
import torch
from typer.testing import CliRunner

from supple.bench import CATALOGUE, find
from supple.bench.__main__ import app
from supple.errors import SuppleError


def test_the_benchmarks_are_listed_with_a_line_each():
    process = subprocess.run([sys.executable, "-m", "supple.bench"], capture_output=True, text=True, check=True)
    assert [line.split("  ")[0] for line in process.stdout.splitlines()] == list(CATALOGUE)
    assert all(entry.shows in process.stdout for entry in CATALOGUE.values())


def test_an_unknown_name_is_answered_with_the_nearest():
    result = CliRunner().invoke(app, ["overhed"])
    assert result.exit_code == 2
    assert result.stderr == (
        'Error: There is no benchmark "overhed"; did you mean "overhead"? `python -m supple.bench` lists them.\n'
    )


def test_an_unknown_option_is_refused():
    result = CliRunner().invoke(app, ["overhead", "--quik"])
    assert result.exit_code == 2
    assert "--quik" in result.stderr


def test_models_are_chosen_only_where_that_means_something():
    result = CliRunner().invoke(app, ["overhead", "--models", "resnet18"])
    assert result.exit_code == 2
    assert result.stderr == 'Error: The benchmark "overhead" has models of its own: it takes no --models.\n'


def test_a_network_that_is_not_there_is_answered_with_those_that_are():
    result = CliRunner().invoke(app, ["training-precision", "--models", "resnet18"])
    assert result.exit_code == 2
    assert (
        'Error: There is no network "resnet18"; there are resnet_demo, mobilenet_small, vit, bert.\n' in result.stderr
    )


def test_a_name_that_is_like_no_other_is_refused_too():
    with pytest.raises(SuppleError, match=r'^There is no benchmark "zzz"\. `python -m supple\.bench` lists them\.$'):
        find("zzz")


@pytest.mark.parametrize("name", CATALOGUE)
def test_every_benchmark_has_the_form(name):
    threads = torch.get_num_threads()
    result = CliRunner().invoke(app, [name, "--quick", "--json", "--seed", "3"], catch_exceptions=False)
    assert result.exit_code == 0
    content = json.loads(result.stdout)
    assert content.keys() == {"name", "quick", "seed", "models", "machine", "versions", "rows", "wanted"}
    assert (content["name"], content["quick"], content["seed"]) == (name, True, 3)
    assert content["versions"]["torch"]
    assert content["machine"]["cpu"]
    assert content["rows"]
    assert content["wanted"] or all(str(row["method"]).startswith("left out") for row in content["rows"])
    assert all(entry.keys() == {"what", "value", "target", "met"} for entry in content["wanted"])
    assert torch.get_num_threads() == threads
