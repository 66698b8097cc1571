"""Tests of measuring in a process of its own: it may be killed, stopped or fed with what it cannot run."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from supple.cost import Effort, Limits, MeasurementFailed, ProgramRefused, open_device
from supple.cost.energy import NoCounter
from supple.cost.local_device import LocalDevice
from supple.cost.request import Kind
from supple.errors import SuppleError
from supple.machine import describe_machine
from supple.runtime import Format, Program, parse_target

TARGET = parse_target("onnxruntime:cpu")
QUICK = Effort(precision=0.5, min_rounds=3, max_seconds=0.3)
LONG = Effort(precision=0.0, min_rounds=3, max_seconds=3.0)
IMPATIENT = Limits(silent_seconds=2.0)


class Disturbed(LocalDevice):
    """Sends its process a signal when it gives the first sign of life, in the first so many tries."""

    def __init__(self, limits: Limits, kind: signal.Signals, tries: int) -> None:
        super().__init__(TARGET, limits)
        self.kind = kind
        self.tries = tries
        self.disturbed: list[int] = []

    def messages(self, request, content_of):
        for message in super().messages(request, content_of):
            if len(self.disturbed) < self.tries and message["kind"] == Kind.ALIVE:
                os.kill(self.process_id, self.kind)
                self.disturbed.append(self.process_id)
            yield message


def state_of(pid: int) -> str:
    """Return the letter that Linux gives to the state of a process, Z where there is none any more."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return "Z"


def reaches(pid: int, state: str) -> bool:
    """Return whether a process that need not be a child of this one comes into a state within 20 seconds."""
    for _ in range(200):
        if state_of(pid) == state:
            return True
        time.sleep(0.1)
    return False


def has_ended(pid: int) -> bool:
    return reaches(pid, "Z")


@pytest.fixture
def device():
    with open_device(TARGET) as opened:
        yield opened


def test_programs_are_measured_against_the_reference(device, program):
    first, second = device.measure(program(1), [program(2), program(3)], QUICK, reference_ms=4.0)
    assert first.reference_ms == second.reference_ms == 4.0
    assert first.median_ms > 0
    assert first.rounds >= 3


def test_energy_is_measured_or_absent_with_the_reason(device, program):
    found = device.measure_energy([program(1), program(2)])
    if isinstance(found, NoCounter):
        assert "RAPL" in found.reason
    else:
        assert [entry.counter for entry in found] == ["RAPL", "RAPL"]


def test_the_device_tells_the_machine_and_the_version_of_the_runtime(device):
    import onnxruntime

    assert device.machine == describe_machine()
    assert device.runtime_version == onnxruntime.__version__


def test_the_process_and_its_programs_stay_between_measurements(device, program):
    device.measure(program(1), [program(2)], QUICK, None)
    before = device.process_id
    kinds = [message["kind"] for message in measured(device, [program(1), program(2), program(3)])]
    assert kinds.count(Kind.LOADED) == 1
    assert device.process_id == before


def measured(device, programs):
    """Return all messages of one measurement."""
    from supple.cost.request import Request

    request = Request(TARGET, programs[0].digest, [entry.digest for entry in programs[1:]], QUICK, None, "a")
    contents = {entry.digest: entry.content for entry in programs}
    return list(device.messages(request, contents.__getitem__))


@pytest.mark.parametrize(("kind", "limits"), [(signal.SIGKILL, Limits()), (signal.SIGSTOP, IMPATIENT)])
def test_a_process_that_is_killed_or_stopped_costs_a_try(program, kind, limits):
    with Disturbed(limits, kind, tries=1) as device:
        (latency,) = device.measure(program(1), [program(2)], LONG, None)
        assert latency.median_ms > 0
        assert len(device.disturbed) == 1
        assert has_ended(device.disturbed[0])


@pytest.mark.parametrize(
    ("kind", "limits", "reason"),
    [
        (signal.SIGKILL, Limits(), "was killed (by the system, where memory ran out)"),
        (signal.SIGSTOP, IMPATIENT, "was silent for too long"),
        (signal.SIGSEGV, Limits(), "was ended by SIGSEGV"),
    ],
)
def test_after_three_tries_the_measurement_has_failed_with_each_reason(program, kind, limits, reason):
    with Disturbed(limits, kind, tries=3) as device:
        with pytest.raises(MeasurementFailed, match=r"did not measure in 3 tries: 1\. it was ") as failure:
            device.measure(program(1), [program(2)], LONG, None)
        assert len(failure.value.reasons) == 3
        assert all(entry.startswith(reason) for entry in failure.value.reasons)
        assert len(set(device.disturbed)) == 3
        assert all(map(has_ended, device.disturbed))


