"""Which dimensions are searched: words, patterns, and the part of a space that they leave."""

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st
from network_cases import images, quantized_family
from search_cases import accuracy_of, macs_of, make_space
from searcher_cases import PRECISIONS

from supple import SearchConfig, search
from supple.errors import SuppleError
from supple.family.quantized.config import QuantizationConfig
from supple.searching.dimensions import PartOfSpace, searched_space
from supple.searching.posing import family_problem
from supple.space import Config, Space

SPACE = Space(PRECISIONS)
FIGURES = {"measures": {"accuracy": accuracy_of}, "costs": {"macs": macs_of}}


def searched_names(words):
    return [entry.name for entry in searched_space(SPACE, words).dimensions if len(entry.values) > 1]


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["bits"], ["0.bits", "1.bits", "2.bits", "head.bits"]),
        (["shape"], ["depth", "width0", "width1", "width2"]),
        (["depth"], ["depth"]),
        (["width", "head.*"], ["width0", "width1", "width2", "head.bits"]),
        (["head"], ["head.bits"]),
        (["width?"], ["width0", "width1", "width2"]),
    ],
)
def test_words_and_patterns_name_what_is_searched(words, expected):
    assert searched_names(words) == expected


def test_all_dimensions_are_the_space_itself():
    assert searched_space(SPACE, None) is SPACE
    assert searched_space(Space(PRECISIONS[:4]), ["shape"]) == Space(PRECISIONS[:4])


@given(st.sets(st.sampled_from([entry.name for entry in SPACE.dimensions])), st.integers())
def test_members_of_a_part_are_members_of_the_whole_that_differ_there_only(searched, seed):
    part = PartOfSpace(SPACE, searched)
    for config in (part.max(), part.min(), part.sample(random.Random(seed))):
        assert SPACE.check(config) == part.check(config) == config
        assert {name for name, value in config.items() if value != SPACE[name].largest} <= searched
        assert Config.from_json(config.to_json()) == config
    assert part.max() == SPACE.max()
    assert part.count() <= SPACE.count()


def test_a_member_that_differs_elsewhere_is_none_of_the_part():
    part = searched_space(SPACE, ["bits"])
    with pytest.raises(SuppleError, match='The config sets "width0" to 8: it is not searched, and stays at 32'):
        part.check(SPACE.config({"width0": 8}))
    with pytest.raises(SuppleError, match='Dimension "width0" has no value 8: it can be 32'):
        part.config({"width0": 8})
    with pytest.raises(SuppleError, match="The config belongs to space"):
        part.check(make_space().max())


@pytest.mark.parametrize(
    ("word", "message"),
    [
        ("shapes", 'No dimension is found by "shapes"; did you mean "shape"?'),
        ("widht0", 'No dimension is found by "widht0"; did you mean "width0"?'),
        ("kernels", 'No dimension is found by "kernels"; did you mean "kernel"?'),
    ],
)
def test_a_word_that_finds_nothing_is_refused_with_the_nearest(word, message):
    with pytest.raises(SuppleError) as refusal:
        searched_space(SPACE, ["depth", word])
    assert str(refusal.value) == message


def test_a_family_without_precision_has_no_bits():
    with pytest.raises(SuppleError, match=r'no "bits" to search: the family has no dimensions of precision. Quantize'):
        searched_space(make_space(), ["bits"])


def test_words_may_stand_in_one_text():
    assert SearchConfig(dimensions="shape, bits").dimensions == ("shape", "bits")


def test_a_search_of_all_dimensions_has_the_settings_of_before_there_was_a_choice():
    assert "dimensions" not in SearchConfig().settings()
    assert SearchConfig(dimensions="bits").settings() != SearchConfig(dimensions="shape").settings()


def test_a_search_of_a_part_finds_members_of_the_space(tmp_path):
    space = make_space()
    config = SearchConfig(budget=16, searcher="random", dimensions="depth,width1")
    found = search(space, config=config, study=tmp_path / "study", **FIGURES)
    configs = [entry.config for entry in (*found.searched, *found.baseline)]
    assert [space.check(config) for config in configs] == configs
    assert {config["width0"] for config in configs} == {64}
    assert len({config["width1"] for config in configs}) > 1
    assert search(space, config=config, study=tmp_path / "study", **FIGURES).runs == found.runs
    with pytest.raises(SuppleError, match="was made with other settings"):
        search(space, config=SearchConfig(budget=16, searcher="random"), study=tmp_path / "study", **FIGURES)


def test_a_part_starts_from_those_members_of_an_earlier_search_that_are_in_it(tmp_path):
    space = make_space(widths=1)
    search(space, config=SearchConfig(budget=48, searcher="random"), study=tmp_path / "all", **FIGURES)
    config = SearchConfig(budget=8, searcher="random", dimensions="width", warm_start=tmp_path / "all")
    found = search(space, config=config, **FIGURES)
    assert {entry.config["depth"] for entry in found.searched} == {3}


def test_a_constraint_that_no_member_of_the_part_keeps_is_refused():
    config = SearchConfig(objectives=("accuracy", "macs"), dimensions="bits", constraints=("macs <= 1000",))
    with pytest.raises(SuppleError, match=r'No member keeps "macs <= 1000": the least found is'):
        family_problem(quantized_family(), config)


def test_precision_alone_is_searched_by_the_bytes_of_weights():
    family = quantized_family()
    config = SearchConfig(objectives=("accuracy", "weights_bytes"), dimensions="bits", budget=12, searcher="stratified")
    data = images(family, 4)
    found = search(family, data[:2], data[2:], config)
    configs = [entry.config for entry in (*found.searched, *found.baseline)]
    assert [family.space.check(config) for config in configs] == configs
    assert set(map(family.full_precision, configs)) == {family.space.max()}
    sizes = [entry.figures["weights_bytes"] for entry in found.searched]
    assert min(sizes) < 0.4 * max(sizes)
    # Random members cost what those of the front cost, not all about the same.
    assert len({entry.figures["weights_bytes"] for entry in found.baseline}) == 3


def test_a_precision_that_a_target_cannot_run_is_refused_before_anything_is_evaluated():
    family = quantized_family(QuantizationConfig({"*": ["fp8"]}))
    data = images(family, 2)
    with pytest.raises(SuppleError, match=r'"stem.0.bits" offers fp8 to layer "stem.0", which target "onnxruntime:cpu'):
        search(family, data, data, SearchConfig())
