"""A run directory: what stands where, who may write it, and what an earlier process left there."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from supple.errors import SuppleError
from supple.machine import describe_machine, package_versions
from supple.runs.config import RunConfig
from supple.runs.config_file import read_config_file
from supple.storage import RunLock, flattened, read_json, seal, verify, write_atomically, write_json
from supple.training.log import LOG_FILE

ARTIFACT_KIND = "run"


@dataclass(frozen=True)
class RunDirectory:
    """The places of one run; the names are part of the public interface."""

    path: Path

    @property
    def config(self) -> Path:
        """The resolved configuration."""
        return self.path / "config.yaml"

    @property
    def sessions(self) -> Path:
        """When, on which machine and with which versions the run was started and resumed."""
        return self.path / "sessions.json"

    @property
    def ordered_family(self) -> Path:
        """The family before training, where it was ordered."""
        return self.path / "ordered"

    @property
    def training(self) -> Path:
        """The checkpoints of training, and its log."""
        return self.path / "training"

    @property
    def training_log(self) -> Path:
        """The log of training: one JSON object per line."""
        return self.training / LOG_FILE

    @property
    def history(self) -> Path:
        """The history of training."""
        return self.path / "history.json"

    @property
    def family(self) -> Path:
        """The trained family."""
        return self.path / "family"

    @property
    def study(self) -> Path:
        """The study of the search."""
        return self.path / "study.sqlite"

    @property
    def searches(self) -> Path:
        """Later searches of the trained family, a folder each, sealed by themselves."""
        return self.path / "searches"

    @property
    def members(self) -> Path:
        """The exported members: `NAME.onnx` with `NAME.json`, its config."""
        return self.path / "members"

    @property
    def summary(self) -> Path:
        """The figures of the report."""
        return self.path / "summary.json"

    @property
    def report(self) -> Path:
        """The report."""
        return self.path / "report.html"

    @property
    def manifest(self) -> Path:
        """The list of all files with their sums, written last."""
        return self.path / "manifest.json"

    def is_finished(self) -> bool:
        """Say whether the run has ended; raises `SuppleError` where one of its files was changed since."""
        if not self.manifest.exists():
            return False
        verify(self.path, ARTIFACT_KIND)
        return True

    def is_trained(self) -> bool:
        """Say whether the family is trained; raises `SuppleError` as `is_finished` does."""
        # The history is written after the family, so the family is whole.
        return self.is_finished() or self.history.exists()

    def seal(self) -> None:
        """Declare the run finished: sum up every file, and write the manifest. Searches come and go beside it."""
        seal(self.path, ARTIFACT_KIND, leaving_out=(self.searches.name,))

    @contextmanager
    def opened(self, config: RunConfig, resume: bool) -> Iterator[None]:
        """Hold the directory for this process alone, with the config written down.

        Raises `SuppleError` where another process holds it, where it holds a run and `resume` is not set, where it
        holds something else, where the earlier run had another config, and where it cannot be written.
        """
        try:
            self.path.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise SuppleError(f'The run directory "{self.path}" cannot be made: {error.strerror}.') from None
        with RunLock(self.path):
            self._claim(config, resume)
            yield

    def started_sessions(self) -> list[dict[str, Any]]:
        """Return the starts of this run, the first one first."""
        return list(read_json(self.sessions))

    def _claim(self, config: RunConfig, resume: bool) -> None:
        if self.config.exists():
            if not resume:
                raise SuppleError(f'"{self.path}" holds a run already: go on with --resume, or choose another --out.')
            _refuse_changes(json.loads(config.model_dump_json()), read_config_file(self.config), self.path)
        else:
            strangers = sorted(entry.name for entry in self.path.iterdir() if not entry.name.startswith("."))
            if strangers:
                raise SuppleError(
                    f'"{self.path}" is no run directory (it holds "{strangers[0]}"): choose another --out.'
                )
            write_atomically(self.config, config.to_yaml())
        if not self.manifest.exists():
            self._note_session()

    def _note_session(self) -> None:
        sessions = self.started_sessions() if self.sessions.exists() else []
        started = datetime.now(UTC).isoformat(timespec="seconds")
        sessions.append({"started": started, "machine": describe_machine().to_json(), "versions": package_versions()})
        write_json(self.sessions, sessions)


def _refuse_changes(given: dict[str, Any], kept: dict[str, Any], folder: Path) -> None:
    before, now = flattened(kept), flattened(given)
    for key in [*before, *now]:
        if before.get(key) != now.get(key):
            raise SuppleError(
                f'The run in "{folder}" was started with {key}={before.get(key)}, not {now.get(key)}: a resumed run '
                "keeps its config; choose another --out for a new run."
            )
