"""`supple profile`: what it tells and saves, and one clear line for every mistake."""

import pytest
import torch
from known_device import KnownDevice
from torch import nn
from typer.testing import CliRunner

from supple.cli import app
from supple.cost import load_profile
from supple.family import convert, save
from supple.runs.profiling import parse_time

MODEL = f"{__name__}:small_model"
INPUT = ("--input", "3,8,8")
TARGET = "onnxruntime:cpu"


def small_model() -> nn.Module:
    return nn.Sequential(
        nn.Conv2d(3, 32, 3), nn.ReLU(), nn.Conv2d(32, 32, 1), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(32, 4)
    )


def run(*arguments: str) -> tuple[int, str, str]:
    result = CliRunner().invoke(app, ["profile", *arguments])
    return result.exit_code, result.stdout, result.stderr


@pytest.fixture(autouse=True)
def _known_latencies(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("supple.cost.profiling.open_device", KnownDevice)


@pytest.fixture
def family_folder(tmp_path):
    torch.manual_seed(0)
    save(convert(small_model().eval(), torch.randn(2, 3, 8, 8)), tmp_path / "family")
    return tmp_path / "family"


def test_a_saved_family_is_profiled_and_the_profile_is_saved(family_folder, tmp_path) -> None:
    folder = tmp_path / "profile"
    status, output, _ = run(
        TARGET, "--model", MODEL, "--family", str(family_folder), "--budget", "0.001s", "--out", str(folder)
    )
    lines = output.splitlines()
    assert status == 0
    assert lines[0].startswith('Target: "onnxruntime:cpu?threads=1&batch=1" on ')
    assert lines[1].startswith("Measured: 28 operators, 16 members, in ")
    assert lines[2].startswith("Error on members held out: 0.")
    assert lines[3] == f"Profile: {folder}"
    torch.manual_seed(0)
    family = convert(small_model().eval(), torch.randn(2, 3, 8, 8))
    assert load_profile(folder, family).predictor.held_out.count == 16


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        ((), "Nothing to profile was named: give --model MODEL, --model with --family FOLDER, or --run RUN."),
        (("--model", MODEL, "--run", "there"), "A run holds its model and its family: give --run alone, or --model."),
        (("--run", "nowhere"), '"nowhere" holds no trained family: give the folder of a run that is trained.'),
        (("--model", MODEL, "--budget", "soon"), '"soon" is no time: expected a number with s, m or h, as 90s, 5m or'),
        (("--model", MODEL, "--family", "there", *INPUT), "A saved family has its inputs and weights: leave --input,"),
    ],
)
def test_a_mistake_is_one_line(arguments, line) -> None:
    status, output, errors = run(TARGET, *arguments)
    assert (status, output) == (1, "")
    assert errors.splitlines()[-1].startswith(f"Error: {line}")


def test_an_unknown_target_is_told_with_the_nearest() -> None:
    status, _, errors = run("onxruntime:cpu", "--model", MODEL)
    assert status == 1
    assert "onnxruntime:cpu" in errors


@pytest.mark.parametrize(("text", "seconds"), [("90s", 90.0), ("5m", 300.0), ("1.5h", 5400.0), ("30", 30.0)])
def test_times_are_read(text, seconds) -> None:
    assert parse_time(text) == seconds
