"""A small run to report on, made of plain arithmetic: the same on every machine."""

import random

import pytest
from report_cases import TARGET, macs_of, make_evaluated, make_member, make_search, make_space

from supple.report import DataSummary, Frozen, HistoryRow, Level, Note, RunSummary, SpaceSummary


@pytest.fixture(scope="session")
def summary() -> RunSummary:
    rng = random.Random(7)
    space = make_space()
    ends = [space.max(), space.min()]
    middle = space.config({**space.min(), "stages.1.width": 32, "stages.2.width": 48, "stages.0.depth": 2})
    found = [*ends, middle, *(space.sample(rng) for _ in range(45))]
    searched = [make_evaluated(config, rng, 0.0 if config in ends else 0.006) for config in found]
    baseline = [make_evaluated(space.sample(rng), rng) for _ in range(16)]
    return RunSummary(
        title="Fashion-MNIST on a plain residual network",
        created="2026-03-01T12:30:00+00:00",
        seed=7,
        targets=(TARGET,),
        config_yaml="seed: 7\ndata:\n  kind: fashion-mnist\ntrain:\n  epochs: 8\n",
        versions={"supple": "0.1.0", "torch": "2.13.0", "onnxruntime": "1.24.0"},
        machines={"Machine": {"cpu": "A processor", "cores": 2, "isa": ["avx2", "avx512f"]}},
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
        search=make_search((searched, baseline), corners=tuple(map(dict, ends))),
        members=(
            make_member("small", space.min(), 0.872, 0.11),
            make_member("medium", middle, 0.897, 0.21),
            make_member("full", space.max(), 0.915, 0.60),
        ),
        loading_code=(
            "import numpy as np\nimport onnxruntime\n\n"
            'session = onnxruntime.InferenceSession("members/small.onnx")\n'
            "images = np.zeros((1, 1, 28, 28), dtype=np.float32)\n"
            'logits = session.run(None, {"input": images})[0]'
        ),
        notes=(Note(Level.CAUTION, "The run was resumed once."),),
    )
