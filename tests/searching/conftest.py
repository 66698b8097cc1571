"""A space whose members need no network: accuracy and latency are functions of the config."""

import pytest

from supple.cost import Latency
from supple.searching import Evaluation
from supple.space import Condition, Dimension, Kind, Space


@pytest.fixture
def space():
    return Space(
        [
            Dimension("depth", Kind.DEPTH, (1, 2, 3)),
            Dimension("inner", Kind.HIDDEN, (8, 16, 24), (Condition("depth", 2),)),
            *(Dimension(f"width{number}", Kind.WIDTH, tuple(range(8, 72, 8))) for number in range(6)),
        ]
    )


@pytest.fixture
def evaluate(space):
    """Return a function that evaluates a config and counts its calls in `.calls`."""

    def judge(config):
        judge.calls.append(config)
        widths = [config[f"width{number}"] for number in range(6)]
        # Later widths buy more accuracy for the same time, so there is something to find.
        accuracy = sum((number + 1) * width**0.5 for number, width in enumerate(widths)) / 200 + config["depth"] / 50
        time_ms = sum((6 - number) * width for number, width in enumerate(widths)) / 100 + config["depth"]
        latency = Latency(time_ms, time_ms, time_ms, time_ms, time_ms, 3, 0, True)
        return Evaluation(config, accuracy, latency, sum(widths), 10 * sum(widths))

    judge.calls = []
    return judge
