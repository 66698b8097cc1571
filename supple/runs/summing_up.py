"""Gather the figures of a finished run into the summary that the report shows."""

import shlex
from collections.abc import Sequence

from supple.cost import LATENCY_SPREAD
from supple.data import Batches, ImageBatches, Splits
from supple.family import Family
from supple.report import (
    DataSummary,
    Evaluated,
    ExportedMember,
    Frozen,
    HistoryRow,
    Level,
    Note,
    Origin,
    RunSummary,
    SpaceSummary,
    hypervolume_curves,
    mark_front,
)
from supple.runs.config import ModelConfig, RunConfig
from supple.runs.directory import RunDirectory
from supple.searching import Evaluation, Failure, SearchResult
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
    searched = mark_front(_evaluated(entry, Origin.SEARCH) for entry in found.searched)
    baseline = mark_front(_evaluated(entry, Origin.BASELINE) for entry in found.baseline)
    return RunSummary(
        title=config.title,
        created=created,
        seed=config.seed,
        target=config.search.target,
        config_yaml=directory.config.read_text(encoding="utf-8"),
        versions=session["versions"],
        machine=session["machine"] if found.machine is None else {**found.machine.to_json()},
        data=DataSummary(
            name=config.data.kind.value,
            classes=len(splits.classes),
            train_images=count_images(splits.train),
            validation_images=count_images(splits.valid),
            test_images=count_images(splits.test),
        ),
        space=_space_summary(family),
        history=tuple(map(_history_row, history.rows)),
        search=searched,
        baseline=baseline,
        hypervolume=hypervolume_curves(searched, baseline),
        members=members,
        latency_spread=LATENCY_SPREAD,
        loading_code=loading_code(config.model, directory, members[0].name),
        notes=failure_notes(found.failed),
    )


def failure_notes(failed: Sequence[Failure]) -> tuple[Note, ...]:
    """Say how many members could not be measured, if any, and why the first of them could not."""
    if not failed:
        return ()
    members = "A member" if len(failed) == 1 else f"{len(failed)} members"
    text = f"{members} could not be measured, and neither search nor baseline counts them. {failed[0].reason}"
    return (Note(Level.CAUTION, text),)


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


def _evaluated(entry: Evaluation, origin: Origin) -> Evaluated:
    return Evaluated(
        config=dict(entry.config),
        accuracy=entry.accuracy,
        latency_ms=entry.latency.median_ms,
        latency_low_ms=entry.latency.low_ms,
        latency_high_ms=entry.latency.high_ms,
        parameters=entry.parameters,
        macs=entry.macs,
        origin=origin,
    )


def _space_summary(family: Family) -> SpaceSummary:
    space = family.space
    return SpaceSummary(
        dimensions=space.dimensions,
        members_count=space.count(),
        smallest_parameters=family.count_parameters(space.min()),
        largest_parameters=family.count_parameters(space.max()),
        smallest_macs=family.count_macs(space.min()),
        largest_macs=family.count_macs(space.max()),
        frozen=tuple(Frozen(entry.what, entry.reason) for entry in family.structure.frozen),
    )
