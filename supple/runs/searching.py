"""From a trained run to a search of its family, kept below it: what `supple search` does."""

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import torch
from pydantic import Field

from supple.data import load_splits
from supple.errors import SuppleError, nearest
from supple.family import Family
from supple.machine import describe_machine, package_versions
from supple.progress import Progress, Silent
from supple.report import SearchRecord, front_tables, search_json, write_search_report
from supple.runs.config import RunConfig
from supple.runs.config_file import apply_overrides, read_config_file, to_yaml, validate
from supple.runs.directory import RunDirectory
from supple.runs.pipeline import RUNS_FOLDER
from supple.runs.quantizing import PrecisionConfig, quantized_for_search
from supple.runs.search_summary import failure_notes, machines_of, summarise_search, summarise_space
from supple.runs.summing_up import summarise_data
from supple.runs.training import family_of_run
from supple.runtime import parse_target
from supple.searching import SearchConfig, search
from supple.space import Kind
from supple.storage import RunLock, flattened, is_sealed, seal, verify, write_atomically

ARTIFACT_KIND = "search"

# How long a search goes on and how fast: what it has found so far stays what it is.
MAY_CHANGE = ("budget", "patience", "seeds", "workers")


class SearchSettings(SearchConfig):
    """The settings of a search of a run's family, and the precision that the family gets for it."""

    quantize: PrecisionConfig | None = Field(
        default=None, description="precisions that layers may have, where the run's own family has none"
    )

    def to_search(self) -> SearchConfig:
        """Return the settings of the search itself."""
        return SearchConfig(**{name: getattr(self, name) for name in SearchConfig.model_fields})


@dataclass(frozen=True)
class SearchRequest:
    """What is to be searched, and how.

    `run` is the folder of a run whose family is trained, or its name below `runs/`. `name` is that of the search below
    it (None: the next number, or the newest one where it is resumed). `settings` and then `overrides`, texts
    KEY=VALUE, change the settings of the run's own search, or, with `resume`, those that the search began with.
    """

    run: str
    name: str | None = None
    resume: bool = False
    settings: Mapping[str, Any] | None = None
    overrides: Sequence[str] = ()


@dataclass(frozen=True)
class SearchDirectory:
    """The places of one search below a run; the names are part of the public interface."""

    path: Path

    @property
    def config(self) -> Path:
        """The resolved settings."""
        return self.path / "config.yaml"

    @property
    def study(self) -> Path:
        """The study."""
        return self.path / "study.sqlite"

    @property
    def summary(self) -> Path:
        """The figures of the page."""
        return self.path / "summary.json"

    @property
    def report(self) -> Path:
        """The page."""
        return self.path / "report.html"

    @property
    def manifest(self) -> Path:
        """The list of all files with their sums, written last."""
        return self.path / "manifest.json"

    @contextmanager
    def opened(self) -> Iterator[None]:
        """Hold the folder for this process alone."""
        try:
            self.path.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise SuppleError(f'The folder "{self.path}" cannot be made: {error.strerror}.') from None
        with RunLock(self.path):
            yield


def search_named(request: SearchRequest, progress: Progress = Silent()) -> tuple[SearchRecord, SearchDirectory]:
    """Search the family of a run, and return what was found with where it is kept.

    What was evaluated is kept at once: the same request with `resume`, after an interruption or with a larger budget,
    goes on from there. Only the training and the validation data are read. Raises `SuppleError` for every mistake that
    a user can make.
    """
    run = find_run(request.run)
    run_config = validate(RunConfig, read_config_file(run.config), f'"{run.config}"')
    directory = _directory(run, request)
    with directory.opened():
        config = _claimed(directory, request, run_config)
        if is_sealed(directory.path):
            verify(directory.path, ARTIFACT_KIND)
            progress.say(f'The search in "{directory.path}" is finished already.')
            return SearchRecord.from_json(directory.summary.read_text(encoding="utf-8")), directory
        try:
            return _searched(run, run_config, directory, config, progress), directory
        except SuppleError:
            if not directory.study.exists():
                # Nothing was begun: the settings were wrong.
                directory.config.unlink()
            raise


def find_run(name: str) -> RunDirectory:
    """Return the run in a folder, or in the one of that name below `runs/`.

    Raises `SuppleError` where there is none, and where its family is not trained.
    """
    for folder in (Path(name), RUNS_FOLDER / name):
        run = RunDirectory(folder)
        if run.config.exists():
            if run.is_trained():
                return run
            raise SuppleError(f'The family in "{folder}" is not trained yet: go on with supple run, or supple train.')
    known = [entry.parent.name for entry in sorted(RUNS_FOLDER.glob("*/config.yaml"))]
    raise SuppleError(
        f'"{name}" holds no run, and there is none of that name below "{RUNS_FOLDER}"{nearest(name, known) or "."}'
    )


