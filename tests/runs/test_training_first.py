"""`supple train` does the first half of a run, and `supple run` goes on from there."""

import json
import re
import shlex
import signal
import time

import pytest
import torch

from supple.report import RunSummary
from supple.storage import load_tensors


def test_what_train_has_left_is_searched_and_exported_by_run(project, supple):
    status, output, errors = supple("train", "config.yaml")
    assert status == 0, errors
    run = project / "runs" / "config"
    rows = json.loads((run / "history.json").read_text())["rows"]
    assert output.splitlines()[0] == (
        f"Validation accuracy after 2 epochs: {rows[1]['metric_smallest']:.1%} (smallest member), "
        f"{rows[1]['metric_largest']:.1%} (largest)"
    )
    assert f"Family: {run / 'family'}\n" in output
    assert f"Log:    {run / 'training' / 'training.jsonl'}\n" in output
    assert (run / "training" / "training.jsonl").exists()
    assert not (run / "report.html").exists()
    trained = load_tensors(run / "family" / "weights.safetensors")

    status, again, errors = supple("train", "config.yaml", "--resume")
    assert (status, again) == (0, output)
    assert errors == 'The training in "runs/config" is finished already.\n'

    # The command that it names, as it stands there.
    command = shlex.split(output.splitlines()[-1])
    assert command[0] == "supple"
    status, told, errors = supple(*command[1:])
    assert status == 0, errors
    assert "Report:" in told
    assert "train:" not in errors
    # The search adds batch-norm statistics of members.
    searched = load_tensors(run / "family" / "weights.safetensors")
    assert all(torch.equal(searched[key], tensor) for key, tensor in trained.items())
    assert len(RunSummary.from_json((run / "summary.json").read_text()).history) == 2

    status, again, _ = supple("train", "config.yaml", "--resume")
    assert status == 0
    assert again.splitlines()[-1] == f"Report: {run / 'report.html'}"


@pytest.mark.slow
def test_a_training_that_is_killed_goes_on_bit_for_bit(project, start, supple):
    assert supple("train", "config.yaml", "--out", "whole")[0] == 0
    process = start("train", "config.yaml", "--out", "killed")
    deadline = time.monotonic() + 120
    while len(list(project.glob("killed/training/*/manifest.json"))) < 2:
        assert process.poll() is None
        assert time.monotonic() < deadline
        time.sleep(0.02)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert not (project / "killed" / "history.json").exists()
    status, _, errors = supple("train", "config.yaml", "--out", "killed", "--resume")
    assert status == 0
    assert "finished already" not in errors
    one, other = (load_tensors(project / folder / "family" / "weights.safetensors") for folder in ("whole", "killed"))
    assert one.keys() == other.keys()
    assert all(torch.equal(one[key], other[key]) for key in one)


@pytest.mark.slow
def test_several_processes_train_together_and_tell_it_once(project, supple):
    for resume in ([], ["--resume"]):
        status, output, errors = supple("train", "config.yaml", "--out", "out", *resume, together=2)
        assert status == 0, errors
        assert len(re.findall(r"^Validation accuracy after 2 epochs: ", output, re.MULTILINE)) == 1
        assert output.count("Family: ") == 1
        assert errors.count("finished already") == len(resume)


def test_a_training_that_exists_is_not_overwritten(project, supple):
    (project / "out").mkdir()
    (project / "out" / "config.yaml").write_text("title: earlier\n")
    status, _, errors = supple("train", "config.yaml", "--out", "out")
    assert status == 1
    assert errors == 'Error: "out" holds a run already: go on with --resume, or choose another --out.\n'


def test_nothing_to_resume_is_told(project, supple):
    status, _, errors = supple("train", "config.yaml", "--resume")
    assert status == 1
    assert errors == 'Error: There is no run to resume below "runs": leave --resume out, or name it with --out.\n'


def test_train_prints_the_config_of_a_run(project, supple):
    printed = [
        supple(command, "config.yaml", "--print-config", "--set", "train.epochs=9") for command in ("run", "train")
    ]
    assert printed[0] == printed[1]
    assert "\n  epochs: 9\n" in printed[0][1]
    # What a section is comes first in it.
    assert "\n  sampler:\n    kind: sandwich\n" in printed[0][1]
    assert "\ndata:\n  kind: folder\n" in printed[0][1]
