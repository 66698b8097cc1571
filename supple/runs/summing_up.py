"""Gather the figures of a finished run into the summary that the report shows."""

import shlex

from supple.data import Batches, ImageBatches, Splits
from supple.family import Family
from supple.report import DataSummary, ExportedMember, HistoryRow, RunSummary
from supple.runs.config import ModelConfig, RunConfig
from supple.runs.directory import RunDirectory
from supple.runs.search_summary import failure_notes, machines_of, summarise_search, summarise_space
from supple.runtime import parse_target
from supple.searching import SearchResult
from supple.training import EpochRow, History


def summarise(
    config: RunConfig,
    directory: RunDirectory,
    splits: Splits,
    family: Family,
    history: History,
    found: SearchResult,
    members: tuple[ExportedMember, ...],
    created: str,
) -> RunSummary:
    """Return the summary of a run."""
    session = directory.started_sessions()[-1]
    return RunSummary(
        title=config.title,
        created=created,
        seed=config.seed,
        targets=tuple(str(parse_target(address)) for address in config.search.targets),
        config_yaml=directory.config.read_text(encoding="utf-8"),
        versions=session["versions"],
        machines=machines_of(found, session["machine"]),
        data=summarise_data(config, splits),
        space=summarise_space(family),
        history=tuple(map(_history_row, history.rows)),
        search=summarise_search(config.search, found),
        members=members,
        loading_code=loading_code(config.model, directory, members[0].name),
        notes=failure_notes(found.failed),
    )


def summarise_data(config: RunConfig, splits: Splits, with_test: bool = True) -> DataSummary:
    """Return the summary of the data; without the test split, that one is left alone, and counts as empty."""
    return DataSummary(
        name=config.data.kind.value,
        classes=len(splits.classes),
        train_images=count_images(splits.train),
        validation_images=count_images(splits.valid),
        test_images=count_images(splits.test) if with_test else 0,
    )


def training_told(directory: RunDirectory, history: History) -> str:
    """Return what to tell of a trained family: how good both ends are, where it lies, and how to go on."""
    last = history.rows[-1]
    whats_next = [f"Report: {directory.report.absolute()}"]
    if not directory.report.exists():
        config, folder = (shlex.quote(str(path)) for path in (directory.config, directory.path))
        whats_next = ["", "Search, export and report:", f"  supple run {config} --out {folder} --resume"]
    return "\n".join(
        [
            f"Validation {history.metric} after {last.epoch} epochs: {last.metric_smallest:.1%} (smallest member), "
            f"{last.metric_largest:.1%} (largest)",
            "",
            f"Family: {directory.family.absolute()}",
            f"Log:    {directory.training_log.absolute()}",
            *whats_next,
        ]
    )


def loading_code(model: ModelConfig, directory: RunDirectory, member: str) -> str:
    """Return the Python lines that load one exported member as a PyTorch module."""
    module, _, function = model.function.partition(":")
    arguments = ", ".join(f"{name}={value!r}" for name, value in model.arguments.items())
    return "\n".join(
        [
            "import supple",
            f"from {module} import {function}",
            "from pathlib import Path",
            "",
            f'run = Path("{directory.path}")',
            f'family = supple.load(run / "family", {function}({arguments}))',
            f'config = supple.Config.from_json((run / "members" / "{member}.json").read_text())',
            "member = family.extract(config).eval()",
        ]
    )


def count_images(batches: Batches) -> int:
    """Return the number of images that the batches are made of."""
    return batches.images_count if isinstance(batches, ImageBatches) else sum(len(labels) for _, labels in batches)


def _history_row(row: EpochRow) -> HistoryRow:
    return HistoryRow(
        epoch=row.epoch,
        step=row.step,
        seconds=row.seconds,
        loss_largest=row.loss_largest,
        loss_smallest=row.loss_smallest,
        accuracy_largest=row.metric_largest,
        accuracy_smallest=row.metric_smallest,
    )
