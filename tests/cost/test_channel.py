"""Tests of messages over pipes: what was sent is received, and nothing that the other end does hangs the reader."""

import os
import struct

import pytest

from supple.cost.channel import Channel, ChannelError, SilenceError


@pytest.fixture
def pair():
    """Return two channels that talk to each other; the first takes up to 10 MB behind a message."""
    to_first, from_second = os.pipe()
    to_second, from_first = os.pipe()
    ends = [Channel(to_first, from_first, 10**7), Channel(to_second, from_second)]
    yield ends
    for end in ends:
        end.close()


def test_messages_and_their_contents_arrive_in_order(pair):
    first, second = pair
    second.send({"kind": "program", "name": "größer"}, b"\x00\x80" * 5)
    second.send({})
    assert first.receive(1.0) == ({"kind": "program", "name": "größer"}, b"\x00\x80" * 5)
    assert first.receive(1.0) == ({}, b"")


def test_silence_ends_the_wait_for_a_message(pair):
    with pytest.raises(SilenceError, match="was silent for too long"):
        pair[0].receive(0.05)


def test_a_message_that_stops_in_the_middle_ends_the_wait(pair):
    first, second = pair
    os.write(second.writing, struct.pack(">I", 100) + b'{"kind"')
    with pytest.raises(SilenceError):
        first.receive(0.05)


def test_an_end_that_does_not_read_ends_the_wait(pair):
    with pytest.raises(SilenceError):
        pair[1].send({}, bytes(2**22), seconds=0.05)


@pytest.mark.parametrize(
    ("sent", "reason"),
    [
        (struct.pack(">I", 2**31), "announced a message of 2147483648 bytes"),
        (struct.pack(">I", 3) + b"abc", "sent what cannot be read"),
        (struct.pack(">I", 2) + b"[]", "no JSON object"),
        (struct.pack(">I", 5000) + b"[" * 5000, "nested too deeply"),
        (struct.pack(">I", 11) + b'{"size":-1}', "announced a content of -1 bytes"),
        (struct.pack(">I", 17) + b'{"size":99999999}', "announced a content of 99999999 bytes"),
        (struct.pack(">I", 2) + b"{}", "announced a content of None bytes"),
        (struct.pack(">I", 13) + b'{"size":true}', "announced a content of True bytes"),
        (struct.pack(">I", 12) + b'{"size":NaN}', "sent what cannot be read"),
    ],
)
def test_what_is_no_message_is_refused(pair, sent, reason):
    first, second = pair
    os.write(second.writing, sent)
    with pytest.raises(ChannelError, match=reason):
        first.receive(1.0)


def test_a_closed_end_is_noticed_by_the_reader_and_the_writer():
    to_first, from_second = os.pipe()
    to_second, from_first = os.pipe()
    first = Channel(to_first, from_first)
    Channel(to_second, from_second).close()
    with pytest.raises(ChannelError, match="closed the connection"):
        first.receive(1.0)
    with pytest.raises(ChannelError, match="closed the connection"):
        first.send({})
    first.close()
