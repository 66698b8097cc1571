"""Tests of measuring on another machine: it may be killed, stopped, cut off or lie; each costs a try."""

import json
import os
import signal
import time

import psutil
import pytest
from worker_cases import http, lines, told, truth

from supple.cost import Effort, Limits, MeasurementFailed, ProgramRefused, open_device
from supple.cost.request import Kind
from supple.errors import SuppleError
from supple.machine import describe_machine
from supple.runtime import Format, Program, parse_target

QUICK = Effort(precision=0.5, min_rounds=3, max_seconds=0.3)
LONG = Effort(precision=0.0, min_rounds=3, max_seconds=3.0)


def disturbing(device, action, tries):
    """Make a device call an action when the other side gives its first sign of life, in the first so many tries."""
    original = device.messages
    calls = []

    def messages(request, content_of):
        for message in original(request, content_of):
            if len(calls) < tries and message["kind"] == Kind.ALIVE:
                calls.append(message)
                action()
            yield message

    device.messages = messages
    return calls


def test_programs_are_measured_on_a_device_without_pytorch(worker, open_remote, program):
    with open_remote(worker) as device:
        first, second = device.measure(program(1), [program(2), program(3)], QUICK, reference_ms=4.0)
    assert first.reference_ms == second.reference_ms == 4.0
    assert first.median_ms > 0


def test_programs_are_measured_without_a_reference(worker, open_remote, program):
    (latency,) = open_remote(worker).measure(None, [program(2)], QUICK)
    assert latency.reference_ms is None


def test_the_worker_tells_its_machine_and_the_version_of_its_runtime(worker, open_remote):
    import onnxruntime

    device = open_remote(worker)
    assert device.machine == describe_machine()
    assert device.runtime_version == onnxruntime.__version__


def test_a_program_is_sent_once(worker, open_remote, program, monkeypatch):
    device = open_remote(worker)
    sent = []
    monkeypatch.setattr(device._client, "upload", lambda digest, content: sent.append(digest))
    with pytest.raises(MeasurementFailed, match="forgot programs that it had just been sent"):
        device.measure(program(7), [program(8)], QUICK, None)
    assert set(sent) == {program(7).digest, program(8).digest}
    monkeypatch.undo()
    device.measure(program(7), [program(8)], QUICK, None)
    monkeypatch.setattr(device._client, "upload", lambda digest, content: sent.append("again"))
    device.measure(program(7), [program(8)], QUICK, None)
    assert "again" not in sent


def test_a_program_that_cannot_be_loaded_there_is_refused_by_its_digest(worker, open_remote, program):
    bad = Program(b"no model", Format.ONNX)
    with pytest.raises(ProgramRefused, match=r"Program 2 of 2 .*remote.* cannot be loaded by ONNX") as failure:
        open_remote(worker).measure(program(1), [program(2), bad], QUICK, None)
    assert failure.value.digest == bad.digest


@pytest.mark.parametrize("kind", [signal.SIGKILL, signal.SIGSEGV])
def test_a_measuring_process_that_dies_there_costs_a_try(worker, open_remote, program, kind):
    device = open_remote(worker)
    killed = disturbing(device, lambda: [child.send_signal(kind) for child in worker.process.children()], tries=1)
    assert device.measure(program(1), [program(2)], LONG, None)
    assert len(killed) == 1


def test_a_measuring_process_that_dies_each_time_is_told_with_each_reason(worker, open_remote, program):
    device = open_remote(worker)
    disturbing(device, lambda: [child.kill() for child in worker.process.children()], tries=3)
    with pytest.raises(MeasurementFailed) as failure:
        device.measure(program(1), [program(2)], LONG, None)
    assert failure.value.reasons == ("said: was killed (by the system, where memory ran out)",) * 3


def test_a_worker_that_is_killed_fails_the_measurement_and_leaves_no_process(start_worker, open_remote, program):
    worker = start_worker()
    device = open_remote(worker)
    children = []

    def kill():
        children.extend(worker.process.children())
        worker.process.kill()

    disturbing(device, kill, tries=1)
    with pytest.raises(MeasurementFailed, match=r"1\. it .*cut the connection.*2\. it could not be reached") as failure:
        device.measure(program(1), [program(2)], LONG, None)
    assert len(failure.value.reasons) == 3
    assert children
    assert psutil.wait_procs(children, timeout=20)[1] == []


def test_a_worker_that_is_stopped_fails_the_measurement_and_measures_when_it_goes_on(
    start_worker, open_remote, program
):
    worker = start_worker()
    device = open_remote(worker, Limits(silent_seconds=3.0))
    disturbing(device, lambda: os.kill(worker.process.pid, signal.SIGSTOP), tries=1)
    with pytest.raises(MeasurementFailed) as failure:
        device.measure(program(1), [program(2)], LONG, None)
    assert failure.value.reasons == ("was silent for too long",) * 3
    os.kill(worker.process.pid, signal.SIGCONT)
    assert open_remote(worker).measure(program(1), [program(2)], QUICK, None)


