"""The whole job on a user's own small project: once through, killed and resumed, guarded against a second writer."""

import json
import re
import signal
import time

import onnx
import pytest
import torch
import yaml

import supple as api
from supple.errors import SuppleError
from supple.report import RunSummary
from supple.runs import execute, load_config
from supple.runs.training import build_model
from supple.storage import load_tensors, verify


def _wait_for(process, folder, pattern, seconds=120):
    deadline = time.monotonic() + seconds
    while not list(folder.glob(pattern)):
        if process.poll() is not None:
            pytest.fail(f"the run ended before {pattern} was there: {process.communicate()[1]}")
        if time.monotonic() > deadline:
            pytest.fail(f"{pattern} was not there after {seconds} s")
        time.sleep(0.02)


def test_a_run_killed_in_training_and_in_the_search_ends_as_one_that_was_not(project, start, supple):
    whole, killed = project / "whole", project / "killed"
    assert supple("run", "config.yaml", "--out", str(whole))[0] == 0
    for finished_thing in ("training/*/manifest.json", "study.sqlite"):
        process = start("run", "config.yaml", "--out", str(killed), "--resume")
        _wait_for(process, killed, finished_thing)
        process.send_signal(signal.SIGKILL)
        process.wait()
        assert not (killed / "manifest.json").exists()
    status, output, errors = supple("run", "config.yaml", "--out", str(killed), "--resume")
    assert status == 0, errors
    assert "Report:" in output
    one, other = (load_tensors(folder / "family" / "weights.safetensors") for folder in (whole, killed))
    assert one.keys() == other.keys()
    assert all(torch.equal(one[key], other[key]) for key in one)
    summaries = [RunSummary.from_json((folder / "summary.json").read_text()) for folder in (whole, killed)]
    rows = [[(row.step, row.loss_largest, row.accuracy_smallest) for row in entry.history] for entry in summaries]
    assert rows[0] == rows[1]
    (seed,) = summaries[1].search.seeds
    assert (len(seed.searched), len(seed.baseline)) == (6, 2)
    assert len({tuple(entry.config.items()) for entry in seed.searched}) == 6
    assert len(json.loads((killed / "sessions.json").read_text())) == 3
    _assert_whole(killed, summaries[1])
    with pytest.raises(SuppleError, match="has a tensor"):
        api.load(killed / "family", torch.nn.Linear(2, 2))


def _assert_whole(folder, summary):
    verify(folder, "run")
    assert yaml.safe_load((folder / "config.yaml").read_text())["train"]["epochs"] == 2
    assert {member.name for member in summary.members} >= {"small", "full"}
    for member in summary.members:
        assert member.parity.agrees
        assert member.parity.images == 16
        onnx.checker.check_model(onnx.load(folder / member.file_name))
    by_macs = sorted(summary.members, key=lambda member: member.macs)
    assert by_macs[-1].name == "full"
    report = (folder / "report.html").read_text()
    assert "<script src" not in report
    # The lines that the report shows load the member that was exported.
    lines = re.sub(r"^from small_project.*$", "from supple.models import ResNet", summary.loading_code, flags=re.M)
    scope: dict[str, object] = {}
    exec(lines.replace("network(num_classes=3)", "ResNet(1, 3, 16, (32,), (2,))"), scope)
    assert sum(p.numel() for p in scope["member"].parameters()) == summary.members[0].parameters


@pytest.mark.slow
def test_an_ordered_run_that_is_killed_goes_on_in_the_same_order(project, start, supple):
    whole, killed = project / "whole", project / "killed"
    command = ("run", "config.yaml", "--set", "order.method=taylor", "--set", "train.epochs=1")
    assert supple(*command, "--out", str(whole))[0] == 0
    for finished_thing in ("ordered/manifest.json", "training/*/manifest.json"):
        process = start(*command, "--out", str(killed), "--resume")
        _wait_for(process, killed, finished_thing)
        process.send_signal(signal.SIGKILL)
        process.wait()
    ordered = (killed / "ordered" / "manifest.json").stat()
    assert supple(*command, "--out", str(killed), "--resume")[0] == 0
    # It is read again, not made again.
    assert (killed / "ordered" / "manifest.json").stat().st_ino == ordered.st_ino
    for name in ("ordered", "family"):
        texts = [(folder / name / "structure.json").read_text() for folder in (whole, killed)]
        assert texts[0] == texts[1]
        one, other = (load_tensors(folder / name / "weights.safetensors") for folder in (whole, killed))
        assert all(torch.equal(one[key], other[key]) for key in one)


