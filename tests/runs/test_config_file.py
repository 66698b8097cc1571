"""Run files: what is written is read, overrides are put in, and each mistake is one line that says where."""

import copy
import errno
import itertools
import math
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from supple.errors import SuppleError
from supple.runs.config_file import apply_overrides, read_config_file, to_yaml

scalars = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False)
words = st.text(st.characters(exclude_categories=["Cs"])) | st.sampled_from(
    ["", "~", "null", "true", "Yes", "off", "1e-3", "1e5", "010", "08", "0o17", "0x1f", "1_000", "1:30", "2024-05-01",
     ".5", "1.", "+1", "-", "<<", "=", "*a", "&a", "!b", "# c", "a: b", " a", "a ", "\t", "\n", "\r\n", "\x85", "\x00"]
)  # fmt: skip
mappings = st.dictionaries(
    words,
    st.recursive(
        scalars | words,
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(words, inner, max_size=3),
        max_leaves=8,
    ),
    max_size=4,
)


def read(folder: Path, text: str | bytes) -> dict[str, Any]:
    path = folder / "run.yaml"
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return read_config_file(path)


def complaint(folder: Path, text: str | bytes) -> str:
    with pytest.raises(SuppleError) as caught:
        read(folder, text)
    message = str(caught.value)
    assert "\n" not in message
    assert len(message) < 500
    return message.replace(str(folder), "FOLDER")


def test_a_run_file_is_read(tmp_path: Path) -> None:
    text = """
        # a run
        model: {function: "supple.models:small", arguments: {classes: 10}}
        train:
          epochs: 3
          learning_rate: 1e-3
          schedule: [1, 2.5, -3e+2, .5]
        search:
    """
    assert read(tmp_path, text) == {
        "model": {"function": "supple.models:small", "arguments": {"classes": 10}},
        "train": {"epochs": 3, "learning_rate": 0.001, "schedule": [1, 2.5, -300.0, 0.5]},
        "search": None,
    }


@pytest.mark.parametrize(
    ("written", "value"),
    [
        ("true", True), ("False", False), ("~", None), ("null", None), ("", None),
        ("12", 12), ("-3", -3), ("010", 10), ("08", 8), ("0x1f", 31), ("0o17", 15), ("1e3", 1000.0), ("1.", 1.0),
        ("on", "on"), ("no", "no"), ("2024-05-01", "2024-05-01"), ("1:30", "1:30"), ("1_000", "1_000"),
        (".inf", ".inf"), ("'3'", "3"), ("!!str 3", "3"), ('"müde"', "müde"), ("{}", {}), ("[]", []),
    ],
)  # fmt: skip
def test_values_are_read_as_yaml_1_2_does(tmp_path: Path, written: str, value: object) -> None:
    found = read(tmp_path, f"a: {written}\n")["a"]
    assert (found, type(found)) == (value, type(value))


@settings(max_examples=50)
@given(mappings)
def test_a_written_mapping_is_read_again(tmp_path_factory: pytest.TempPathFactory, mapping: dict[str, Any]) -> None:
    assert read(tmp_path_factory.getbasetemp(), to_yaml(mapping)) == mapping


@settings(max_examples=50)
@given(mappings)
def test_other_readers_agree_on_the_texts_that_are_written(mapping: dict[str, Any]) -> None:
    texts = {name: value for name, value in mapping.items() if isinstance(value, str)}
    assert yaml.safe_load(to_yaml(texts)) == texts


@given(st.text(alphabet="ab:-?[]{},&*!|>'\"%@` #\n\t0.eé\x00") | st.binary())
def test_any_text_is_read_or_refused(tmp_path_factory: pytest.TempPathFactory, text: str | bytes) -> None:
    try:
        read(tmp_path_factory.getbasetemp(), text)
    except SuppleError as error:
        assert "\n" not in str(error)  # noqa: PT017 (most of the texts are refused, some are YAML)


