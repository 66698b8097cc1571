"""Take the chosen members out, export them, and judge the files in the runtime that ships."""

from pathlib import Path

import torch

from supple.cost import Effort, measure
from supple.data import Batches, Splits
from supple.family import Family, save
from supple.progress import Progress
from supple.report import ExportedMember
from supple.report import Parity as ReportedParity
from supple.runs.config import RunConfig
from supple.runs.directory import RunDirectory
from supple.runtime import BACKENDS, Parity, backend_for, evaluate_accuracy, export, judging_target, parse_target
from supple.searching import SearchResult, choose_members
from supple.storage import write_atomically
from supple.training import calibration_inputs


def export_members(
    family: Family,
    found: SearchResult,
    splits: Splits,
    config: RunConfig,
    directory: RunDirectory,
    progress: Progress,
) -> tuple[ExportedMember, ...]:
    """Export the members worth shipping and measure them: parity, latency side by side, and accuracy on the test split.

    This is the one place that reads the test split. Raises `SuppleError` where a file does not agree with its member.
    """
    chosen = choose_members(found)
    directory.members.mkdir(exist_ok=True)
    inputs = calibration_inputs(splits.train, config.search.calibration_images)
    for entry in chosen.values():
        family.calibrate(entry.config, inputs)
    for config_of_others in family.statistics.keys() - {entry.config for entry in chosen.values()}:
        del family.statistics[config_of_others]
    save(family, directory.family)
    target = parse_target(config.search.targets[0])
    judge = judging_target(target)
    real_inputs = _first_inputs(splits.valid, config.export.parity_images)
    files: dict[str, Path] = {}
    parities: dict[str, Parity] = {}
    progress.start("export", 2 * len(chosen) + 1, "steps")
    for name, entry in chosen.items():
        member = family.extract(entry.config).eval()
        files[name] = directory.members / f"{name}.{BACKENDS[target.runtime].format}"
        examples = tuple(family.resize(entry.config, tensor) for tensor in splits.example_inputs)
        checked = family.resize(entry.config, real_inputs)
        parities[name] = export(member, examples, files[name], checked, target)
        write_atomically(files[name].with_suffix(".json"), entry.config.to_json())
        progress.advance(1, exported=name)
    latencies = measure(files, target, Effort(max_seconds=config.export.latency_seconds))
    progress.advance(1)
    members = []
    for name, entry in chosen.items():
        test = ((family.resize(entry.config, inputs), labels) for inputs, labels in splits.test)
        accuracy = evaluate_accuracy(backend_for(judge).open(files[name], judge), test)
        progress.advance(1, tested=name, accuracy=accuracy)
        latency = latencies[name]
        members.append(
            ExportedMember(
                name=name,
                config=dict(entry.config),
                parameters=family.count_parameters(entry.config),
                macs=family.count_macs(entry.config),
                file_name=str(files[name].relative_to(directory.path)),
                file_bytes=files[name].stat().st_size,
                validation_accuracy=entry["accuracy"],
                test_accuracy_runtime=accuracy,
                latency_median_ms=latency.median_ms,
                latency_low_ms=latency.low_ms,
                latency_high_ms=latency.high_ms,
                parity=_reported(parities[name]),
            )
        )
    progress.finish()
    return tuple(members)


def _first_inputs(batches: Batches, count: int) -> torch.Tensor:
    inputs: list[torch.Tensor] = []
    for batch, _ in batches:
        inputs.append(batch)
        if sum(len(entry) for entry in inputs) >= count:
            break
    return torch.cat(inputs)[:count]


def _reported(parity: Parity) -> ReportedParity:
    return ReportedParity(
        max_absolute_difference=parity.max_absolute_difference,
        max_relative_difference=parity.max_relative_difference,
        tolerance=parity.tolerance,
        images=parity.images,
        top1_agreement=parity.top1_agreement,
    )