def test_a_run_is_ordered_before_it_is_trained(project, monkeypatch):
    monkeypatch.syspath_prepend(str(project))
    monkeypatch.chdir(project)
    config = load_config(project / "config.yaml", ["order={method: l1, by_depth: false}"])
    seen = []

    def stop(family, *arguments, **named):
        seen.append(family)
        raise KeyboardInterrupt

    monkeypatch.setattr("supple.runs.training.train", stop)
    with pytest.raises(KeyboardInterrupt):
        execute(config, project / "out")
    (family,) = seen
    unordered = build_model(config.model, config.seed)
    expected = api.order(
        api.convert(unordered, torch.randn(2, 1, 16, 16)),
        api.OrderConfig(api.ImportanceMethod.L1, by_depth=False),
        [(torch.randn(2, 1, 16, 16), None)],
    )
    assert all(
        torch.equal(one, other)
        for one, other in zip(family.model.parameters(), expected.model.parameters(), strict=True)
    )
    first = build_model(config.model, config.seed)
    assert not all(
        torch.equal(one, other) for one, other in zip(family.model.parameters(), first.parameters(), strict=True)
    )


@pytest.mark.parametrize("written", ["none", "null"])
def test_without_a_method_nothing_is_ordered(project, written):
    assert load_config(project / "config.yaml", []).order.to_order() is None
    assert load_config(project / "config.yaml", [f"order.method={written}"]).order.to_order() is None


BLOCKED_SOCKETS = """
import socket

def refuse(*arguments, **options):
    raise AssertionError("the network was used")

socket.socket.connect = refuse
socket.create_connection = refuse
socket.getaddrinfo = refuse
"""


def test_a_finished_run_is_shown_again_and_its_damage_is_found(project, start, supple):
    # The whole job also works where every use of the network fails.
    (project / "sitecustomize.py").write_text(BLOCKED_SOCKETS)
    process = start("run", "config.yaml", "--out", "out", "--set", "train.epochs=1")
    _, errors = process.communicate(timeout=300)
    assert process.returncode == 0, errors
    status, output, _ = supple("run", "config.yaml", "--out", "out", "--resume", "--set", "train.epochs=1")
    assert status == 0
    assert "Report:" in output
    model = project / "out" / "members" / "small.onnx"
    content = bytearray(model.read_bytes())
    content[len(content) // 2] ^= 1
    model.write_bytes(content)
    status, _, errors = supple("run", "config.yaml", "--out", "out", "--resume", "--set", "train.epochs=1")
    assert status == 1
    assert "small.onnx" in errors


def test_a_second_process_on_the_same_directory_is_refused(project, start, supple):
    first = start("run", "config.yaml", "--out", "out")
    _wait_for(first, project, "out/config.yaml")
    status, _, errors = supple("run", "config.yaml", "--out", "out", "--resume")
    assert status == 1
    assert str(first.pid) in errors
    assert first.poll() is None


@pytest.mark.slow
def test_a_run_over_resolutions_and_wishes_ships_what_it_found(project, supple):
    wishes = "convert={resolutions: [8, 12], freeze: ['*.depth'], choices: {'*.hidden': [0.5]}}"
    status, _, errors = supple("run", "config.yaml", "--out", "out", "--set", wishes, "--set", "train.epochs=1")
    assert status == 0, errors
    summary = RunSummary.from_json((project / "out" / "summary.json").read_text())
    names = {name for member in summary.members for name in member.config}
    assert "input.resolution" in names
    assert not any(name.endswith("depth") for name in names)
    for member in summary.members:
        model = onnx.load(project / "out" / member.file_name)
        resolution = member.config["input.resolution"]
        assert [axis.dim_value for axis in model.graph.input[0].type.tensor_type.shape.dim[2:]] == [resolution] * 2
