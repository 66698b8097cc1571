"""Tests of measuring files and members on a target."""

import pytest

import supple
from supple.cost import Effort, measure
from supple.errors import SuppleError
from supple.runtime import Target

QUICK = Effort(min_rounds=3, max_seconds=0.05)


@pytest.fixture
def files(tmp_path, make_layers):
    paths = {"small": tmp_path / "small.onnx", "full": tmp_path / "full.onnx"}
    for path, count in zip(paths.values(), (1, 50), strict=True):
        path.write_bytes(make_layers(count))
    return paths


def test_files_are_measured_under_their_names(files):
    found = measure(files, "onnxruntime:cpu?threads=1", QUICK)
    assert list(found) == ["small", "full"]
    assert all(0 < latency.low_ms <= latency.median_ms <= latency.high_ms for latency in found.values())


def test_a_list_of_files_is_measured_under_their_paths(files):
    assert list(measure(list(files.values()), effort=QUICK)) == [str(path) for path in files.values()]


def test_the_batch_size_of_the_target_is_measured(tmp_path, make_layers):
    path = tmp_path / "five.onnx"
    path.write_bytes(make_layers(1, batch=5))
    assert measure([path], Target(batch=5), QUICK)
    with pytest.raises(SuppleError, match="must be so or equal the batch size 4"):
        measure([path], Target(batch=4), QUICK)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ("member.onnx", r'takes a list of files, or files by name: \["member.onnx"\]'),
        (["no/such.onnx"], 'There is no file "no/such.onnx"'),
        (
            ["member.onx"],
            '"member.onx" is no program that supple measures: its name should end in .onnx or .pte or .safetensors',
        ),
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
