"""Tests of kept measurements: what they stand for, and what they never stand for."""

import sqlite3
from dataclasses import replace

import pytest

from supple.cost import Latency
from supple.cost.store import Conditions, MeasurementStore
from supple.errors import SuppleError
from supple.machine import describe_machine
from supple.runtime import parse_target

HERE = Conditions(parse_target("onnxruntime:cpu"), "1.2", describe_machine(), "f" * 64)
LATENCY = Latency(1.0, 0.9, 1.1, 0.95, 1.05, 12, 0.0, True, reference_ms=4.0, drift=1.01)
PROGRAM = "a" * 64


def test_what_was_put_is_there_for_another_process(tmp_path):
    path = tmp_path / "measurements.sqlite"
    with MeasurementStore.opened(path) as store:
        store.put(PROGRAM, HERE, LATENCY)
    with MeasurementStore.opened(path) as store:
        assert store.get(PROGRAM, HERE) == LATENCY
        assert store.get("b" * 64, HERE) is None
    assert [entry.name for entry in tmp_path.iterdir()] == ["measurements.sqlite"]


@pytest.mark.parametrize(
    "other",
    [
        replace(HERE, target=parse_target("onnxruntime:cpu?threads=2")),
        replace(HERE, target=parse_target("remote+onnxruntime:cpu@board:80")),
        replace(HERE, runtime_version="1.3"),
        replace(HERE, machine=replace(HERE.machine, cpu="another")),
        replace(HERE, reference="e" * 64),
    ],
    ids=["settings", "worker", "runtime", "machine", "reference"],
)
def test_a_figure_stands_for_its_own_conditions_only(other):
    with MeasurementStore.opened(None) as store:
        store.put(PROGRAM, HERE, LATENCY)
        assert store.get(PROGRAM, other) is None
        assert store.reference_ms(other) is None


def test_the_unit_of_earlier_measurements_is_told():
    with MeasurementStore.opened(None) as store:
        assert store.reference_ms(HERE) is None
        store.put(PROGRAM, HERE, LATENCY)
        assert store.reference_ms(HERE) == 4.0


def test_the_first_of_two_measurements_is_kept():
    with MeasurementStore.opened(None) as store:
        store.put(PROGRAM, HERE, LATENCY)
        store.put(PROGRAM, HERE, replace(LATENCY, median_ms=1.05))
        assert store.get(PROGRAM, HERE) == LATENCY


def test_a_damaged_row_is_refused(tmp_path):
    path = tmp_path / "measurements.sqlite"
    with MeasurementStore.opened(path) as store:
        store.put(PROGRAM, HERE, LATENCY)
    with sqlite3.connect(path) as connection:
        connection.execute("UPDATE supple_measurements SET latency = '{\"median_ms\": 1}'")
    connection.close()
    with MeasurementStore.opened(path) as store, pytest.raises(SuppleError, match="holds a measurement that is none"):
        store.get(PROGRAM, HERE)


def test_a_file_that_is_no_database_is_refused(tmp_path):
    path = tmp_path / "measurements.sqlite"
    path.write_bytes(b"not a database, but long enough to be read as one" * 100)
    with (
        pytest.raises(SuppleError, match=r'"\S+measurements.sqlite" cannot be used: file is not a database'),
        MeasurementStore.opened(path),
    ):
        pass
