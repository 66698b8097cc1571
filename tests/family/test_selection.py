"""Selections: the part of a tensor that a member holds, its order in memory, and the way back of its gradient."""

from collections.abc import Mapping

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from supple.family.selection import Cut, Selection, gather, prefix_unit
from supple.trace import Axis, Factor

FIXED = Axis(((Factor(6),),))
WIDTH = Axis(((Factor(8, "width"),),))
OUTER = Axis(((Factor(4, "heads"), Factor(2)),))
INNER = Axis(((Factor(2), Factor(4, "size")),))
JOINED = Axis(((Factor(3, "left"),), (Factor(1),), (Factor(4, "right"),)))
AXES = [FIXED, WIDTH, OUTER, INNER, JOINED]
LARGEST = {"width": 8, "heads": 4, "size": 4, "left": 3, "right": 4}
CONFIGS = st.fixed_dictionaries({name: st.integers(1, largest) for name, largest in LARGEST.items()})


def expected(tensor: torch.Tensor, axes: list[Axis], config: Mapping[str, int]) -> torch.Tensor:
    for position, axis in enumerate(axes):
        tensor = tensor.index_select(position, torch.arange(axis.full)[axis.indices(config)])
    return tensor


def whole(axes: list[Axis]) -> torch.Tensor:
    sizes = [axis.full for axis in axes]
    return torch.arange(torch.Size(sizes).numel(), dtype=torch.float32).reshape(sizes)


def in_order(tensor: torch.Tensor, order: tuple[int, ...]) -> torch.Tensor:
    """Return the tensor with its axes in another order in memory."""
    back = [order.index(position) for position in range(tensor.dim())]
    return tensor.permute(order).contiguous().permute(back)


def order_of(tensor: torch.Tensor) -> list[int]:
    return sorted(range(tensor.dim()), key=lambda axis: -tensor.stride(axis))


@given(st.lists(st.sampled_from(AXES), min_size=1, max_size=4), CONFIGS, st.data())
def test_the_part_is_what_the_indices_say(axes: list[Axis], config: dict[str, int], data: st.DataObject) -> None:
    order = tuple(data.draw(st.permutations(range(len(axes)))))
    tensor = in_order(whole(axes), order)
    selection = Cut(axes).selection(config)
    if selection is None:
        assert torch.equal(expected(tensor, axes, config), tensor)
    else:
        assert torch.equal(selection.dense(tensor), expected(tensor, axes, config))
        assert torch.equal(selection.view(tensor), expected(tensor, axes, config))


@given(st.lists(st.sampled_from(AXES), min_size=1, max_size=4), CONFIGS, st.data())
def test_the_part_has_no_holes_and_keeps_the_order_in_memory(
    axes: list[Axis], config: dict[str, int], data: st.DataObject
) -> None:
    order = tuple(data.draw(st.permutations(range(len(axes)))))
    selection = Cut(axes).selection(config)
    assert selection is None or selection.dense(in_order(whole(axes), order)).permute(order).is_contiguous()


@given(st.lists(st.sampled_from(AXES), min_size=1, max_size=4), CONFIGS, st.data())
def test_a_gradient_reaches_only_its_place(axes: list[Axis], config: dict[str, int], data: st.DataObject) -> None:
    order = tuple(data.draw(st.permutations(range(len(axes)))))
    shared = in_order(whole(axes), order).requires_grad_()
    selection = Cut(axes).selection(config) or Selection(tuple(shared.shape))
    (part,) = gather([selection], [shared])
    gradient = torch.rand(selection.shape) + 1
    part.backward(gradient)
    assert shared.grad is not None
    assert torch.equal(expected(shared.grad, axes, config), gradient)
    assert int((shared.grad != 0).sum()) == gradient.numel()


SCATTERED = Axis(((Factor(40), Factor(4, "size")),))