def test_aliases_are_written_out_and_not_shared(tmp_path: Path) -> None:
    mapping = read(tmp_path, "a: &x {b: [1]}\nc: *x\n")
    assert mapping["a"] == mapping["c"] == {"b": [1]}
    assert mapping["a"]["b"] is not mapping["c"]["b"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a: 1\nb: [1,\n", 'line 3: expected the node content, but found \'<stream end>\'.'),
        ("a: 1\n\tb: 2\n", "line 2: found character '\\t' that cannot start any token."),
        ("a: b: c\n", "line 1: mapping values are not allowed here."),
        ("a: *nobody\n", "line 1: found undefined alias 'nobody'."),
        ("a: 1\n---\nb: 1\n", "line 2: expected a single document in the stream but found another document."),
        ("a: 1\nb:\n  c: 1\n  c: 2\n", 'line 4: the key "c" stands there a second time.'),
        ("a: {b: 1, 'b': 2}\n", 'line 1: the key "b" stands there a second time.'),
        ("a: 1\n2: 3\n", "line 2: a key must be text, but this is 2."),
        ("true: 3\n", "line 1: a key must be text, but this is true."),
        ("? [a]\n: 1\n", "line 1: a key must be text, but this is a list."),
        ("a: !!int x\n", "line 1: 'x' is no int."),
        ("a: !!bool yes\n", "line 1: 'yes' is no bool."),
        ("a: !!binary aGk=\n", 'line 1: the tag "tag:yaml.org,2002:binary" is not allowed.'),
        ("a: !!set {b}\n", 'line 1: the tag "tag:yaml.org,2002:set" is not allowed.'),
        ("a: !!python/object/apply:os.system [ls]\n",
         'line 1: the tag "tag:yaml.org,2002:python/object/apply:os.system" is not allowed.'),
        ('a: "\\ud800"\n', "line 1: '\\ud800' is no str."),
        ("a: " + "1" * 5000, f"line 1: '{'1' * 39} is no int."),
    ],
)  # fmt: skip
def test_what_is_no_yaml_is_told_with_its_line(tmp_path: Path, text: str, message: str) -> None:
    assert complaint(tmp_path, text) == f'"FOLDER/run.yaml" is not valid YAML: {message}'


@pytest.mark.parametrize("text", ["a: \x00", 'a: "\\U00110000"', 'a: "\\UFFFFFFFF"', "a: !<%ff> b"])
def test_characters_that_do_not_exist_are_refused(tmp_path: Path, text: str) -> None:
    assert '"FOLDER/run.yaml" is not valid YAML: ' in complaint(tmp_path, text)


@pytest.mark.parametrize(
    ("text", "held"),
    [("", "nothing"), ("# nothing\n", "nothing"), ("hello\n", 'the text "hello"'), ("- 1\n", "a list"), ("7\n", "7")],
)
def test_a_file_without_keys_is_refused(tmp_path: Path, text: str, held: str) -> None:
    assert complaint(tmp_path, text) == (
        f'"FOLDER/run.yaml" must hold keys and values ("name: ..."), but it holds {held}.'
    )


def test_a_pickle_is_no_yaml(tmp_path: Path) -> None:
    message = complaint(tmp_path, b"\x80\x04\x95\x0b\x00\x00\x00\x00\x00\x00\x00\x8c\x02os\x94.")
    assert message == '"FOLDER/run.yaml" is not a YAML file: it is not text in UTF-8.'


def test_a_mark_at_the_start_of_a_file_is_skipped(tmp_path: Path) -> None:
    assert read(tmp_path, b"\xef\xbb\xbfa: 1\n") == {"a": 1}


def bomb() -> str:
    """Return a file of 400 bytes that stands for 9 ** 10 values."""
    names = "abcdefghij"
    lines = [f"{name}: &{name} [{', '.join([f'*{inner}'] * 9)}]" for inner, name in itertools.pairwise(names)]
    return "\n".join(["a: &a [x, x, x, x, x, x, x, x, x]", *lines])


