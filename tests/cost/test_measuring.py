"""Tests of measuring files and members on a target."""

from types import SimpleNamespace

import pytest

import supple
from supple.cost import Effort, LatencyMeter, measure, meter
from supple.errors import SuppleError
from supple.runtime import Target
from supple.space import Dimension, Kind, Space

QUICK = Effort(min_rounds=3, max_seconds=0.05)
SPACE = Space([Dimension("depth", Kind.DEPTH, (1, 2, 4))])


@pytest.fixture
def files(tmp_path, make_layers):
    paths = {"small": tmp_path / "small.onnx", "full": tmp_path / "full.onnx"}
    for path, count in zip(paths.values(), (1, 50), strict=True):
        path.write_bytes(make_layers(count))
    return paths


class Template:
    """Cuts members of as many layers as the config says, and counts the cuts."""

    def __init__(self, make_layers):
        self.family = SimpleNamespace(space=SPACE)
        self.cuts = []
        self._make_layers = make_layers

    def cut(self, config):
        self.cuts.append(config["depth"])
        return self._make_layers(config["depth"])


def test_files_are_measured_under_their_names(files):
    found = measure(files, "onnxruntime:cpu?threads=1", QUICK)
    assert list(found) == ["small", "full"]
    assert all(0 < latency.low_ms <= latency.median_ms <= latency.high_ms for latency in found.values())


def test_a_list_of_files_is_measured_under_their_paths(files):
    assert list(measure(list(files.values()), effort=QUICK)) == [str(path) for path in files.values()]


def test_the_batch_size_of_the_target_is_measured(files, monkeypatch):
    seen = []
    monkeypatch.setattr(
        "supple.cost.measuring.OnnxSession.prepared", lambda _, *inputs: seen.append(inputs[0].shape) or (lambda: None)
    )
    measure(files, Target(batch=5), QUICK)
    assert seen == [(5, 8), (5, 8)]


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ("member.onnx", r'takes a list of files, or files by name: \["member.onnx"\]'),
        (["no/such.onnx"], 'There is no ONNX file "no/such.onnx"'),
        ([], "There is nothing to measure"),
    ],
)
def test_a_mistake_in_the_files_is_named(given, message):
    with pytest.raises(SuppleError, match=message):
        measure(given)


def test_an_unknown_target_is_named(files):
    with pytest.raises(SuppleError, match=r'did you mean "onnxruntime:cpu"\?'):
        measure(files, "onxruntime:cpu")


def test_measure_is_public():
    assert supple.measure is measure


def test_no_member_is_measured_twice(make_layers):
    template = Template(make_layers)
    latencies = LatencyMeter(template, seconds_per_member=0.05)
    first = latencies.measure(SPACE.min())
    assert latencies.measure(SPACE.min()) is first
    assert template.cuts == [4, 1]


def test_members_measured_together_come_in_their_order(make_layers, monkeypatch):
    rounds = []

    def counted(reference, runs, effort, reference_ms):
        rounds.append(len(runs))
        return right(reference, runs, effort, reference_ms)

    right = meter.time_against_reference
    monkeypatch.setattr(meter, "time_against_reference", counted)
    latencies = LatencyMeter(Template(make_layers), seconds_per_member=0.05)
    small, full, again = latencies.measure_together([SPACE.min(), SPACE.max(), SPACE.min()])
    assert small is again
    assert full is latencies.measure(SPACE.max())
    assert rounds == [2]


def test_all_members_are_given_at_the_speed_of_the_first_measurement(make_layers):
    latencies = LatencyMeter(Template(make_layers), seconds_per_member=0.05)
    first, second = latencies.measure(SPACE.min()), latencies.measure(SPACE.config({"depth": 2}))
    assert first.drift == 1.0
    assert first.reference_ms == second.reference_ms == latencies.reference_ms


def test_an_earlier_process_can_set_the_speed(make_layers):
    latencies = LatencyMeter(Template(make_layers), seconds_per_member=0.05, reference_ms=123.0)
    assert latencies.measure(SPACE.min()).reference_ms == 123.0


def test_a_meter_refuses_an_unknown_target(make_layers):
    with pytest.raises(SuppleError, match='"torch:cuda" names no target that there is'):
        LatencyMeter(Template(make_layers), "torch:cuda")