def search_told(record: SearchRecord, directory: SearchDirectory) -> str:
    """Return the fronts as tables, beside random members, and where everything lies."""
    study = directory.study.absolute()
    return "\n".join(
        [
            front_tables(record.search, record.space),
            "",
            f"Study:  {study}",
            f"        optuna-dashboard sqlite:///{study}",
            f"Report: {directory.report.absolute()}",
        ]
    )


def search_json_told(record: SearchRecord, directory: SearchDirectory) -> dict[str, Any]:
    """Return the same as one object of JSON."""
    places = {"study": str(directory.study.absolute()), "report": str(directory.report.absolute())}
    return {**search_json(record), **places}


def _directory(run: RunDirectory, request: SearchRequest) -> SearchDirectory:
    name = request.name
    if name is not None and (not name or name.startswith(".") or not name.isprintable() or set(name) & set("/\\")):
        raise SuppleError(f'"{name}" is no name of a search: give one word, as --name second.')
    if name is None:
        taken = [entry.parent for entry in run.searches.glob("*/config.yaml")]
        if request.resume:
            if not taken:
                raise SuppleError(f'There is no search to resume below "{run.searches}": leave --resume out.')
            return SearchDirectory(max(taken, key=lambda folder: folder.stat().st_mtime))
        numbers = map(str, range(1, 1_000_000))
        name = next(number for number in numbers if run.searches / number not in taken)
    return SearchDirectory(run.searches / name)


def _claimed(directory: SearchDirectory, request: SearchRequest, run_config: RunConfig) -> SearchSettings:
    """Return the settings, and write them down; what may change on the way is taken as it is given now."""
    kept = read_config_file(directory.config) if directory.config.exists() else None
    if kept is not None and not request.resume:
        raise SuppleError(f'"{directory.path}" holds a search already: go on with --resume, or choose another --name.')
    before = _plain(_settings_of(run_config)) if kept is None else kept
    given = apply_overrides({**before, **(request.settings or {})}, request.overrides)
    config = validate(SearchSettings, given, "The search")
    now = _plain(config)
    if kept is not None:
        _refuse_changes(kept, now, directory.path)
    if kept != now:
        # It is not finished any more, until it is again.
        directory.manifest.unlink(missing_ok=True)
        write_atomically(directory.config, to_yaml(now))
    return config


def _settings_of(run_config: RunConfig) -> SearchSettings:
    quantize = run_config.quantize
    precision = None if quantize is None else PrecisionConfig(**quantize.model_dump(exclude={"during"}))
    return SearchSettings(**dict(run_config.search), quantize=precision)


def _plain(config: SearchSettings) -> dict[str, Any]:
    # Without a section there may be overrides of single settings of it.
    plain: dict[str, Any] = json.loads(config.model_dump_json(exclude=None if config.quantize else {"quantize"}))
    return plain


def _family(run: RunDirectory, run_config: RunConfig, config: SearchSettings) -> Family:
    """Return the run's family with the dimensions of precision that are to be searched."""
    family = family_of_run(run, run_config)
    if family.quantization is None:
        searches_bits = Kind.BITS in (config.dimensions or ())
        return quantized_for_search(family, config.quantize or (PrecisionConfig() if searches_bits else None))
    if config.quantize is not None and config.quantize.to_quantization() != family.quantization.config:
        raise SuppleError(
            f'The family in "{run.family}" has dimensions of precision already, by other settings: leave quantize as '
            "the run has it."
        )
    return family


def _refuse_changes(kept: Mapping[str, Any], now: Mapping[str, Any], folder: Path) -> None:
    before, after = flattened(kept), flattened(now)
    for key in [*before, *after]:
        if before.get(key) != after.get(key) and key not in MAY_CHANGE:
            raise SuppleError(
                f'The search in "{folder}" was started with {key}={before.get(key)}, not {after.get(key)}: a resumed '
                f"search keeps its settings ({', '.join(MAY_CHANGE)} may change); choose another --name for a new one."
            )


def _searched(
    run: RunDirectory, run_config: RunConfig, directory: SearchDirectory, settings: SearchSettings, progress: Progress
) -> SearchRecord:
    torch.set_num_threads(run_config.threads or describe_machine().logical_cores)
    splits = load_splits(run_config.data, run_config.train.batch_size, run_config.seed)
    family, config = _family(run, run_config, settings), settings.to_search()
    found = search(family, splits.train, splits.valid, config, study=directory.study, progress=progress)
    record = SearchRecord(
        title=f"Search of {run_config.title}",
        created=datetime.now(UTC).isoformat(timespec="seconds"),
        seed=config.seed,
        targets=tuple(str(parse_target(address)) for address in config.targets),
        config_yaml=directory.config.read_text(encoding="utf-8"),
        versions={**package_versions()},
        machines=machines_of(found, {**describe_machine().to_json()}),
        data=summarise_data(run_config, splits, with_test=False),
        space=summarise_space(family),
        search=summarise_search(config, found),
        notes=failure_notes(found.failed),
    )
    write_atomically(directory.summary, record.to_json())
    write_search_report(record, directory.report)
    seal(directory.path, ARTIFACT_KIND)
    return record
