"""Tests of what a worker refuses: before it reads a request's body where the head is wrong, and by its content."""

import asyncio
import hashlib
import json
import socket
import stat

import pytest
from worker_cases import TOKEN

from supple.cost.worker import gate
from supple.cost.worker.gate import Gate

CONTENT = b"a program"
DIGEST = hashlib.sha256(CONTENT).hexdigest()
REQUEST = {
    "kind": "measure",
    "protocol": 1,
    "identity": "0" * 16,
    "target": "onnxruntime:cpu?threads=1&batch=1",
    "reference": "1" * 64,
    "programs": ["2" * 64],
    "effort": {"precision": 0.1, "min_rounds": 3, "max_seconds": 1.0, "seed": 0},
    "reference_ms": None,
    "quantity": "latency",
}
GOOD = {b"authorization": b"Bearer secret", b"supple-protocol": b"1"}


def passed(method, headers):
    """Return the status that a gate answers to the head of a request; 200 where it lets it pass."""
    sent = []

    async def receive():
        raise AssertionError("the body was read")

    async def send(message):
        sent.append(message)

    async def app(scope, receive, send):
        sent.append({"status": 200})

    scope = {"type": "http", "method": method, "headers": list(headers.items())}
    asyncio.run(Gate(app, "secret", {"PUT": 100})(scope, receive, send))
    return sent[0]["status"]


@pytest.mark.parametrize(
    ("method", "changes", "status"),
    [
        ("GET", {}, 200),
        ("PUT", {b"content-length": b"100"}, 200),
        ("PUT", {b"content-length": b"101"}, 413),
        ("PUT", {b"content-length": b"9" * 400}, 411),
        ("PUT", {b"content-length": b"-1"}, 411),
        ("PUT", {}, 411),
        ("PUT", {b"content-length": b"10", b"transfer-encoding": b"chunked"}, 411),
        ("GET", {b"content-length": b"1"}, 413),
        ("GET", {b"supple-protocol": b"2"}, 426),
        ("GET", {b"supple-protocol": b""}, 426),
        ("GET", {b"authorization": b"Bearer secreu"}, 401),
        ("GET", {b"authorization": b"Bearer secret "}, 401),
        ("GET", {b"authorization": b"Basic secret"}, 401),
        ("GET", {b"authorization": b"Bearer \xff\x00"}, 401),
        ("GET", {b"authorization": b""}, 401),
        ("PUT", {b"authorization": b"", b"content-length": b"101"}, 401),
    ],
)
def test_a_request_is_judged_by_its_head_alone(method, changes, status):
    assert passed(method, {**GOOD, **changes}) == status


def test_tokens_are_compared_in_constant_time(monkeypatch):
    compared = []
    monkeypatch.setattr(gate.hmac, "compare_digest", lambda *pair: compared.append(pair) or False)
    assert passed("GET", GOOD) == 401
    assert compared == [(b"Bearer secret", b"Bearer secret")]


def test_every_path_wants_the_token(worker):
    for path in ("/device", "/", "/docs", "/openapi.json", "/programs/x"):
        assert worker.call("GET", path, Authorization="Bearer wrong")[0] == 401


def test_a_large_upload_is_refused_before_it_is_sent(worker):
    head = (
        f"PUT /programs/{DIGEST} HTTP/1.1\r\nHost: worker\r\nAuthorization: Bearer {TOKEN}\r\nSupple-Protocol: 1\r\n"
        "Content-Length: 99999999999\r\n\r\n"
    )
    with socket.create_connection(("127.0.0.1", worker.port), timeout=20) as connection:
        connection.sendall(head.encode())
        assert connection.recv(100).startswith(b"HTTP/1.1 413")


