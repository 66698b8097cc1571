"""Tests of energy: counters that wrap, machines without any, and what a run takes beyond the idle device."""

import sys
from types import SimpleNamespace

import pytest

from supple.cost import energy
from supple.cost.energy import EnergyCounter, NoCounter, RaplCounter, energy_of, find_counter
from supple.runtime import Device


def zone(root, number, joules):
    """Write the files of a processor package, and return its folder."""
    folder = root / f"intel-rapl:{number}"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "max_energy_range_uj").write_text("1000000000\n")
    (folder / "energy_uj").write_text(f"{round(joules * 1e6)}\n")
    return folder


def test_packages_are_added_up_and_wraps_are_seen(tmp_path):
    counter = RaplCounter([zone(tmp_path, 0, 10.0), zone(tmp_path, 1, 999.0)])
    assert counter.joules() == 0
    zone(tmp_path, 0, 12.0)
    assert counter.joules() == pytest.approx(2.0)
    zone(tmp_path, 1, 4.0)
    assert counter.joules() == pytest.approx(2.0 + 5.0)


def test_the_packages_of_the_machine_are_found_without_their_parts(tmp_path):
    for name in ("0", "1", "0:0", "0:1"):
        zone(tmp_path, name, 0.0)
    counter = find_counter(Device.CPU, tmp_path)
    assert isinstance(counter, RaplCounter)
    for name in ("0", "1", "0:0", "0:1"):
        zone(tmp_path, name, 1.0)
    assert counter.joules() == pytest.approx(2.0)


def test_a_machine_without_a_counter_says_so(tmp_path):
    assert find_counter(Device.CPU, tmp_path) == NoCounter(
        f'the system offers no RAPL counter: there is no "{tmp_path}/intel-rapl:0", as in virtual machines'
    )


def test_a_counter_that_may_not_be_read_says_so(tmp_path, monkeypatch):
    zone(tmp_path, 0, 1.0)

    def refuse(file):
        raise PermissionError(13, "Permission denied", str(file))

    monkeypatch.setattr(energy, "_number", refuse)
    found = find_counter(Device.CPU, tmp_path)
    assert isinstance(found, NoCounter)
    assert "RAPL cannot be read (Permission denied:" in found.reason


def test_a_graphics_card_needs_its_library(monkeypatch):
    monkeypatch.setitem(sys.modules, "pynvml", None)
    found = find_counter(Device.CUDA)
    assert isinstance(found, NoCounter)
    assert "pip install nvidia-ml-py" in found.reason


def test_a_graphics_card_counts_in_millijoules(monkeypatch):
    class NVMLError(Exception):
        pass

    driver = SimpleNamespace(
        NVMLError=NVMLError,
        nvmlInit=lambda: None,
        nvmlDeviceGetHandleByIndex=lambda index: index,
        nvmlDeviceGetTotalEnergyConsumption=lambda handle: 2500,
    )
    monkeypatch.setitem(sys.modules, "pynvml", driver)
    counter = find_counter(Device.TENSORRT)
    assert isinstance(counter, EnergyCounter)
    assert counter.joules() == 2.5

    def fail():
        raise NVMLError("Driver Not Loaded")

    driver.nvmlInit = fail
    assert find_counter(Device.CUDA) == NoCounter("NVML tells no energy: Driver Not Loaded")


class Simulated(EnergyCounter):
    """A device that takes 10 W idle; each run takes 5 mJ more, and 1 ms."""

    name = "simulated"

    def __init__(self):
        self.seconds = 0.0
        self.runs = 0

    def joules(self):
        return 10.0 * self.seconds + 0.005 * self.runs

    def run(self):
        self.runs += 1
        self.seconds += 0.001

    def sleep(self, seconds):
        self.seconds += seconds


def test_a_run_takes_what_it_adds_to_the_idle_device(monkeypatch):
    device = Simulated()
    clock = SimpleNamespace(perf_counter=lambda: device.seconds, sleep=device.sleep)
    monkeypatch.setattr(energy, "time", clock)
    signs: list[None] = []
    found = energy_of(device.run, device, lambda: signs.append(None))
    assert signs
    assert found.median_mj == pytest.approx(5.0)
    assert (found.low_mj, found.high_mj) == (pytest.approx(5.0), pytest.approx(5.0))
    assert found.idle_watts == pytest.approx(10.0)
    assert found.counter == "simulated"
