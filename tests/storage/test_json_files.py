"""JSON from anybody: what is written is read again, and what is hostile is refused quickly."""

import json
import math
import tracemalloc
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from supple.errors import SuppleError
from supple.storage import read_json, write_json
from supple.storage.json_files import parse_json, to_text

contents = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=20,
)


@given(contents)
def test_any_content_is_parsed_as_it_was_written(content: object) -> None:
    assert parse_json(to_text(content).encode(), "it") == content


def test_a_file_is_read_as_it_was_written(tmp_path: Path) -> None:
    content = {"ä": [1, 2.5, None, True, "\ud800"]}
    write_json(tmp_path / "a.json", content)
    assert read_json(tmp_path / "a.json") == content


@given(st.binary(max_size=200) | contents.map(lambda content: json.dumps(content).encode()[:-1]))
def test_any_bytes_are_parsed_or_refused(data: bytes) -> None:
    try:
        parse_json(data, "it")
    except SuppleError as error:
        assert "\n" not in str(error)  # noqa: PT017 (most of the data is refused, some is JSON)


@pytest.mark.parametrize(
    ("data", "complaint"),
    [
        (b"", "it is not valid JSON"),
        (b"\xff\xfe", "it is not valid JSON"),
        (b"\x80\x04\x95\x0b\x00\x00\x00\x00\x00\x00\x00\x8c\x02os\x94.", "it is not valid JSON"),
        (b"PK\x03\x04" + bytes(100), "it is not valid JSON"),
        (b"[" * 5_000_000, "it holds more than 250,000 values"),
        (b"[" * 200_000, "it is nested too deeply"),
        (b"[" * 65 + b"]" * 65, "it is nested too deeply"),
        (b'{"a":' * 500 + b"1" + b"}" * 500, "it is nested too deeply"),
        (b"1" * 5_000, "it is not valid JSON"),
        (b"1e999", "the number 1e999 is too large"),
        (b"[NaN]", "NaN is not allowed"),
        (b"[-Infinity]", "-Infinity is not allowed"),
        (b'{"a": 1, "a": 2}', "a key stands twice"),
        (b"[" + b"[]," * 2_000_000 + b"1]", "it holds more than 250,000 values"),
    ],
)
def test_hostile_json_is_refused(data: bytes, complaint: str) -> None:
    with pytest.raises(SuppleError, match=complaint):
        parse_json(data, "it")


def test_a_value_takes_under_200_bytes_of_memory() -> None:
    # So the 250,000 values that are allowed take under 50 MB.
    values = 100_000
    data = b"[" + b",".join([b"{}"] * (values // 2)) + b"]"
    tracemalloc.start()
    parse_json(data, "it")
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 200 * values


def test_64_levels_are_read() -> None:
    content = parse_json(b"[" * 64 + b"]" * 64, "it")
    assert isinstance(content, list)


def test_a_file_over_the_bound_is_named(tmp_path: Path) -> None:
    path = tmp_path / "large.json"
    path.write_text(json.dumps("x" * 100))
    with pytest.raises(SuppleError, match=r"large\.json\" is larger than the 50 bytes"):
        read_json(path, max_bytes=50)


@pytest.mark.parametrize("content", [math.nan, {"a": math.inf}, {"a": object()}])
def test_what_is_no_json_is_not_written(tmp_path: Path, content: object) -> None:
    with pytest.raises(SuppleError, match=r'Could not write ".*a\.json" as JSON'):
        write_json(tmp_path / "a.json", content)
    assert not (tmp_path / "a.json").exists()
