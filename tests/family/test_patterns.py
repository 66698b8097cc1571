"""Names of repeated parts as one pattern."""

from hypothesis import given
from hypothesis import strategies as st

from supple.family.patterns import grouped


def patterns(*names: str) -> list[str]:
    return [group.pattern for group, _ in grouped((name, 0) for name in names)]


def test_numbers_of_equal_parts_become_ranges() -> None:
    names = [f"blocks.{number}.mlp.hidden" for number in (0, 1, 2, 4, 11)]
    assert patterns(*names) == ["blocks.{0-2,4,11}.mlp.hidden"]


def test_a_group_knows_its_names() -> None:
    (group, content), *others = grouped([("a.0.w", 5), ("a.1.w", 5)])
    assert (group.names, content, others) == (("a.0.w", "a.1.w"), 5, [])


def test_other_content_is_another_group() -> None:
    found = grouped([("a.0.w", 5), ("a.1.w", 6), ("a.2.w", 5)])
    assert [(group.pattern, content) for group, content in found] == [("a.{0,2}.w", 5), ("a.1.w", 6)]


def test_stages_are_merged_only_where_a_pattern_stands_for_no_other_name() -> None:
    assert patterns("s.0.0.w", "s.0.1.w", "s.1.0.w", "s.1.1.w") == ["s.{0-1}.{0-1}.w"]
    assert patterns("s.0.0.w", "s.0.1.w", "s.1.0.w") == ["s.0.{0-1}.w", "s.1.0.w"]


def test_numbers_within_a_word_stay() -> None:
    assert patterns("layer1.0.w", "layer2.0.w") == ["layer1.0.w", "layer2.0.w"]


def test_a_name_alone_stays_as_it_is() -> None:
    assert patterns("head", "blocks.00.w", "blocks.0.w", "") == ["head", "blocks.00.w", "blocks.0.w", ""]


@given(st.lists(st.tuples(st.integers(0, 3), st.sampled_from("ab"), st.integers(0, 3)), unique=True))
def test_every_name_stands_in_one_group(entries: list[tuple[int, str, int]]) -> None:
    names = [f"{outer}.{middle}.{inner}" for outer, middle, inner in entries]
    assert sorted(name for group, _ in grouped((name, 0) for name in names) for name in group.names) == sorted(names)
