"""Tests of telling what was measured."""

import json

from typer.testing import CliRunner

from supple.cli import app
from supple.cost import Energy, Latency, NoCounter
from supple.cost.measured import Measured, measured_json, measured_text

LATENCY = Latency(1.234, 1.2, 1.3, 1.21, 1.27, 40, 0.1, True, outliers=0.05)
SLOW = Latency(20.0, 15.0, 25.0, 16.0, 24.0, 5, 0.0, False)
ENERGY = Energy(5.5, 5.0, 6.0, 12.0, "RAPL")


def test_people_read_medians_intervals_and_why_measuring_stopped():
    lines = measured_text(Measured({"small.onnx": LATENCY, "full.onnx": SLOW}, None)).splitlines()
    assert [line.split("  ")[0] for line in lines] == ["model", "small.onnx", "full.onnx"]
    assert lines[1].split() == ["small.onnx", "1.234", "1.2", "to", "1.3", "40", "15%", "narrow", "enough"]
    assert lines[2].endswith("time was up")


def test_energy_stands_below_or_why_there_is_none():
    told = measured_text(Measured({"a": LATENCY}, {"a": ENERGY}))
    assert told.splitlines()[-1].split() == ["a", "5.5", "5", "to", "6", "12"]
    assert "mJ (RAPL)" in told
    assert measured_text(Measured({"a": LATENCY}, NoCounter("no counter"))).endswith("\n\nNo energy: no counter.")


def test_programs_read_every_figure():
    told = json.loads(json.dumps(measured_json(Measured({"a": LATENCY}, {"a": ENERGY}))))
    assert told["files"]["a"]["median_ms"] == 1.234
    assert told["files"]["a"]["energy"]["median_mj"] == 5.5
    assert measured_json(Measured({"a": LATENCY}, NoCounter("none")))["no_energy"] == "none"


def test_the_command_measures_files(tmp_path, make_layers):
    for count in (1, 40):
        (tmp_path / f"{count}.onnx").write_bytes(make_layers(count))
    files = [str(tmp_path / "1.onnx"), str(tmp_path / "40.onnx")]
    found = CliRunner().invoke(app, ["measure", *files, "--seconds", "0.2", "--energy", "--json"])
    assert found.exit_code == 0, found.output
    assert list(json.loads(found.stdout)["files"]) == files


def test_the_command_names_a_mistake(tmp_path):
    found = CliRunner().invoke(app, ["measure", str(tmp_path / "no.onnx")])
    assert found.exit_code == 1
    assert found.output.startswith('Error: There is no file "')