def test_a_worker_that_is_told_to_stop_leaves_nothing(start_worker, open_remote, program):
    worker = start_worker()
    open_remote(worker).measure(program(1), [program(2)], QUICK, None)
    children = worker.process.children()
    worker.process.terminate()
    assert children
    assert psutil.wait_procs([worker.process, *children], timeout=20)[1] == []
    assert list(worker.temporary.iterdir()) == []


def test_a_measurement_that_nobody_waits_for_ends(worker, open_remote, program):
    def leave():
        raise KeyboardInterrupt

    first = open_remote(worker)
    disturbing(first, leave, tries=1)
    with pytest.raises(KeyboardInterrupt):
        first.measure(program(1), [program(2)], Effort(precision=0.0, max_seconds=600.0), None)
    assert open_remote(worker, Limits(waiting_seconds=120.0)).measure(program(1), [program(2)], QUICK, None)


def test_two_searches_at_once_wait_for_each_other(worker, open_remote, program):
    first, second = open_remote(worker), open_remote(worker)
    seen = []

    def meanwhile():
        original = second.messages
        second.messages = lambda request, content_of: (
            seen.append(message["kind"]) or message for message in original(request, content_of)
        )
        iterator = second.messages(request_of(second, program), contents(program).__getitem__)
        seen.append(next(iterator)["kind"])
        iterator.close()

    disturbing(first, meanwhile, tries=1)
    assert first.measure(program(1), [program(2)], LONG, None)
    assert seen[0] == Kind.WAITING


def contents(program):
    return {program(count).digest: program(count).content for count in (1, 2)}


def request_of(device, program):
    from supple.cost.request import Request

    return Request(device.target, program(1).digest, (program(2).digest,), QUICK, None).renewed()


def test_a_wrong_token_is_refused_at_once(worker, program, tmp_path, monkeypatch):
    file = tmp_path / "token"
    file.touch(mode=0o600)
    file.write_text("another-token-of-some-length")
    monkeypatch.setenv("SUPPLE_WORKER_TOKEN_FILE", str(file))
    device = open_device(parse_target(worker.address))
    with pytest.raises(SuppleError, match=r"The worker 127\.0\.0\.1:\d+ refuses: the token is wrong"):
        device.measure(program(1), [program(2)], QUICK, None)


def test_a_program_larger_than_the_worker_takes_is_refused_by_its_digest(start_worker, open_remote, program):
    large = Program(bytes(1_000_001), Format.ONNX)
    with pytest.raises(ProgramRefused, match=r"1000001 bytes, and the worker takes 1000000") as failure:
        open_remote(start_worker("--largest-program", "1")).measure(program(1), [large], QUICK, None)
    assert failure.value.digest == large.digest


def test_a_program_that_needs_more_memory_than_the_worker_gives_is_refused(start_worker, open_remote, program, wide):
    device = open_remote(start_worker("--memory", "500"))
    with pytest.raises(ProgramRefused, match=r"does not fit into 0\.47 GiB of memory"):
        device.measure(program(1), [wide(2**30)], QUICK, None)


def test_a_worker_that_is_not_there_is_told_after_three_tries(open_remote, program, pretend):
    pretender = pretend(b"")
    pretender.close()
    pretend_no_more = open_remote(pretender.port)
    with pytest.raises(MeasurementFailed, match="could not be reached or cut the connection") as failure:
        pretend_no_more.measure(program(1), [program(2)], QUICK, None)
    assert len(failure.value.reasons) == 3


def asked_for(*digests):
    return http(json.dumps({"wanted": digests, "largest_bytes": 10**6}).encode(), "409 Conflict")


