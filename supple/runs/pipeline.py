"""The whole job, stage after stage; each stage picks up what an interrupted run left of it."""

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import torch

from supple.data import load_splits
from supple.errors import SuppleError
from supple.family import Family
from supple.machine import describe_machine
from supple.progress import Progress
from supple.report import RunSummary, members_table, write_report
from supple.runs.config import RunConfig
from supple.runs.config_file import apply_overrides, read_config_file, validate
from supple.runs.console import console_progress
from supple.runs.directory import RunDirectory
from supple.runs.exporting import export_members
from supple.runs.quantizing import quantized_for_search
from supple.runs.summing_up import summarise, training_told
from supple.runs.training import dismiss_helpers, help_to_train, trained_family
from supple.runtime import parse_target
from supple.searching import check_target, search
from supple.searching.posing import family_problem, targets_of
from supple.storage import write_atomically
from supple.training import History, Launch

DEMO_CONFIG = Path(__file__).with_name("demo.yaml")
RUNS_FOLDER = Path("runs")


def load_config(file: Path, overrides: list[str]) -> RunConfig:
    """Return the config in a YAML file, with `key=value` overrides applied. Raises `SuppleError` for any mistake."""
    return validate(RunConfig, apply_overrides(read_config_file(file), overrides), f'"{file}"')


def new_directory(name: str) -> Path:
    """Return the first unused one of runs/NAME, runs/NAME-2, ..."""
    numbers = (f"-{number}" if number > 1 else "" for number in range(1, 1_000_000))
    return next(folder for suffix in numbers if not (folder := RUNS_FOLDER / f"{name}{suffix}").exists())


def newest_directory(name: str) -> Path:
    """Return the newest of runs/NAME, runs/NAME-2, ... Raises `SuppleError` where there is none."""
    folders = [
        folder
        for folder in RUNS_FOLDER.glob(f"{name}*")
        if folder.name.removeprefix(name).removeprefix("-").isdecimal() or folder.name == name
    ]
    if not folders:
        raise SuppleError(
            f'There is no run to resume below "{RUNS_FOLDER}": leave --resume out, or name it with --out.'
        )
    return max(folders, key=lambda folder: folder.stat().st_mtime)


def execute(config: RunConfig, folder: Path, resume: bool = False) -> str:
    """Do the whole job in a run directory and return what to tell the user at the end.

    Of several processes that torchrun started, the main one does it. The others only train with it: they write nothing,
    and return as soon as training is done, with nothing to tell.
    """
    return _executed(_whole_job, config, folder, resume)


def execute_training(config: RunConfig, folder: Path, resume: bool = False) -> str:
    """Do the first half of the job, up to the trained family, and return what to tell the user at the end.

    `execute` goes on from there, in the same run directory, with `resume`. Several processes share it as they do there.
    """
    return _executed(_training, config, folder, resume)


def _executed(
    job: Callable[[RunConfig, RunDirectory, Progress], str], config: RunConfig, folder: Path, resume: bool
) -> str:
    launch = Launch.from_environment()
    torch.set_num_threads(config.threads or launch.threads(describe_machine().logical_cores))
    if not launch.is_main:
        help_to_train(config)
        return ""
    directory = RunDirectory(folder)
    with console_progress() as progress, directory.opened(config, resume):
        return job(config, directory, progress)


def _whole_job(config: RunConfig, directory: RunDirectory, progress: Progress) -> str:
    if directory.is_finished():
        progress.say(f'The run in "{directory.path}" is finished already.')
        dismiss_helpers(config)
        summary = RunSummary.from_json(directory.summary.read_text(encoding="utf-8"))
    else:
        summary = _run_stages(config, directory, progress)
    return f"{members_table(summary)}\n\nReport: {directory.report.absolute()}"


def _training(config: RunConfig, directory: RunDirectory, progress: Progress) -> str:
    if directory.is_trained():
        progress.say(f'The training in "{directory.path}" is finished already.')
        dismiss_helpers(config)
        history = History.from_json(directory.history.read_text(encoding="utf-8"))
    else:
        splits = load_splits(config.data, config.train.batch_size, config.seed)
        _, history = trained_family(config, directory, splits, progress)
    return training_told(directory, history)


def _run_stages(config: RunConfig, directory: RunDirectory, progress: Progress) -> RunSummary:
    splits = load_splits(config.data, config.train.batch_size, config.seed)

    def check(family: Family) -> None:
        # What cannot be had is told now, not after hours of training.
        family = quantized_for_search(family, config.quantize)
        problem = family_problem(family, config.search)
        for address in targets_of(config.search, problem):
            check_target(family, splits.example_inputs, parse_target(address))

    family, history = trained_family(config, directory, splits, progress, check)
    # The others, where there were any, have left the cores to this process.
    torch.set_num_threads(config.threads or describe_machine().logical_cores)
    family = quantized_for_search(family, config.quantize)
    found = search(family, splits.train, splits.valid, config.search, study=directory.study, progress=progress)
    exported = export_members(family, found, splits, config, directory, progress)
    created = datetime.now(UTC).isoformat(timespec="seconds")
    summary = summarise(config, directory, splits, family, history, found, exported, created)
    write_atomically(directory.summary, summary.to_json())
    write_report(summary, directory.report)
    directory.seal()
    return summary
