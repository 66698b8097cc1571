"""The space of configs: counting, drawing and walking its members, over random forests of conditions."""

import itertools
import json
import math
import random
from collections import Counter, defaultdict
from collections.abc import Iterator
from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from supple.errors import SuppleError
from supple.space import Condition, Config, Dimension, Kind, Space


@st.composite
def spaces(draw: st.DrawFn, max_dimensions: int = 6) -> Space:
    """Draw a space whose dimensions hang on up to two others, in any order, at ranges in and around their values."""
    count = draw(st.integers(1, max_dimensions))
    dimensions: list[Dimension] = []
    for number in range(count):
        kind = draw(st.sampled_from(Kind))
        values = sorted(draw(st.sets(st.integers(1, 9), min_size=1, max_size=3)), reverse=kind is Kind.OPERATOR)
        names = st.sampled_from([entry.name for entry in dimensions]) if dimensions else st.nothing()
        conditions = tuple(
            Condition(parent, draw(st.integers(0, 10)), draw(st.none() | st.integers(0, 10)))
            for parent in draw(st.sets(names, max_size=2 if dimensions else 0))
        )
        dimensions.append(Dimension(f"d{number}", kind, tuple(values), conditions))
    return Space(draw(st.permutations(dimensions)))


def chain(length: int) -> Space:
    """Return dimensions that each hang on the one before."""
    return Space(
        Dimension(f"d{number}", Kind.DEPTH, (1, 2), (Condition(f"d{number - 1}", 2),) if number else ())
        for number in range(length)
    )


STAGES = Space(
    [
        Dimension("stage.depth", Kind.DEPTH, (1, 2, 3)),
        Dimension("stage.width", Kind.WIDTH, (8, 16)),
        Dimension("stage.1.hidden", Kind.HIDDEN, (4, 8), (Condition("stage.depth", 2),)),
        Dimension("stage.2.hidden", Kind.HIDDEN, (4, 8, 12), (Condition("stage.depth", 3),)),
    ]
)


def combinations(values: tuple[int, ...]) -> Iterator[tuple[int, int]]:
    return itertools.combinations(values, 2)


def steps(values: tuple[int, ...]) -> Iterator[tuple[int, int]]:
    return itertools.pairwise(values)


@given(spaces())
def test_count_is_the_number_of_distinct_configs(space: Space) -> None:
    configs = list(space)
    assert len(set(configs)) == len(configs) == space.count()


@given(spaces())
def test_iteration_reaches_every_choice_of_values(space: Space) -> None:
    def choices(remaining: list[Dimension], chosen: dict[str, int]) -> set[Config]:
        if not remaining:
            return {space.config(chosen)}
        return set().union(
            *(choices(remaining[1:], {**chosen, remaining[0].name: value}) for value in remaining[0].values)
        )

    assert choices(list(space.dimensions), {}) == set(space)


@given(spaces())
def test_iteration_starts_at_the_smallest_and_ends_at_the_full_config(space: Space) -> None:
    configs = list(space)
    assert configs[0] == space.min()
    assert configs[-1] == space.max()


@given(spaces(), st.integers())
def test_a_sample_belongs_to_the_space(space: Space, seed: int) -> None:
    config = space.sample(random.Random(seed))
    assert space.check(config) == config


class CountingDown(random.Random):
    """Hands out, from call to call, every possible sequence of draws exactly once."""

    def __init__(self) -> None:
        super().__init__(0)
        self.limits: list[int] = []
        self.draws: list[int] = []
        self.position = 0

    def randrange(self, stop: int) -> int:  # type: ignore[override]
        if self.position == len(self.draws):
            self.draws.append(0)
            self.limits.append(stop)
        assert self.limits[self.position] == stop
        self.position += 1
        return self.draws[self.position - 1]

    def advance(self) -> bool:
        self.position = 0
        while self.draws and self.draws[-1] == self.limits[-1] - 1:
            self.draws.pop()
            self.limits.pop()
        if self.draws:
            self.draws[-1] += 1
        return bool(self.draws)


