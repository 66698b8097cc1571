"""A run that is killed at many random moments ends as one that was not, bit for bit, and loses little work."""

import json
import os
import random
import subprocess
import sys
from collections import Counter
from itertools import pairwise
from pathlib import Path
from typing import get_args

import pytest
import torch
from killed_training import EPOCHS

from supple.progress import Silent
from supple.storage import load_tensors
from supple.training import SamplerChoice
from supple.training.checkpoint import Checkpoint, newest_checkpoint

HERE = Path(__file__).parent
KINDS = [config.model_fields["kind"].default for config in get_args(get_args(SamplerChoice)[0])]


def killed(folder: Path, sampler: str, kills: int) -> list[dict[str, int]]:
    """Run `killed_training.py` from a fresh seed; return what it tells of each kill."""
    seed = random.SystemRandom().randrange(1000)
    print(f"seed {seed}")
    subprocess.run(
        [sys.executable, "killed_training.py", str(folder), sampler, str(kills), str(seed)],
        env={**os.environ, "PYTHONPATH": os.pathsep.join([str(HERE), str(HERE.parents[1])]), "OMP_NUM_THREADS": "1"},
        cwd=HERE,
        check=True,
        timeout=1800,
    )
    return json.loads((folder / "kills.json").read_text())


def assert_ended_alike(folder: Path) -> None:
    whole, cut = folder / "whole", folder / "killed"
    weights = [load_tensors(path / "weights.safetensors") for path in (whole, cut)]
    assert_same_tensors(*weights)
    last = [newest_checkpoint(path, Silent()) for path in (whole, cut)]
    # Weights, what the optimizer remembers and averaged weights; what the sampler remembers and the history.
    assert_same_tensors(last[0].tensors, last[1].tensors)
    assert {name.split("/")[0] for name in last[0].tensors} == {"weights", "optimizer", "average"}
    assert timeless(last[0]) == timeless(last[1])
    rows = [json.loads((path / "history.json").read_text())["rows"] for path in (whole, cut)]
    assert [{**row, "seconds": 0} for row in rows[0]] == [{**row, "seconds": 0} for row in rows[1]]
    assert len(rows[0]) == EPOCHS


def assert_same_tensors(one: dict[str, torch.Tensor], other: dict[str, torch.Tensor]) -> None:
    assert one.keys() == other.keys()
    assert [name for name in one if not torch.equal(one[name], other[name])] == []


def timeless(checkpoint: Checkpoint) -> dict[str, object]:
    """Return all of a checkpoint's content but how long the run took."""
    history = json.loads(checkpoint.state["history"])
    rows = [{**row, "seconds": 0} for row in history["rows"]]
    return {
        **checkpoint.state,
        "position": {**checkpoint.state["position"], "seconds": 0},
        "history": {**history, "rows": rows},
    }


def assert_work_was_useful(folder: Path, kills: list[dict[str, int]]) -> None:
    begun = [int(line) for line in (folder / "killed" / "begun.txt").read_text().split()]
    # Each attempt that came so far began where the one before it had left off; the last one always does.
    assert begun == sorted(begun)
    assert set(begun) <= {0, *(kill["after"] for kill in kills)}
    assert begun[-1] == kills[-1]["after"]
    for earlier, later in pairwise(kills):
        assert earlier["after"] == later["before"]
    assert all(kill["after"] > kill["before"] or kill["is_early"] for kill in kills)
    assert all(kill["after"] >= kill["before"] for kill in kills)


def assert_log_is_whole(folder: Path) -> None:
    for path in (folder / "whole", folder / "killed"):
        events = [json.loads(line) for line in (path / "training.jsonl").read_text().splitlines()]
        steps = Counter(event["step"] for event in events if event["kind"] == "step")
        last = newest_checkpoint(path, Silent()).step
        assert steps == Counter(range(1, last + 1))
        assert [event["epoch"] for event in events if event["kind"] == "epoch"] == list(range(1, EPOCHS + 1))


def test_a_run_killed_at_30_random_moments_ends_as_one_that_was_not(tmp_path):
    kills = killed(tmp_path, "attentive", 30)
    assert len(kills) == 30
    # Or the writing in the background was never what was cut.
    assert any(kill["is_torn"] for kill in kills)
    assert_ended_alike(tmp_path)
    assert_work_was_useful(tmp_path, kills)
    assert_log_is_whole(tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize("sampler", KINDS)
def test_a_run_killed_100_times_under_any_sampler(sampler, tmp_path):
    kills = killed(tmp_path, sampler, 100)
    assert len(kills) == 100
    assert_ended_alike(tmp_path)
    assert_work_was_useful(tmp_path, kills)
    assert_log_is_whole(tmp_path)
