"""Labels of axes: what unification promises, checked against index arithmetic in numpy."""

from dataclasses import dataclass, field

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from supple.trace.axes import REPEATED, Atom, Expression, Labels, expression_size
from supple.trace.structure import Axis, Factor

SIZES = (1, 2, 3, 4, 6, 12)


@dataclass
class Program:
    """Labels made one from another, as operators make them, and the pairs that were unified."""

    labels: Labels = field(default_factory=Labels)
    made: list[Expression] = field(default_factory=list)
    concatenated: list[tuple[int, int, int]] = field(default_factory=list)
    merged: list[tuple[int, int, int]] = field(default_factory=list)
    unified: list[tuple[int, int]] = field(default_factory=list)

    def add(self, expression: Expression) -> int:
        self.made.append(expression)
        return len(self.made) - 1

    def whole(self, expression: Expression) -> Atom:
        """Return one atom that is equal to the label, as the rule of reshape does."""
        whole = self.labels.fresh(expression_size(expression))
        self.labels.unify(whole, expression, "whole")
        return whole[0][0]

    def free_atoms(self) -> list[Atom]:
        # Resolving can fix atoms that were resolved before: so twice.
        for expression in self.made:
            self.labels.resolve(expression)
        atoms = (atom for entry in self.made for product in self.labels.resolve(entry) for atom in product)
        return list(dict.fromkeys(atom for atom in atoms if atom.fixed is None))


@st.composite
def programs(draw: st.DrawFn) -> Program:
    program = Program()
    for size in draw(st.lists(st.sampled_from(SIZES), min_size=2, max_size=6)):
        program.add(program.labels.fresh(size, draw(st.sampled_from([None, None, None, "given"]))))
    for _ in range(draw(st.integers(1, 12))):
        one, other = (draw(st.integers(0, len(program.made) - 1)) for _ in range(2))
        step = draw(st.sampled_from(["concatenate", "merge", "unify", "unify"]))
        sizes = [expression_size(program.made[position]) for position in (one, other)]
        if step == "concatenate" and sum(sizes) <= 48:
            joined = program.add((*program.made[one], *program.made[other]))
            program.concatenated.append((joined, one, other))
        elif step == "merge" and sizes[0] * sizes[1] <= 48:
            product = program.add(((program.whole(program.made[one]), program.whole(program.made[other])),))
            program.merged.append((product, one, other))
        elif step == "unify":
            # Of equal size mostly: others only fix both.
            equal = [place for place, entry in enumerate(program.made) if expression_size(entry) == sizes[0]]
            other = draw(st.sampled_from([*equal, *equal, other]))
            program.labels.unify(program.made[one], program.made[other], "they differ")
            program.unified.append((one, other))
    return program


def axis_of(program: Program, label: int, names: dict[Atom, str]) -> Axis:
    segments = program.labels.resolve(program.made[label])
    return Axis(
        tuple(tuple(Factor(atom.size, names.get(atom)) for atom in product) or (Factor(1),) for product in segments)
    )


def kept(axis: Axis, config: dict[str, int]) -> np.ndarray:
    """Return which indices of the axis stay, as a mask."""
    indices = axis.indices(config)
    mask = np.zeros(axis.full, dtype=bool)
    mask[indices] = True
    assert mask.sum() == axis.size(config)
    assert np.array_equal(np.arange(axis.full)[indices], np.flatnonzero(mask))
    return mask


@given(programs(), st.data())
def test_index_sets_agree_with_numpy_after_any_operators(program: Program, data: st.DataObject) -> None:
    names = {atom: f"a{number}" for number, atom in enumerate(program.free_atoms())}
    config = {name: data.draw(st.integers(1, atom.size), name) for atom, name in names.items()}
    axes = [axis_of(program, label, names) for label in range(len(program.made))]
    masks = [kept(axis, config) for axis in axes]
    assert [axis.full for axis in axes] == [expression_size(label) for label in program.made]
    for joined, one, other in program.concatenated:
        assert np.array_equal(masks[joined], np.concatenate([masks[one], masks[other]]))
    for product, outer, inner in program.merged:
        assert np.array_equal(masks[product], np.outer(masks[outer], masks[inner]).ravel())
    for one, other in program.unified:
        if axes[one].full == axes[other].full:
            assert np.array_equal(masks[one], masks[other])
        else:
            assert masks[one].all()
            assert masks[other].all()


@given(programs(), st.data())
def test_unify_makes_labels_the_same_or_fixes_both(program: Program, data: st.DataObject) -> None:
    one, other = (data.draw(st.sampled_from(program.made)) for _ in range(2))
    labels = program.labels
    labels.unify(one, other, "they differ")
    assert labels.same(one, other) or (labels.is_fixed(one) and labels.is_fixed(other))


@given(programs())
def test_what_is_fixed_has_a_reason(program: Program) -> None:
    atoms = [atom for entry in program.made for product in program.labels.resolve(entry) for atom in product]
    known = {None, "given", "they differ", "whole", REPEATED}
    assert {atom.fixed for atom in atoms} <= known


def free(*sizes: int) -> tuple[Labels, list[Expression]]:
    labels = Labels()
    return labels, [labels.fresh(size) for size in sizes]


def sizes_of(labels: Labels, expression: Expression) -> list[list[int]]:
    return [[atom.size for atom in product] for product in labels.resolve(expression)]


