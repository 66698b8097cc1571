"""Checkpoints: sealed folders `step-000123`, of which the newest whole one is found again after any crash."""

import re
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import Tensor

from supple.errors import SuppleError
from supple.progress import Progress
from supple.storage import load_tensors, read_json, save_tensors, seal, verify, write_json

ARTIFACT_KIND = "checkpoint"
STATE_FILE = "state.json"
TENSORS_FILE = "tensors.safetensors"


@dataclass(frozen=True)
class Checkpoint:
    """What a training run needs to go on after `step` steps: tensors by name, and any JSON content."""

    step: int
    tensors: Mapping[str, Tensor]
    state: Mapping[str, Any]

    def part(self, name: str) -> dict[str, Tensor]:
        """Return the tensors below "name/"."""
        return {key.removeprefix(f"{name}/"): tensor for key, tensor in self.tensors.items() if _is_in(key, name)}


def save_checkpoint(folder: Path, checkpoint: Checkpoint, keep: int) -> None:
    """Write a checkpoint into a folder of checkpoints, then delete all but the newest `keep` up to this one.

    Raises `SuppleError` where writing fails; the earlier checkpoints then still stand.
    """
    target = folder / f"step-{checkpoint.step:06d}"
    try:
        if target.exists():  # left half written, or found damaged
            shutil.rmtree(target)
        target.mkdir(parents=True)
    except OSError as error:
        raise SuppleError(f'Could not write "{target}": {error.strerror}.') from error
    save_tensors(target / TENSORS_FILE, checkpoint.tensors)
    write_json(target / STATE_FILE, checkpoint.state)
    seal(target, ARTIFACT_KIND)
    steps = _steps(folder)
    kept = [step for step in steps if step <= checkpoint.step][:keep]
    for step, path in steps.items():
        if step not in kept:
            # Should a file resist, the folder is no whole checkpoint any more, and the next save tries again.
            shutil.rmtree(path, ignore_errors=True)


def newest_checkpoint(folder: Path, progress: Progress) -> Checkpoint | None:
    """Return the newest checkpoint of a folder that is whole, if any; say which ones are not, and why."""
    for step, path in _steps(folder).items():
        try:
            manifest = verify(path, ARTIFACT_KIND)
            tensors = load_tensors(manifest.path(TENSORS_FILE))
            return Checkpoint(step, tensors, read_json(manifest.path(STATE_FILE)))
        except SuppleError as error:
            progress.say(f"A checkpoint is left out: {error}")
    return None


def _is_in(key: str, part: str) -> bool:
    return key.startswith(f"{part}/")


def _steps(folder: Path) -> dict[int, Path]:
    """Return the folders of checkpoints by step, the newest first."""
    found = {
        int(path.name.removeprefix("step-")): path
        for path in (folder.iterdir() if folder.is_dir() else ())
        if re.fullmatch(r"step-\d{6,}", path.name) and path.is_dir()
    }
    return dict(sorted(found.items(), reverse=True))
