"""What the small run of these tests is made of: plain arithmetic, the same on every machine."""

import random
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from supple.report import (
    Evaluated,
    ExportedMember,
    Parity,
    SearchSummary,
    SeedSummary,
)
from supple.searching.wishes import Direction, Objective
from supple.space import Condition, Config, Dimension, Kind, Space

STAGES = 3


def make_space() -> Space:
    dimensions = [Dimension("stem.width", Kind.WIDTH, (8, 12, 16))]
    for stage in range(STAGES):
        depth = f"stages.{stage}.depth"
        dimensions.append(Dimension(depth, Kind.DEPTH, (1, 2, 3)))
        dimensions.append(Dimension(f"stages.{stage}.width", Kind.WIDTH, (16, 24, 32, 48)))
        dimensions.append(Dimension(f"stages.{stage}.2.hidden", Kind.HIDDEN, (16, 32), (Condition(depth, 3),)))
    return Space(dimensions)


def macs_of(config: Config) -> int:
    return sum(
        40_000 * config["stem.width"] + 900 * config[f"stages.{s}.width"] ** 2 * config[f"stages.{s}.depth"]
        for s in range(STAGES)
    )


TARGET = "onnxruntime:cpu?threads=1"
LATENCY = f"latency_ms on {TARGET}"
ACCURACY = Objective("accuracy", Direction.MAXIMIZE)
OBJECTIVES = (ACCURACY, Objective(LATENCY, Direction.MINIMIZE))


def evaluated(accuracy: float, latency: float, config: dict[str, int] | None = None, macs: float = 0.0) -> Evaluated:
    """Return a member by its two figures, with a config of its own."""
    return Evaluated(
        config=config or {"width": round(1e6 * latency), "depth": round(1e6 * accuracy)},
        figures={"parameters": macs / 30, "macs": macs, "accuracy": accuracy, LATENCY: latency},
        spreads={TARGET: (latency * 0.97, latency * 1.05)},
    )


def make_evaluated(config: Config, rng: random.Random, bonus: float = 0.0) -> Evaluated:
    macs = macs_of(config)
    latency = 0.05 + macs / 5e7 + rng.gauss(0, 0.004)
    accuracy = 0.915 - 0.09 / (1 + macs / 2e6) + bonus + rng.gauss(0, 0.004)
    return evaluated(accuracy, latency, dict(config), macs)


def make_search(*seeds: tuple[Sequence[Evaluated], Sequence[Evaluated]], **changes: Any) -> SearchSummary:
    """Return a search by its searched and random members, seed by seed."""
    summary = SearchSummary(
        searcher="nsga2",
        objectives=OBJECTIVES,
        constraints=(),
        quality=ACCURACY,
        seeds=tuple(
            SeedSummary(number, tuple(searched), tuple(baseline)) for number, (searched, baseline) in enumerate(seeds)
        ),
        baseline_share=0.25,
        latency_spread="25th to 75th percentile",
    )
    return replace(summary, **changes)


def make_member(name: str, config: Config, accuracy: float, latency_ms: float) -> ExportedMember:
    return ExportedMember(
        name=name,
        config=dict(config),
        parameters=macs_of(config) // 30,
        macs=macs_of(config),
        file_name=f"members/{name}.onnx",
        file_bytes=macs_of(config) // 7,
        validation_accuracy=accuracy,
        test_accuracy_runtime=accuracy - 0.004,
        latency_median_ms=latency_ms,
        latency_low_ms=latency_ms * 0.97,
        latency_high_ms=latency_ms * 1.04,
        parity=Parity(2.1e-6, 3.4e-5, 1e-4, 256, 1.0),
    )