@pytest.mark.parametrize(
    "text",
    [
        bomb(), "a: &a [*a]\n", "a: &a {b: *a}\n", "[" * 200_000, "{" * 200_000, "- " * 100_000, "? " * 100_000,
        "".join(f"a{number}: 1\n" for number in range(20_000)), "[" + "a," * 60_000 + "]",
    ],
    ids=["bomb", "list in itself", "mapping in itself", "[[[", "{{{", "- - -", "? ? ?", "long mapping", "long list"],
)  # fmt: skip
def test_too_much_for_a_run_file_is_given_up(tmp_path: Path, text: str) -> None:
    assert complaint(tmp_path, text).endswith(": more than 5,000 values or 32 levels.")


def test_a_large_file_is_not_read(tmp_path: Path) -> None:
    assert complaint(tmp_path, "#" * (256 * 1024 + 1)) == (
        '"FOLDER/run.yaml" is larger than the 256 KiB that a run file can have.'
    )


def test_a_missing_file_is_named_with_the_nearest(tmp_path: Path) -> None:
    (tmp_path / "fashion.yaml").touch()
    with pytest.raises(SuppleError, match=r'^There is no file ".*fashon\.yaml"; did you mean "fashion\.yaml"\?$'):
        read_config_file(tmp_path / "fashon.yaml")
    with pytest.raises(SuppleError, match=r'^There is no file ".*nowhere/run\.yaml"\.$'):
        read_config_file(tmp_path / "nowhere" / "run.yaml")


def test_a_folder_and_a_name_with_a_zero_byte_are_no_files(tmp_path: Path) -> None:
    with pytest.raises(SuppleError, match=r'^Could not read ".*": Is a directory\.$'):
        read_config_file(tmp_path)
    with pytest.raises(SuppleError, match=r"^Could not read .*null"):
        read_config_file("a\0b")


def test_no_permission_is_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # Simulated: the root user may read anything.
    def refused(*arguments: object) -> None:
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr(Path, "open", refused)
    with pytest.raises(SuppleError, match=r'^Could not read ".*run\.yaml": Permission denied\.$'):
        read_config_file(tmp_path / "run.yaml")


def test_overrides_are_put_in_and_the_mapping_stays() -> None:
    mapping = {"train": {"epochs": 1, "lr": 0.1}, "tags": ["a"]}
    before = copy.deepcopy(mapping)
    result = apply_overrides(
        mapping,
        ["train.epochs=3", "train.lr=1e-3", "search.seed=-1", "title=a = b", "tags=[b, c]", "x.y.z=", " a =true"],
    )
    assert result == {
        "train": {"epochs": 3, "lr": 0.001},
        "tags": ["b", "c"],
        "search": {"seed": -1},
        "title": "a = b",
        "x": {"y": {"z": None}},
        "a": True,
    }
    result["tags"].append("d")
    assert mapping == before


def test_the_last_override_of_a_key_counts() -> None:
    assert apply_overrides({}, ["a=1", "a=2", "b={c: 1}", "b.d=2"]) == {"a": 2, "b": {"c": 1, "d": 2}}


@pytest.mark.parametrize("override", ["train.epochs", "=3", "train.=3", ".epochs=3", "train..epochs=3", ""])
def test_an_override_of_another_form_is_refused(override: str) -> None:
    with pytest.raises(SuppleError) as caught:
        apply_overrides({}, [override])
    assert str(caught.value) == f'The override "{override}" is not understood: expected KEY=VALUE, as train.epochs=3.'


@pytest.mark.parametrize(("value", "held"), [(3, "3"), (["a"], "a list"), ("x", 'the text "x"'), (None, "nothing")])
def test_an_override_through_a_value_is_refused(value: object, held: str) -> None:
    with pytest.raises(SuppleError) as caught:
        apply_overrides({"data": {"train": value}}, ["data.train.epochs=3"])
    assert str(caught.value) == (
        f'The override "data.train.epochs=3" cannot be applied: "data.train" is {held}, not a section.'
    )


def test_an_override_with_a_broken_value_is_refused() -> None:
    with pytest.raises(SuppleError, match=r'^The value of the override "a=\[1" is not valid YAML: line 1: '):
        apply_overrides({}, ["a=[1"])


def test_numbers_that_are_not_finite_stay_text(tmp_path: Path) -> None:
    assert read(tmp_path, to_yaml({"a": math.inf})) == {"a": ".inf"}