def test_a_part_of_very_many_pieces_is_found_and_adds_its_gradient() -> None:
    shared = whole([SCATTERED, WIDTH]).requires_grad_()
    config = {"size": 2, "width": 5}
    selection = Cut([SCATTERED, WIDTH]).selection(config)
    assert selection is not None
    assert selection.gaps
    assert not selection.boxes
    (part,) = gather([selection], [shared])
    assert torch.equal(part, expected(shared.detach(), [SCATTERED, WIDTH], config))
    gradient = torch.rand(selection.shape) + 1
    part.backward(gradient)
    assert shared.grad is not None
    assert torch.equal(expected(shared.grad, [SCATTERED, WIDTH], config), gradient)
    assert int((shared.grad != 0).sum()) == gradient.numel()


def test_a_cut_forgets_the_oldest_selections() -> None:
    axis = Axis(((Factor(1),), (Factor(100, "width"),), (Factor(1),)))
    cut = Cut([axis])
    for _ in range(2):
        for width in range(1, 100):
            selection = cut.selection({"width": width})
            assert selection is not None
            assert selection.shape == (width + 2,)
    assert len(cut._remembered) < 99


def test_a_tensor_that_is_kept_whole_has_no_selection() -> None:
    assert Cut([WIDTH, JOINED]).selection(LARGEST) is None
    assert Cut([WIDTH, FIXED]).selection(LARGEST) is None


def test_a_prefix_of_rows_is_a_view() -> None:
    tensor = whole([WIDTH, FIXED])
    selection = Cut([WIDTH, FIXED]).selection({"width": 3})
    assert selection is not None
    part = selection.dense(tensor)
    assert part.data_ptr() == tensor.data_ptr()


def test_a_part_of_a_part_of_a_larger_storage_is_found() -> None:
    tensor = torch.arange(96.0).reshape(12, 8)[4:]
    selection = Cut([WIDTH, WIDTH]).selection({"width": 3})
    assert selection is not None
    assert torch.equal(selection.dense(tensor), tensor[:3, :3])


@pytest.mark.parametrize(
    ("axis", "unit"),
    [(FIXED, None), (WIDTH, ("width", 1)), (OUTER, ("heads", 2)), (INNER, None), (JOINED, None)],
)
def test_only_an_outermost_dimension_makes_a_prefix(axis: Axis, unit: tuple[str, int] | None) -> None:
    assert prefix_unit(axis) == unit


def test_gathered_parts_pass_their_gradients_to_the_whole() -> None:
    one, other = torch.ones(8, 6, requires_grad=True), torch.ones(8, requires_grad=True)
    rows, gaps = Cut([WIDTH, FIXED]).selection({"width": 2}), Cut([JOINED]).selection({"left": 1, "right": 2})
    assert rows is not None
    assert gaps is not None
    left, right = gather([rows, gaps], [one, other])
    (left.sum() * 3 + right.sum() * 5).backward()
    assert one.grad is not None
    assert torch.equal(one.grad, torch.cat([torch.full((2, 6), 3.0), torch.zeros(6, 6)]))
    assert other.grad is not None
    assert other.grad.tolist() == [5, 0, 0, 5, 5, 5, 0, 0]


def test_gradients_add_to_those_that_are_there() -> None:
    shared = torch.ones(8, requires_grad=True)
    shared.grad = torch.full((8,), 10.0)
    (part,) = gather([Selection((2,), True)], [shared])
    part.sum().backward()
    assert shared.grad.tolist() == [11, 11, 10, 10, 10, 10, 10, 10]


def test_a_part_that_the_loss_does_not_reach_gets_no_gradient() -> None:
    one, other = torch.ones(8, requires_grad=True), torch.ones(8, requires_grad=True)
    left, _ = gather([Selection((2,), True), Selection((2,), True)], [one, other])
    left.sum().backward()
    assert one.grad is not None
    assert other.grad is None


def test_parts_of_frozen_tensors_are_not_joined_to_the_graph() -> None:
    trained, frozen = torch.ones(8, requires_grad=True), torch.ones(8)
    left, right = gather([Selection((2,), True), Selection((3,), True)], [trained, frozen])
    assert left.requires_grad
    assert not right.requires_grad
    assert len(right) == 3


def test_without_autograd_nothing_is_joined() -> None:
    with torch.no_grad():
        (part,) = gather([Selection((2,), True)], [torch.ones(8, requires_grad=True)])
    assert part.is_leaf
    # Operators may choose their algorithm by it: a member must choose as its extracted network does.
    assert part.requires_grad
