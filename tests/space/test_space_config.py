"""A config: immutable, hashable, JSON."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from supple.errors import SuppleError
from supple.space import Config

VALUES = st.dictionaries(st.text(max_size=8), st.integers(), max_size=5)


@given(st.text(max_size=8), VALUES)
def test_a_config_comes_back_from_json(space: str, values: dict[str, int]) -> None:
    config = Config(space, values)
    assert Config.from_json(config.to_json()) == config
    assert hash(Config.from_json(config.to_json())) == hash(config)


def test_the_json_of_a_config_is_one_line() -> None:
    assert Config("abc", {"width": 8}).to_json() == '{"space": "abc", "values": {"width": 8}}'


def test_configs_of_two_spaces_differ() -> None:
    assert Config("abc", {"width": 8}) != Config("def", {"width": 8})


def test_the_order_of_values_does_not_matter() -> None:
    one, other = Config("abc", {"width": 8, "depth": 1}), Config("abc", {"depth": 1, "width": 8})
    assert one == other
    assert hash(one) == hash(other)


def test_a_config_is_no_dictionary() -> None:
    assert Config("abc", {"width": 8}) != {"width": 8}


def test_a_config_does_not_change_with_the_values_that_it_was_made_of() -> None:
    values = {"width": 8}
    config = Config("abc", values)
    values["width"] = 16
    assert config["width"] == 8


def test_a_config_cannot_be_written_to() -> None:
    with pytest.raises(TypeError):
        Config("abc", {"width": 8})["width"] = 16  # type: ignore[index]


def test_a_config_shows_its_values() -> None:
    assert repr(Config("abc", {"width": 8, "depth": 1})) == "Config(width=8, depth=1)"


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        "[]",
        "7",
        "null",
        "[" * 100_000,
        '{"space": "abc"}',
        '{"space": 7, "values": {}}',
        '{"space": "abc", "values": []}',
        '{"space": "abc", "values": {"width": 8.0}}',
        '{"space": "abc", "values": {"width": true}}',
        '{"space": "abc", "values": {"width": "8"}}',
        '{"space": "abc", "values": {"width": 1e999}}',
        '{"space": "abc", "values": {}, "more": 1}',
        '{"space": "abc", "values": {"width": ' + "9" * 5000 + "}}",
    ],
)
def test_hostile_json_is_refused(text: str) -> None:
    with pytest.raises(SuppleError, match="This is no config"):
        Config.from_json(text)


def test_what_is_no_text_is_refused() -> None:
    with pytest.raises(SuppleError, match="This is no config"):
        Config.from_json(json.loads("7"))