def test_equal_sizes_merge() -> None:
    labels, (one, other) = free(8, 8)
    labels.unify(one, other, "add")
    assert labels.same(one, other)
    assert not labels.is_fixed(one)


def test_a_whole_is_refined_into_its_segments() -> None:
    labels, (whole, left, right) = free(12, 8, 4)
    labels.unify(whole, left + right, "cat")
    assert sizes_of(labels, whole) == [[8], [4]]
    assert not labels.is_fixed(whole)


def test_a_whole_is_refined_into_its_factors() -> None:
    labels, (whole, heads, size) = free(12, 3, 4)
    labels.unify(whole, ((heads[0][0], size[0][0]),), "view")
    assert sizes_of(labels, whole) == [[3, 4]]


def test_two_products_share_their_common_factors() -> None:
    labels, (outer, inner, left, right) = free(6, 2, 3, 4)
    # 6 x 2 = 3 x 4: the 4 is 2 x 2, and the 6 is 3 x 2.
    labels.unify(((outer[0][0], inner[0][0]),), ((left[0][0], right[0][0]),), "view")
    assert sizes_of(labels, outer) == [[3, 2]]
    assert sizes_of(labels, right) == [[2, 2]]
    assert labels.same(((outer[0][0], inner[0][0]),), ((left[0][0], right[0][0]),))


def test_products_without_common_factors_are_fixed() -> None:
    labels, (left, right) = free(2, 3)
    one, other = ((left[0][0], right[0][0]),), ((right[0][0], left[0][0]),)
    labels.unify(one, other, "a transposed view")
    assert labels.is_fixed(one)
    assert {atom.fixed for atom in one[0]} == {"a transposed view"}


def test_concatenations_cut_at_different_places_are_refined_to_common_segments() -> None:
    labels, (a, b, c, d) = free(8, 4, 6, 6)
    labels.unify(a + b, c + d, "add")
    assert sizes_of(labels, a) == [[6], [2]]
    assert sizes_of(labels, d) == [[2], [4]]
    assert labels.same(a + b, c + d)


@pytest.mark.parametrize("place", [0, 1])
def test_a_segment_of_one_index_keeps_its_place(place: int) -> None:
    labels, (whole, single, rest) = free(8, 1, 7)
    parts = [rest]
    parts.insert(place, single)
    labels.unify(whole, parts[0] + parts[1], "cat")
    assert expression_size(labels.resolve(whole)) == 8
    assert not labels.is_fixed(whole)


def test_a_product_with_a_concatenation_inside_fixes_the_inner_part() -> None:
    labels, (outer, whole, left, right) = free(3, 12, 8, 4)
    labels.unify(whole, left + right, "cat")
    merged: Expression = ((outer[0][0], whole[0][0]),)
    assert sizes_of(labels, merged) == [[3, 12]]
    assert labels.is_fixed(left + right)
    assert not labels.is_fixed(outer)


def test_a_concatenation_inside_a_fixed_product_is_unrolled() -> None:
    labels, (outer, whole, left, right) = free(3, 12, 8, 4)
    labels.fix(outer, "given")
    labels.unify(whole, left + right, "cat")
    merged: Expression = ((outer[0][0], whole[0][0]),)
    assert sizes_of(labels, merged) == [[8], [4], [8], [4], [8], [4]]
    assert not labels.is_fixed(left)


def test_different_sizes_are_fixed_with_the_reason() -> None:
    labels, (one, other) = free(8, 6)
    labels.unify(one, other, "they differ")
    assert (one[0][0].fixed, other[0][0].fixed) == ("they differ", "they differ")


def test_the_first_reason_stays() -> None:
    labels, (one,) = free(8)
    labels.fix(one, "first")
    labels.fix(one, "second")
    assert one[0][0].fixed == "first"


def test_what_meets_a_fixed_axis_is_fixed_for_its_reason() -> None:
    labels, (one, left, right) = free(8, 6, 2)
    labels.fix(one, "an input")
    labels.unify(left + right, one, "cat")
    assert (left[0][0].fixed, right[0][0].fixed) == ("an input", "an input")


def test_fixed_axes_of_one_size_are_the_same_only_once_unified() -> None:
    labels, (one, other) = free(8, 8)
    labels.fix(one, "an input")
    labels.fix(other, "an output")
    assert not labels.same(one, other)
    labels.unify(one, other, "add")
    assert labels.same(one, other)


@pytest.mark.parametrize("place", [0, 1])
def test_an_empty_segment_is_left_out(place: int) -> None:
    labels, (whole, left, right, empty) = free(8, 3, 5, 0)
    parts = [left, right]
    parts.insert(2 * place, empty)
    labels.unify(whole, tuple(product for part in parts for product in part), "cat")
    assert sizes_of(labels, whole) == [[3], [5]]
    assert not labels.is_fixed(whole)


def test_swapped_halves_inside_heads_end() -> None:
    # Rotary embedding: size = left + right is added to right + left, inside heads x size.
    labels, (channels, heads, size, left, right) = free(24, 3, 8, 4, 4)
    labels.unify(channels, ((heads[0][0], size[0][0]),), "view")
    labels.unify(size, left + right, "slice")
    labels.unify(size, right + left, "add")
    assert labels.same(left, right)
    assert not labels.is_fixed(heads)
    assert expression_size(labels.resolve(channels)) == 24
