"""Tests of measuring members: what is measured, in which unit, and what is not measured again."""

from dataclasses import replace

import pytest

from supple.cost import Effort, Latency, LatencyMeter, MeasurementFailed, MeasurementStore, MeasuringDevice
from supple.machine import describe_machine
from supple.runtime import Emitter, Format, Program, Target
from supple.space import Dimension, Kind, Space

SPACE = Space([Dimension("depth", Kind.DEPTH, (1, 2, 4))])


class Names(Emitter):
    """Writes a member as the text of its depth."""

    def emit(self, config):
        return Program(str(config["depth"]).encode(), Format.ONNX)


class Scripted(MeasuringDevice):
    """Takes a millisecond a layer, and a quarter longer at each later measurement; notes what it is asked."""

    target = Target()
    machine = describe_machine()
    runtime_version = "1"
    messages = reset = close = None

    def __init__(self):
        self.asked = []

    def measure(self, reference, programs, effort, reference_ms):
        self.asked.append([program.content for program in programs])
        now = 1.25 ** (len(self.asked) - 1)
        unit = float(reference.content) * now if reference_ms is None else reference_ms
        times = [unit * float(program.content) / float(reference.content) for program in programs]
        return [Latency(time, time, time, time, time, 11, 0.0, True, unit, now) for time in times]


@pytest.fixture
def device():
    return Scripted()


@pytest.fixture
def store():
    with MeasurementStore.opened(None) as opened:
        yield opened


def meter_of(device, store):
    return LatencyMeter(Names(), SPACE.max(), device, store)


def test_no_member_is_measured_twice(device, store):
    meter = meter_of(device, store)
    assert meter.measure(SPACE.min()) == meter.measure(SPACE.min())
    assert device.asked == [[b"1"]]


def test_another_process_measures_nothing_again_and_in_the_same_unit(device, store):
    first = meter_of(device, store).measure(SPACE.min())
    again = meter_of(device, store)
    assert again.measure(SPACE.min()) == first
    assert again.measure(SPACE.config({"depth": 2})).median_ms == 2 * first.median_ms
    assert device.asked == [[b"1"], [b"2"]]


def test_members_measured_together_come_in_their_order(device, store):
    small, full, again = meter_of(device, store).measure_together([SPACE.min(), SPACE.max(), SPACE.min()])
    assert (small.median_ms, full.median_ms) == (1.0, 4.0)
    assert again == small
    assert device.asked == [[b"1", b"4"]]


def test_all_members_are_given_at_the_speed_of_the_first_measurement(device, store):
    meter = meter_of(device, store)
    first, second = meter.measure(SPACE.min()), meter.measure(SPACE.config({"depth": 2}))
    assert (first.median_ms, second.median_ms) == (1.0, 2.0)
    assert (first.drift, second.drift) == (1, 1.25)


def test_what_another_machine_measured_does_not_count(device, store):
    meter_of(device, store).measure(SPACE.min())
    device.machine = replace(device.machine, cpu="another")
    meter_of(device, store).measure(SPACE.min())
    assert device.asked == [[b"1"], [b"1"]]


def test_time_is_given_for_every_member(device, store, monkeypatch):
    efforts = []
    right = device.measure
    monkeypatch.setattr(device, "measure", lambda *given: efforts.append(given[2]) or right(*given))
    LatencyMeter(Names(), SPACE.max(), device, store, 0.25).measure_together([SPACE.min(), SPACE.max()])
    assert efforts == [Effort(max_seconds=0.75)]


def test_a_failed_measurement_is_not_kept(device, store, monkeypatch):
    def fail(*_):
        raise MeasurementFailed("The board is gone.", ["it is gone"])

    monkeypatch.setattr(device, "measure", fail)
    with pytest.raises(MeasurementFailed, match="The board is gone"):
        meter_of(device, store).measure(SPACE.min())
    monkeypatch.undo()
    assert meter_of(device, store).measure(SPACE.min()).median_ms == 1.0


def test_a_measurement_during_which_the_reference_was_far_slower_is_repeated(device, store, monkeypatch):
    drifts = iter([1.0, 5.0, 1.1])
    right = device.measure

    def drifting(*given):
        drift = next(drifts)
        # What hit the reference alone makes everything else look as much faster.
        return [replace(latency, drift=drift, median_ms=latency.median_ms / drift) for latency in right(*given)]

    monkeypatch.setattr(device, "measure", drifting)
    meter = meter_of(device, store)
    meter.measure(SPACE.max())
    assert meter.measure(SPACE.min()).median_ms == pytest.approx(1.0 / 1.1)
    assert device.asked == [[b"4"], [b"1"], [b"1"]]


def test_the_size_of_a_members_program_is_told(device, store):
    meter = meter_of(device, store)
    assert meter.file_bytes(SPACE.max()) == 1
    meter.measure(SPACE.min())
    assert meter.file_bytes(SPACE.min()) == 1
    assert device.asked == [[b"1"]]
