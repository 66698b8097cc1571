"""Take the chosen members out, export them, and judge the files in the runtime that ships."""

import math
from collections.abc import Mapping
from pathlib import Path
from tempfile import TemporaryDirectory

import torch

from supple.cost import Effort, Latency, measure
from supple.data import Batches, Splits
from supple.family import Family, save
from supple.progress import Progress
from supple.report import ExportedMember, LayerPrecision, TwinLatency
from supple.report import Parity as ReportedParity
from supple.runs.config import RunConfig
from supple.runs.directory import RunDirectory
from supple.runtime import (
    BACKENDS,
    Parity,
    Target,
    backend_for,
    evaluate_accuracy,
    export,
    judging_target,
    parse_target,
)
from supple.searching import Evaluation, SearchResult, choose_members
from supple.space import Config
from supple.storage import write_atomically, write_json
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

    The latency of members in other precisions stands next to that of the same shape in fp32. This is the one place that
    reads the test split. Raises `SuppleError` where a file does not agree with its member.
    """
    chosen = choose_members(found)
    directory.members.mkdir(exist_ok=True)
    inputs = calibration_inputs(splits.train, config.search.calibration_images)
    family.forget_calibrations()
    for entry in chosen.values():
        family.calibrate(entry.config, inputs)
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
        if family.quantization is not None:
            formats = {layer.layer: layer.format for layer in _precision(family, entry.config)}
            write_json(directory.members / f"{name}.layers.json", formats)
    with TemporaryDirectory() as scratch:
        twins = _written_twins(family, chosen, files, splits, real_inputs, target, Path(scratch))
        latencies = measure({**files, **twins}, target, Effort(max_seconds=config.export.latency_seconds))
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
                precision=_precision(family, entry.config),
                twin=_twin_latency(latencies.get(_twin(name))),
            )
        )
    progress.finish()
    return tuple(members)


def _precision(family: Family, config: Config) -> tuple[LayerPrecision, ...]:
    """Return the format of each of a member's layers whose format can be chosen."""
    quantization = family.quantization
    if quantization is None:
        return ()
    dropped = family.structure.dropped_blocks(config)
    return tuple(
        LayerPrecision(layer.path, choice.formats[config[name]].value)
        for name, choice in quantization.choices.items()
        for layer in choice.layers
        if not any(layer.path == path or layer.path.startswith(f"{path}.") for path in dropped)
    )


def _twin(name: str) -> str:
    return f"{name} in fp32"


def _written_twins(
    family: Family,
    chosen: Mapping[str, Evaluation],
    files: Mapping[str, Path],
    splits: Splits,
    real_inputs: torch.Tensor,
    target: Target,
    folder: Path,
) -> dict[str, Path]:
    """Export the members of the same shapes in fp32 to a folder, of those members that have other precisions."""
    twins: dict[str, Path] = {}
    for name, entry in chosen.items():
        shape = family.full_precision(entry.config)
        if shape != entry.config:
            twins[_twin(name)] = folder / files[name].name
            examples = tuple(family.resize(shape, tensor) for tensor in splits.example_inputs)
            checked = family.resize(shape, real_inputs)
            export(family.extract(shape).eval(), examples, twins[_twin(name)], checked, target)
    return twins


def _twin_latency(latency: Latency | None) -> TwinLatency | None:
    return None if latency is None else TwinLatency(latency.median_ms, latency.low_ms, latency.high_ms)


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
        # Infinite where nothing differs; that has no form in JSON.
        signal_to_noise_db=parity.signal_to_noise_db if math.isfinite(parity.signal_to_noise_db) else None,
        least_signal_to_noise_db=parity.least_signal_to_noise_db,
        least_top1_agreement=parity.least_top1_agreement,
    )
