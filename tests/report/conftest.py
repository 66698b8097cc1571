"""A small run to report on, made of plain arithmetic: the same on every machine."""

import random

import pytest

from supple.report import (
    DataSummary,
    Evaluated,
    ExportedMember,
    Frozen,
    HistoryRow,
    Level,
    Note,
    Origin,
    Parity,
    RunSummary,
    SpaceSummary,
    hypervolume_curves,
    mark_front,
)
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


def make_evaluated(config: Config, origin: Origin, rng: random.Random, bonus: float = 0.0) -> Evaluated:
    macs = macs_of(config)
    latency = 0.05 + macs / 5e7 + rng.gauss(0, 0.004)
    accuracy = 0.915 - 0.09 / (1 + macs / 2e6) + bonus + rng.gauss(0, 0.004)
    return Evaluated(
        config=dict(config),
        accuracy=accuracy,
        latency_ms=latency,
        latency_low_ms=latency * 0.97,
        latency_high_ms=latency * 1.05,
        parameters=macs // 30,
        macs=macs,
        origin=origin,
    )


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


@pytest.fixture(scope="session")
def summary() -> RunSummary:
    rng = random.Random(7)
    space = make_space()
    search = mark_front(make_evaluated(space.sample(rng), Origin.SEARCH, rng, 0.006) for _ in range(60))
    baseline = mark_front(make_evaluated(space.sample(rng), Origin.BASELINE, rng) for _ in range(60))
    middle = space.config({**space.min(), "stages.1.width": 32, "stages.2.width": 48, "stages.0.depth": 2})
    return RunSummary(
        title="Fashion-MNIST on a plain residual network",
        created="2026-03-01T12:30:00+00:00",
        seed=7,
        target="onnxruntime:cpu?threads=1",
        config_yaml="seed: 7\ndata:\n  kind: fashion-mnist\ntrain:\n  epochs: 8\n",
        versions={"supple": "0.1.0", "torch": "2.13.0", "onnxruntime": "1.24.0"},
        machine={"cpu": "A processor", "cores": 2, "isa": ["avx2", "avx512f"]},
        data=DataSummary("fashion-mnist", 10, 10_000, 2_000, 2_000),
        space=SpaceSummary(
            dimensions=space.dimensions,
            members_count=space.count(),
            smallest_parameters=macs_of(space.min()) // 30,
            largest_parameters=macs_of(space.max()) // 30,
            smallest_macs=macs_of(space.min()),
            largest_macs=macs_of(space.max()),
            frozen=(Frozen("head.weight, axis 0", "the number of classes is an output of the model"),),
        ),
        history=tuple(
            HistoryRow(
                epoch=1 + step // 50,
                step=step,
                seconds=step * 0.4,
                loss_largest=0.3 + 1.9 / (1 + step / 20),
                loss_smallest=0.45 + 1.8 / (1 + step / 20),
                accuracy_largest=0.91 - 0.3 / (1 + step / 40) if step % 50 == 0 else None,
                accuracy_smallest=0.86 - 0.3 / (1 + step / 40) if step % 50 == 0 else None,
            )
            for step in range(10, 401, 10)
        ),
        search=search,
        baseline=baseline,
        hypervolume=hypervolume_curves(search, baseline),
        members=(
            make_member("small", space.min(), 0.872, 0.11),
            make_member("medium", middle, 0.897, 0.21),
            make_member("full", space.max(), 0.915, 0.60),
        ),
        latency_spread="25th to 75th percentile",
        loading_code=(
            "import numpy as np\nimport onnxruntime\n\n"
            'session = onnxruntime.InferenceSession("members/small.onnx")\n'
            "images = np.zeros((1, 1, 28, 28), dtype=np.float32)\n"
            'logits = session.run(None, {"input": images})[0]'
        ),
        notes=(Note(Level.CAUTION, "The run was resumed once."),),
    )
