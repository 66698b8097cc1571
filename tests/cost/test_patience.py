"""Tests of following a measuring process's messages: their order, and how long to wait for the next."""

import pytest

from supple.cost import Effort, Limits
from supple.cost.patience import DEFAULT_LIMITS, Patience, TryError, limits_for
from supple.cost.request import Kind, Request
from supple.runtime import parse_target

REQUEST = Request(parse_target("onnxruntime:cpu"), "a", ("b", "c"), Effort(max_seconds=1.0), None, "0")
LIMITS = Limits(loading_seconds=50.0, silent_seconds=20.0, waiting_seconds=30.0)
WANTED = {"kind": Kind.WANTED, "digests": ["a", "c"]}
LOADED = [{"kind": Kind.LOADED, "digest": digest} for digest in ("a", "c")]
ALIVE, ANSWER, WAITING = ({"kind": kind} for kind in (Kind.ALIVE, Kind.ANSWER, Kind.WAITING))


def heard(*messages, limits=LIMITS):
    patience = Patience(REQUEST, limits)
    for message in messages:
        patience.hear(message)
    return patience


def test_a_whole_measurement_is_followed_to_its_end():
    assert heard(WAITING, WANTED, *LOADED, ALIVE, ANSWER).is_over
    assert heard({"kind": Kind.WANTED, "digests": []}, ANSWER).is_over
    assert heard(WANTED, {"kind": Kind.REFUSED}).is_over
    assert heard({"kind": Kind.FAILED}).is_over
    assert not heard(WANTED, *LOADED, ALIVE).is_over


@pytest.mark.parametrize(
    "messages",
    [
        (ANSWER,),
        (ALIVE,),
        (WANTED, WAITING),
        (WANTED, WANTED),
        (WANTED, ALIVE),
        (WANTED, LOADED[1]),
        (WANTED, LOADED[0], LOADED[0]),
        (WANTED, *LOADED, LOADED[0]),
        ({"kind": "new"},),
        ({},),
    ],
)
def test_a_message_out_of_turn_is_refused(messages):
    with pytest.raises(TryError, match="out of turn"):
        heard(*messages)


@pytest.mark.parametrize("digests", [["d"], ["a", "a"]])
def test_only_programs_of_the_request_can_be_wanted(digests):
    with pytest.raises(TryError, match="none of this measurement"):
        heard({"kind": Kind.WANTED, "digests": digests})


@pytest.mark.parametrize("digests", [None, "a", [1], [["a"]]])
def test_what_is_wanted_must_be_told_by_digests(digests):
    with pytest.raises(TryError, match="did not say which programs it lacks"):
        heard({"kind": Kind.WANTED, "digests": digests})


def test_loading_may_take_longer_than_a_sign_of_life():
    assert heard().seconds == 20.0
    assert heard(WANTED).seconds == 50.0
    assert heard(WANTED, *LOADED).seconds == 20.0


def test_waiting_and_measuring_do_not_last_for_ever():
    impatient = Limits(silent_seconds=-1.0, waiting_seconds=-1.0)
    with pytest.raises(TryError, match="busy for much longer"):
        heard(WAITING, limits=impatient)
    assert heard(limits=impatient).seconds == 0.0
    measuring = Limits(silent_seconds=-2.0)
    with pytest.raises(TryError, match="busy for much longer"):
        heard(WANTED, *LOADED, ALIVE, limits=measuring)


def test_a_compiler_is_given_more_time_than_others():
    assert limits_for(parse_target("onnxruntime:cpu")) == DEFAULT_LIMITS
    assert limits_for(parse_target("torch-compile:cpu")).loading_seconds > DEFAULT_LIMITS.loading_seconds