FAULTS = {
    "nothing": (b"", "cut the connection"),
    "half a head": (b"HTTP/1.1 200 OK\r\nConn", "cut the connection"),
    "no HTTP": (b"SSH-2.0-OpenSSH\r\n", "cut the connection"),
    "no line": (http(b""), "cut the connection"),
    "half a line": (http(b'{"kind": "wan'), "cut the connection"),
    "no answer": (http(lines({"kind": "wanted", "digests": []})), "cut the connection"),
    "no JSON": (http(b"hello\n"), "sent what cannot be read"),
    "a long header": (b"HTTP/1.1 200 OK\r\nX: " + b"a" * 2**20, "cut the connection"),
    "many headers": (b"HTTP/1.1 200 OK\r\n" + b"X: a\r\n" * 2**16, "cut the connection"),
    "a long line": (http(b" " * 2**21), "sent a line without an end"),
    "deep JSON": (http(b"[" * 10**5 + b"\n"), "sent what cannot be read"),
    "an error": (http(b'{"reason": "out\\nof order"}', "500 No"), "answered with status 500: out of order"),
    "an error without a reason": (http(b"", "502 No"), "answered with status 502: no reason"),
    "out of turn": (http(lines({"kind": "alive"})), "out of turn"),
    "foreign programs": (asked_for("0" * 64), "none of this measurement"),
    "no programs": (asked_for(), "none of this measurement"),
    "a refusal of nothing": (
        http(lines({"kind": "wanted", "digests": []}, {"kind": "refused", "digest": "x"})),
        "refused a program that it was not given",
    ),
    "a failure": (http(lines({"kind": "failed", "reason": "too hot"})), "said: too hot"),
    "another identity": (told(identity="0" * 16), "answered with another identity"),
    "other programs": (told(programs=[]), "answered with another programs"),
    "no latencies": (told(latencies=[]), "did not answer with 1 latencies"),
    "a redirection": (http(b"", "302 Found\r\nLocation: http://127.0.0.1:9/"), "answered with status 302"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_each_time_fails_the_measurement_after_three_tries(open_remote, program, pretend, fault):
    reply, reason = FAULTS[fault]
    pretender = pretend(reply)
    with pytest.raises(MeasurementFailed) as failure:
        open_remote(pretender.port).measure(program(1), [program(2)], QUICK, None)
    assert len(failure.value.reasons) == 3
    assert all(reason in entry for entry in failure.value.reasons)
    assert pretender.served == 3


@pytest.mark.parametrize("fault", ["nothing", "no answer", "another identity", "no latencies", "an error"])
def test_a_fault_costs_one_try(open_remote, program, pretend, fault):
    pretender = pretend(FAULTS[fault][0], told())
    (latency,) = open_remote(pretender.port).measure(program(1), [program(2)], QUICK, None)
    assert latency.median_ms == 2.0
    assert pretender.served == 2


@pytest.mark.parametrize("start", [b"", b"HTTP/1.1 200 OK\r\nX: ", http(b""), http(b'{"kind": ')])
def test_a_worker_that_sends_a_byte_now_and_then_is_cut_off(open_remote, program, pretend, start):
    import socket

    def drip(_):
        raise AssertionError("replaced below")

    pretender = pretend(drip)

    def answer(connection: socket.socket) -> None:
        pretender.served += 1
        connection.sendall(start)
        for _ in range(100):
            connection.sendall(b" ")
            time.sleep(0.2)

    pretender._answer = answer
    with pytest.raises(MeasurementFailed) as failure:
        open_remote(pretender.port, Limits(silent_seconds=1.0)).measure(program(1), [program(2)], QUICK, None)
    assert failure.value.reasons == ("was silent for too long",) * 3


def test_a_worker_of_another_version_is_told_at_once(open_remote, program, pretend):
    pretender = pretend(http(b'{"reason": "this worker speaks version 2"}', "426 Upgrade Required"))
    with pytest.raises(SuppleError, match="refuses: this worker speaks version 2"):
        open_remote(pretender.port).measure(program(1), [program(2)], QUICK, None)
    assert pretender.served == 1


@pytest.mark.parametrize(
    ("said", "reason"),
    [
        ({"machine": describe_machine().to_json()}, "did not say which version its runtime has"),
        ({"machine": {"cpu": 1}, "runtime_version": "1.0"}, "did not describe its machine"),
        ({"runtime_version": "1.0"}, "did not describe its machine"),
    ],
)
def test_a_worker_that_does_not_say_what_it_is_fails(open_remote, pretend, said, reason):
    device = open_remote(pretend(http(json.dumps(said).encode())).port)
    with pytest.raises(MeasurementFailed, match=rf"did not say what it is in 3 tries: 1\. it {reason}"):
        device.machine  # noqa: B018


def test_an_answer_that_fits_is_believed_as_it_is(open_remote, program, pretend):
    pretender = pretend(lambda request: http(lines({"kind": "wanted", "digests": []}, truth(request))))
    (latency,) = open_remote(pretender.port).measure(program(1), [program(2)], QUICK, None)
    assert (latency.median_ms, latency.reference_ms) == (2.0, 0.001)


def test_a_target_with_a_worker_needs_a_token(monkeypatch):
    monkeypatch.delenv("SUPPLE_WORKER_TOKEN_FILE", raising=False)
    with pytest.raises(SuppleError, match=r"The worker 127\.0\.0\.1:9 wants a token: .*SUPPLE_WORKER_TOKEN_FILE"):
        open_device(parse_target("remote+onnxruntime:cpu@127.0.0.1:9"))