def test_a_program_that_cannot_be_loaded_is_refused_by_its_digest(device, program):
    bad = Program(b"no model", Format.ONNX)
    with pytest.raises(
        ProgramRefused, match=r"Program 2 of 2 cannot be measured on .*cannot be loaded by ONNX"
    ) as failure:
        device.measure(program(1), [program(2), bad], QUICK, None)
    assert failure.value.digest == bad.digest
    assert device.measure(program(1), [program(2)], QUICK, None)


def test_a_program_that_does_not_fit_into_memory_is_refused_with_the_limit(wide):
    with (
        LocalDevice(TARGET, Limits(memory_bytes=2**29)) as device,
        pytest.raises(ProgramRefused, match=r"does not fit into 0\.50 GiB of memory"),
    ):
        device.measure(wide(1), [wide(2**30)], QUICK, None)


def test_a_program_of_another_runtime_is_refused(device, program):
    with pytest.raises(SuppleError, match="runs programs of the form onnx, not pte"):
        device.measure(program(1), [Program(b"", Format.EXECUTORCH)], QUICK, None)


def test_nothing_to_measure_is_refused(device, program):
    with pytest.raises(SuppleError, match="There is nothing to measure"):
        device.measure(program(1), [], QUICK, None)


def test_closing_ends_the_process_and_closing_again_does_no_harm(program):
    device = open_device(TARGET)
    device.measure(program(1), [program(2)], QUICK, None)
    pid = device.process_id
    device.close()
    device.close()
    assert has_ended(pid)


@pytest.mark.parametrize("is_stopped", [False, True])
def test_the_process_ends_with_a_parent_that_is_killed(is_stopped):
    script = (
        "from supple.cost import open_device\nfrom supple.runtime import parse_target\nimport time\n"
        f"device = open_device(parse_target('{TARGET}'))\n"
        "device.runtime_version\nprint(device.process_id, flush=True)\ntime.sleep(60)\n"
    )
    with subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True) as parent:
        child = psutil.Process(int(parent.stdout.readline()))
        if is_stopped:
            child.suspend()
            assert reaches(child.pid, "T")
        parent.kill()
    try:
        assert has_ended(child.pid)
    finally:
        if child.is_running():
            child.kill()


@pytest.mark.skipif(not hasattr(os, "sched_getaffinity"), reason="the system has no such setting")
def test_the_process_is_kept_on_as_many_cores_as_threads(device):
    assert device.runtime_version
    assert len(os.sched_getaffinity(device.process_id)) == 1
    assert os.sched_getaffinity(device.process_id) <= os.sched_getaffinity(0)


def start_with(tmp_path, monkeypatch, code):
    """Let each Python process that starts from now on run some code first."""
    (tmp_path / "sitecustomize.py").write_text(code)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))


def test_what_a_runtime_prints_is_no_message(tmp_path, monkeypatch, device, program):
    start_with(tmp_path, monkeypatch, "import os, sys\nos.write(1, b'{}' * 1000)\nsys.stderr.write('warning')\n")
    assert device.measure(program(1), [program(2)], QUICK, None)


def test_a_process_that_does_not_start_is_told_with_its_last_words(tmp_path, monkeypatch, device):
    start_with(tmp_path, monkeypatch, "import os\nprint('first', 'no such chip', sep='\\n', flush=True)\nos._exit(7)\n")
    with pytest.raises(
        MeasurementFailed, match=r"did not start in 3 tries: 1\. it ended with status 7 \(no such chip\)"
    ):
        device.runtime_version  # noqa: B018


def test_a_process_of_another_version_is_not_used(monkeypatch, device):
    monkeypatch.setattr("supple.cost.child.PROTOCOL", 0)
    with pytest.raises(MeasurementFailed, match="it is of another version of supple"):
        device.runtime_version  # noqa: B018