@pytest.mark.parametrize("header", ["X: " + "a" * 2**20, "\r\n".join(["X: a"] * 2**17)])
def test_a_head_of_hostile_size_is_refused_and_the_worker_goes_on(worker, header):
    with socket.create_connection(("127.0.0.1", worker.port), timeout=20) as connection:
        try:
            connection.sendall(f"GET /device HTTP/1.1\r\nHost: worker\r\n{header}".encode())
            answer = connection.recv(100)
        except ConnectionError:
            answer = b""
    assert answer == b"" or answer.startswith((b"HTTP/1.1 400", b"HTTP/1.1 431"))
    assert worker.call("GET", "/device")[0] == 200


def test_the_worker_says_what_it_is_and_what_it_can_measure(worker):
    status, said = worker.call("GET", "/device")
    assert status == 200
    assert said["targets"]["onnxruntime:cpu"] is None
    assert not any(place.startswith("torch") for place in said["targets"])
    assert said["machine"]["logical_cores"] >= 1


def folder_of(worker):
    """Return where the worker keeps its programs."""
    (folder,) = worker.temporary.iterdir()
    return folder


def test_a_program_is_kept_where_only_its_owner_can_read_it(start_worker):
    worker = start_worker()
    assert worker.call("PUT", f"/programs/{DIGEST}", CONTENT)[0] == 204
    (file,) = folder_of(worker).iterdir()
    assert file.read_bytes() == CONTENT
    assert stat.S_IMODE(file.parent.stat().st_mode) == 0o700


def test_an_upload_with_another_content_than_its_digest_says_is_not_kept(start_worker):
    worker = start_worker()
    status, said = worker.call("PUT", f"/programs/{DIGEST}", CONTENT + b"!")
    assert (status, said["reason"]) == (400, "its content is not what its digest says")
    assert list(folder_of(worker).iterdir()) == []


@pytest.mark.parametrize(
    "name", ["..%2F..%2Fetc%2Fpasswd", "%2e%2e", "../../x", "x", DIGEST.upper(), DIGEST + "0", DIGEST + "%0a", "%00"]
)
def test_only_a_digest_names_a_program(worker, name):
    assert worker.call("PUT", f"/programs/{name}", CONTENT)[0] in (400, 404)


def test_programs_that_are_lacking_are_asked_for(worker):
    status, said = worker.call("POST", "/measurements", json.dumps(REQUEST).encode())
    assert (status, said["wanted"]) == (409, ["1" * 64, "2" * 64])


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"target": "torch:cpu"}, 'ONNX and ExecuTorch programs only, not "torch:cpu"'),
        ({"target": "remote+onnxruntime:cpu@127.0.0.1:9"}, "does not ask further workers"),
        ({"target": "onnxruntime:cpu?threads=100000"}, "asks for 100000 threads"),
        ({"target": "onnxruntime:gpu"}, "names no target"),
        ({"target": "a" * 201}, "target"),
        ({"reference": "../" + "1" * 61}, "reference"),
        ({"programs": []}, "programs"),
        ({"programs": ["1" * 64] * 1025}, "programs"),
        ({"identity": ""}, "identity"),
        ({"reference_ms": -1.0}, "reference_ms"),
        ({"effort": {**REQUEST["effort"], "max_seconds": 1e9}}, "effort.max_seconds"),
        ({"effort": {**REQUEST["effort"], "min_rounds": 10**9}}, "effort.min_rounds"),
        ({"effort": {}}, "effort.precision"),
        ({"more": 1}, "more"),
    ],
)
def test_a_request_that_cannot_be_meant_is_refused_with_the_reason(worker, changes, reason):
    status, said = worker.call("POST", "/measurements", json.dumps({**REQUEST, **changes}).encode())
    assert status == 422
    assert reason in said["reason"]


@pytest.mark.parametrize("body", [b"", b"no JSON", b"[" * 10**5, b"[]", b'{"a": NaN}', b"\xff"])
def test_a_request_that_is_no_json_object_is_refused(worker, body):
    assert worker.call("POST", "/measurements", body)[0] == 422
