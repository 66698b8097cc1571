"""The whole job by several processes that torchrun starts: one job, one report, one line for a mistake."""

import json
import os
import signal
import time

import pytest
import torch

from supple.report import RunSummary
from supple.storage import load_tensors, verify


def errors_in(text):
    return [line for line in text.splitlines() if line.startswith("Error")]


@pytest.mark.slow
def test_a_run_whose_main_process_is_killed_ends_after_a_resume_as_one_that_was_not(project, start, supple):
    whole, killed = project / "whole", project / "killed"
    status, output, errors = supple("run", "config.yaml", "--out", str(whole), together=2)
    assert status == 0, errors
    assert output.count("Report:") == 1
    assert errors.count("train: 12 steps") == 1
    verify(whole, "run")
    process = start("run", "config.yaml", "--out", str(killed), together=2)
    deadline = time.monotonic() + 120
    while len(list(killed.glob("training/*/manifest.json"))) < 2:
        assert process.poll() is None
        assert time.monotonic() < deadline
        time.sleep(0.02)
    os.kill(int((killed / ".lock").read_text()), signal.SIGKILL)
    assert process.wait(timeout=120) != 0
    assert not (killed / "history.json").exists()
    assert supple("run", "config.yaml", "--out", str(killed), "--resume", together=2)[0] == 0
    one, other = (load_tensors(folder / "family" / "weights.safetensors") for folder in (whole, killed))
    assert one.keys() == other.keys()
    assert all(torch.equal(one[key], other[key]) for key in one)
    summaries = [RunSummary.from_json((folder / "summary.json").read_text()) for folder in (whole, killed)]
    assert [row.step for row in summaries[1].history] == [row.step for row in summaries[0].history]
    # What is finished is shown again, by however many.
    status, output, _ = supple("run", "config.yaml", "--out", str(killed), "--resume", together=2)
    assert (status, output.count("Report:")) == (0, 1)
    assert len(json.loads((killed / "sessions.json").read_text())) == 2


@pytest.mark.slow
def test_a_mistake_of_all_is_told_once(supple):
    status, output, errors = supple("run", "config.yaml", "--set", "train.epoch=3", together=2)
    assert status == 1
    assert output == ""
    assert errors_in(errors) == ['Error: "config.yaml": unknown key "train.epoch"; did you mean "train.epochs"?']


@pytest.mark.slow
def test_what_only_the_main_process_meets_ends_all(project, supple):
    (project / "out").write_text("mine")
    status, _, errors = supple("run", "config.yaml", "--out", "out", together=2)
    assert status == 1
    assert errors_in(errors) == ['Error: The run directory "out" cannot be made: File exists.']


def test_what_only_another_process_meets_is_told_once_and_ends_all(project, supple):
    module = project / "small_project.py"
    module.write_text(
        module.read_text()
        + "\n\ndef moody(num_classes=3):\n    import os\n    return 7 if os.environ['RANK'] == '1' else network()\n"
    )
    status, _, errors = supple(
        "run", "config.yaml", "--out", "out", "--set", "model.function=small_project:moody", together=2
    )
    assert status == 1
    assert errors_in(errors) == ['Error: "small_project:moody" returned int, not a torch.nn.Module.']
    assert not (project / "out" / "history.json").exists()