def test_every_member_is_equally_likely() -> None:
    # Each sequence of draws has the probability 1 / (product of its limits): summed exactly, with no statistics.
    nested = Space([*STAGES.dimensions, Dimension("inner", Kind.WIDTH, (1, 2, 3), (Condition("stage.2.hidden", 8),))])
    draws = CountingDown()
    probabilities: defaultdict[Config, Fraction] = defaultdict(Fraction)
    while True:
        config = nested.sample(draws)
        probabilities[config] += Fraction(1, math.prod(draws.limits))
        if not draws.advance():
            break
    assert len(probabilities) == nested.count()
    assert set(probabilities.values()) == {Fraction(1, nested.count())}


def test_samples_of_a_seed_are_spread_evenly() -> None:
    rng = random.Random(20)
    per_member = 200
    counts = Counter(STAGES.sample(rng) for _ in range(per_member * STAGES.count()))
    chi_square = sum((counts[config] - per_member) ** 2 / per_member for config in STAGES)
    # 17 degrees of freedom: 99.9 % of fair draws stay below 40.8.
    assert STAGES.count() == 18
    assert chi_square < 40.8


def test_samples_repeat_with_their_seed() -> None:
    one, other = random.Random(3), random.Random(3)
    assert [STAGES.sample(one) for _ in range(20)] == [STAGES.sample(other) for _ in range(20)]


@given(spaces(), st.integers(0, 1000))
def test_neighbours_are_one_step_of_one_active_dimension_away(space: Space, seed: int) -> None:
    config = space.sample(random.Random(seed))
    neighbours = list(space.neighbours(config))
    expected = {
        space.config({**config, dimension.name: after if config[dimension.name] == before else before})
        for dimension in space.dimensions
        if space.is_active(dimension.name, config)
        for before, after in (combinations if dimension.kind is Kind.OPERATOR else steps)(dimension.values)
        if config[dimension.name] in (before, after)
    }
    assert len(neighbours) == len(set(neighbours))
    assert set(neighbours) == expected
    assert config not in expected


@settings(max_examples=30)
@given(spaces(max_dimensions=4))
def test_neighbours_connect_the_whole_space(space: Space) -> None:
    seen = {space.max()}
    frontier = [space.max()]
    while frontier:
        frontier = [entry for config in frontier for entry in space.neighbours(config) if entry not in seen]
        seen.update(frontier)
    assert len(seen) == space.count()


def test_inactive_dimensions_hold_their_largest_value() -> None:
    config = STAGES.config({"stage.depth": 1, "stage.1.hidden": 4, "stage.2.hidden": 4})
    assert dict(config) == {"stage.depth": 1, "stage.width": 16, "stage.1.hidden": 8, "stage.2.hidden": 12}
    assert not STAGES.is_active("stage.1.hidden", config)


def test_a_dimension_below_an_inactive_one_is_inactive() -> None:
    space = chain(3)
    assert dict(space.config({"d0": 1, "d1": 2, "d2": 1})) == {"d0": 1, "d1": 2, "d2": 2}
    assert not space.is_active("d2", {"d0": 1, "d1": 2, "d2": 2})


def test_dimensions_left_out_take_their_largest_value() -> None:
    assert STAGES.config({}) == STAGES.max()


def test_min_has_every_active_dimension_at_its_smallest() -> None:
    assert dict(STAGES.min()) == {"stage.depth": 1, "stage.width": 8, "stage.1.hidden": 8, "stage.2.hidden": 12}


def test_values_that_equal_integers_become_integers() -> None:
    config = STAGES.config({"stage.width": 8.0, "stage.depth": True})  # type: ignore[dict-item]
    assert {type(value) for value in config.values()} == {int}


def test_long_chains_of_conditions_need_no_recursion() -> None:
    space = chain(3000)
    assert space.count() == 3001
    assert space.check(space.sample(random.Random(0)))["d2999"] == 2
    assert next(iter(space)) == space.min()
    assert space.is_active("d2999", space.max())


@given(spaces())
def test_a_space_comes_back_from_json(space: Space) -> None:
    again = Space.from_json(space.to_json())
    assert again == space
    assert again.digest == space.digest
    assert again.to_json() == space.to_json()


def test_the_digest_tells_spaces_apart() -> None:
    wider = Space([Dimension("width", Kind.WIDTH, (8, 16))])
    narrower = Space([Dimension("width", Kind.WIDTH, (4, 16))])
    assert wider.digest != narrower.digest
    assert wider != narrower


