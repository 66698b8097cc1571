"""The whole job, stage after stage; each stage picks up what an interrupted run left of it."""

from datetime import UTC, datetime
from pathlib import Path

import torch
from torch import nn

from supple.data import Splits, load_splits
from supple.errors import SuppleError
from supple.family import Family, convert, load, order, save
from supple.importing import call_object
from supple.machine import describe_machine
from supple.progress import Progress
from supple.report import RunSummary, members_table, write_report
from supple.runs.config import ModelConfig, RunConfig
from supple.runs.config_file import apply_overrides, read_config_file, validate
from supple.runs.console import console_progress
from supple.runs.directory import RunDirectory
from supple.runs.exporting import export_members
from supple.runs.summing_up import summarise
from supple.searching import search
from supple.storage import is_sealed, write_atomically
from supple.training import History, train
from supple.training.batches import batches_of_epoch

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
    """Do the whole job in a run directory and return what to tell the user at the end."""
    directory = RunDirectory(folder)
    with console_progress() as progress, directory.opened(config, resume):
        if directory.is_finished():
            progress.say(f'The run in "{folder}" is finished already.')
            summary = RunSummary.from_json(directory.summary.read_text(encoding="utf-8"))
        else:
            summary = _run_stages(config, directory, progress)
    return f"{members_table(summary)}\n\nReport: {directory.report.absolute()}"


def build_model(config: ModelConfig, seed: int) -> nn.Module:
    """Return the user's model, freshly initialised by the seed. Raises `SuppleError` where there is none."""
    torch.manual_seed(seed)
    model = call_object(config.function, config.arguments)
    if not isinstance(model, nn.Module):
        raise SuppleError(f'"{config.function}" returned {type(model).__name__}, not a torch.nn.Module.')
    return model


def _run_stages(config: RunConfig, directory: RunDirectory, progress: Progress) -> RunSummary:
    torch.set_num_threads(config.threads or describe_machine().logical_cores)
    splits = load_splits(config.data, config.train.batch_size, config.seed)
    family, history = _trained_family(config, directory, splits, progress)
    found = search(family, splits.train, splits.valid, config.search, directory.study, progress)
    exported = export_members(family, found, splits, config, directory, progress)
    created = datetime.now(UTC).isoformat(timespec="seconds")
    summary = summarise(config, directory, splits, family, history, found, exported, created)
    write_atomically(directory.summary, summary.to_json())
    write_report(summary, directory.report)
    directory.seal()
    return summary


def _trained_family(
    config: RunConfig, directory: RunDirectory, splits: Splits, progress: Progress
) -> tuple[Family, History]:
    """Return the trained family: loaded where an earlier process finished it, else trained."""
    model = build_model(config.model, config.seed)
    if directory.history.exists():  # written after the family, so the family is whole
        return load(directory.family, model), History.from_json(directory.history.read_text(encoding="utf-8"))
    family = _untrained_family(model, config, directory, splits, progress)
    history = train(family, splits.train, splits.valid, config.train, directory.checkpoints, progress)
    save(family, directory.family)
    write_atomically(directory.history, history.to_json())
    return family, history


def _untrained_family(
    model: nn.Module, config: RunConfig, directory: RunDirectory, splits: Splits, progress: Progress
) -> Family:
    """Return the converted family, ordered where the config asks for it.

    An ordered family is loaded where an earlier process made it: its checkpoints belong to that very order.
    """
    wanted = config.order.to_order()
    if wanted is not None and is_sealed(directory.ordered_family):
        return load(directory.ordered_family, model)
    family = convert(model, splits.example_inputs, **config.convert.model_dump())
    space = family.space
    progress.say(
        f"{type(model).__name__}: a family of {space.count():,} members, from "
        f"{family.count_parameters(space.min()):,} to {family.count_parameters(space.max()):,} parameters"
    )
    if wanted is not None:
        family = order(family, wanted, batches_of_epoch(splits.train, config.seed, epoch=0))
        save(family, directory.ordered_family)
    return family