def test_a_config_of_another_space_is_refused_naming_both() -> None:
    other = Space([Dimension("width", Kind.WIDTH, (8, 16))])
    with pytest.raises(SuppleError) as caught:
        STAGES.check(other.max())
    assert other.digest in str(caught.value)
    assert STAGES.digest in str(caught.value)


def test_a_plain_dictionary_is_no_config() -> None:
    with pytest.raises(SuppleError, match=r"make one with space\.config"):
        STAGES.check({"stage.depth": 1})  # type: ignore[arg-type]


def test_a_config_that_sets_dropped_blocks_is_refused() -> None:
    improper = Config(STAGES.digest, {**STAGES.min(), "stage.1.hidden": 4})
    with pytest.raises(SuppleError, match=r"its proper form is Config\(stage\.depth=1, .*stage\.1\.hidden=8"):
        STAGES.check(improper)


def test_an_unknown_dimension_is_refused_with_the_nearest_name() -> None:
    with pytest.raises(SuppleError, match=r'no dimension "stage\.dept"; did you mean "stage\.depth"\?'):
        STAGES.config({"stage.dept": 1})


def test_an_unknown_value_is_refused_with_the_known_ones() -> None:
    with pytest.raises(SuppleError, match=r'"stage\.depth" has no value 4: it can be 1, 2, 3\.'):
        STAGES.config({"stage.depth": 4})


def test_two_dimensions_of_one_name_are_refused() -> None:
    with pytest.raises(SuppleError, match="the same name"):
        Space([Dimension("width", Kind.WIDTH, (8,)), Dimension("width", Kind.DEPTH, (1,))])


def test_a_condition_on_a_missing_dimension_is_refused() -> None:
    with pytest.raises(SuppleError, match='"hidden" hangs on "depth", which the space does not have'):
        Space([Dimension("hidden", Kind.HIDDEN, (8,), (Condition("depth", 1),))])


def test_conditions_that_go_round_are_refused() -> None:
    with pytest.raises(SuppleError, match="round in a circle"):
        Space(
            [
                Dimension("one", Kind.WIDTH, (8,), (Condition("other", 1),)),
                Dimension("other", Kind.WIDTH, (8,), (Condition("one", 1),)),
            ]
        )


ENTRY = {"name": "width", "kind": "width", "values": [8, 16], "condition": None}


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[",
        "7",
        "null",
        '"width"',
        "[7]",
        "[[]]",
        '{"width": 7}',
        "[" * 100_000,
        json.dumps([{**ENTRY, "name": 7}]),
        json.dumps([{**ENTRY, "kind": "length"}]),
        json.dumps([{**ENTRY, "kind": []}]),
        json.dumps([{**ENTRY, "values": []}]),
        json.dumps([{**ENTRY, "values": [16, 8]}]),
        json.dumps([{**ENTRY, "values": [8.5]}]),
        json.dumps([{**ENTRY, "values": [True]}]),
        json.dumps([{**ENTRY, "values": "816"}]),
        json.dumps([{**ENTRY, "values": None}]),
        json.dumps([ENTRY, ENTRY]),
        json.dumps([{key: value for key, value in ENTRY.items() if key != "condition"}]),
        json.dumps([{**ENTRY, "condition": {}}]),
        json.dumps([{**ENTRY, "condition": []}]),
        json.dumps([{**ENTRY, "condition": {"parent": "width", "at_least": 8}}]),
        json.dumps([{**ENTRY, "condition": {"parent": "depth", "at_least": 8}}]),
        json.dumps([{**ENTRY, "condition": {"parent": 5, "at_least": 8}}]),
        json.dumps([{**ENTRY, "condition": {"parent": "width", "at_least": "8"}}]),
        json.dumps([{**ENTRY, "condition": {"parent": "width", "at_least": 0}}]).replace(": 0}", ": 1e999}"),
        "[" + "9" * 5000 + "]",
    ],
)
def test_hostile_json_is_refused(text: str) -> None:
    with pytest.raises(SuppleError):
        Space.from_json(text)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from([*ENTRY, "parent"]), inner, max_size=4),
)


@given(st.lists(st.fixed_dictionaries({key: JSON | st.just(value) for key, value in ENTRY.items()})) | JSON)
def test_any_json_is_a_space_or_refused(content: object) -> None:
    try:
        space = Space.from_json(json.dumps(content))
    except SuppleError:
        return
    assert Space.from_json(space.to_json()) == space
