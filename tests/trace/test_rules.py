"""The contract of every operator rule: what it says of shapes and index sets holds when each free range shrinks.

A case is a tiny module in double precision. Its graph is labelled, every free atom is shrunk, and the module runs with
the parameters cut accordingly: its outputs must have the shapes of their labels. Where no value of an output depends on
the dropped indices, they must also equal the full module's outputs with everything dropped set to zero, which holds
only where each index set is the right one.
"""

import itertools
from collections.abc import Iterator
from contextlib import contextmanager

import index_rule_cases
import pytest
import recurrent_rule_cases
import rule_cases
import torch
from rule_cases import Case
from torch import nn
from torch.func import functional_call
from torch.utils._pytree import tree_leaves

from supple.trace import Attribute, Axis, Factor, bind_uses, sized_axes
from supple.trace.attributes import module_attributes
from supple.trace.axes import Atom, Expression
from supple.trace.capture import capture
from supple.trace.inputs import ModelInputs
from supple.trace.propagation import Propagation
from supple.trace.rules import GROUPS, rule_for
from supple.trace.tagging import find_uses

BATCH = 2
CASES = [*rule_cases.CASES, *index_rule_cases.CASES, *recurrent_rule_cases.CASES]


def free_atoms(propagation: Propagation, labels: list[Expression], baked: tuple[int, ...]) -> list[Atom]:
    atoms = (atom for label in labels for product in propagation.labels.resolve(label) for atom in product)
    return list(dict.fromkeys(atom for atom in atoms if atom.fixed is None and atom.size not in baked))


def axis(propagation: Propagation, label: Expression, names: dict[Atom, str]) -> Axis:
    segments = propagation.labels.resolve(label)
    return Axis(
        tuple(tuple(Factor(atom.size, names.get(atom)) for atom in product) or (Factor(1),) for product in segments)
    )


def pick(tensor: torch.Tensor, axes: tuple[Axis, ...], config: dict[str, int]) -> torch.Tensor:
    for position, entry in enumerate(axes):
        kept = entry.indices(config)
        kept = list(range(entry.full))[kept] if isinstance(kept, slice) else kept
        tensor = tensor.index_select(position, torch.tensor(kept))
    return tensor


def mask(tensor: torch.Tensor, axes: tuple[Axis, ...], config: dict[str, int]) -> torch.Tensor:
    inside = torch.ones_like(tensor)
    for position, entry in enumerate(axes):
        along = torch.zeros(entry.full, dtype=tensor.dtype)
        along[entry.indices(config)] = 1
        inside = inside * along.reshape([-1 if place == position else 1 for place in range(tensor.dim())])
    return tensor * inside


def tensors(result: object) -> list[torch.Tensor]:
    return [entry for entry in tree_leaves(result) if isinstance(entry, torch.Tensor)]


@contextmanager
def resized(model: nn.Module, attributes: tuple[Attribute, ...], config: dict[str, int]) -> Iterator[None]:
    """Give the module the attributes that the labels say, for a while."""
    places = [(model.get_submodule(entry.module), entry.name) for entry in attributes]
    before = [getattr(module, name) for module, name in places]
    try:
        for (module, name), entry in zip(places, attributes, strict=True):
            size = entry.axis.size(config) // entry.scale
            if entry.position is not None:
                sizes = list(getattr(module, name))
                sizes[entry.position] = size
            setattr(module, name, size if entry.position is None else tuple(sizes))
        yield
    finally:
        for (module, name), value in zip(places, before, strict=True):
            setattr(module, name, value)


@pytest.mark.parametrize("case", CASES, ids=[f"{number}-{case}" for number, case in enumerate(CASES)])
def test_members_follow_the_labels(case: Case) -> None:
    torch.manual_seed(0)
    model = case.module().double().eval()
    x = case.input(BATCH, *case.shape)
    x = x.double() if x.is_floating_point() else x
    captured = capture(model, ModelInputs.of(x))
    outputs = list(captured.graph.output_node().all_input_nodes)
    # Outputs are free here, so that the last operator is put to the test too.
    captured.graph.output_node().args = ((),)
    uses = find_uses(model, ModelInputs.of(x), captured)
    propagation = Propagation(captured, sized_axes(uses))
    sized = bind_uses(uses, propagation)
    assert not propagation.frozen
    labels = [label for axes in propagation.tensors.values() for label in axes]
    names = {atom: f"a{number}" for number, atom in enumerate(free_atoms(propagation, labels, case.baked))}
    assert names
    axes = {key: tuple(axis(propagation, label, names) for label in made) for key, made in propagation.tensors.items()}
    expected = [tuple(axis(propagation, label, names) for label in propagation.axes(node)) for node in outputs]
    noted = [
        Attribute(source.module, source.name, axis(propagation, label, names), source.position, scale)
        for source, (label, scale) in sized.items()
    ]
    attributes = module_attributes(model, axes, noted)
    state = dict(itertools.chain(model.named_parameters(), model.named_buffers()))
    sizes = {name: atom.size for atom, name in names.items()}
    one_by_one = [{**sizes, name: size - 1} for name, size in sizes.items()]
    for config in (*one_by_one, {name: (size + 1) // 2 for name, size in sizes.items()}):
        zeroed = tensors(functional_call(model, {key: mask(state[key], axes[key], config) for key in state}, (x,)))
        with resized(model, attributes, config):
            cut = tensors(functional_call(model, {key: pick(state[key], axes[key], config) for key in state}, (x,)))
        for result, along, reference in zip(cut, expected, zeroed, strict=True):
            assert tuple(result.shape) == tuple(entry.size(config) for entry in along)
            if case.exact:
                torch.testing.assert_close(result, pick(reference, along, config), rtol=1e-6, atol=1e-9)


def test_every_rule_has_a_case() -> None:
    seen = {name for case in CASES for name in case.operators}
    assert seen == {name for group in GROUPS for name in group.RULES}


@pytest.mark.parametrize("name", [name for group in GROUPS for name in group.RULES])
def test_every_name_is_an_operator(name: str) -> None:
    packet = getattr(torch.ops.aten, name)
    assert all(rule_for(getattr(packet, overload)) is not None for overload in packet.overloads())


def test_no_name_stands_in_two_groups() -> None:
    names = [name for group in GROUPS for name in group.RULES]
    assert len(names) == len(set(names))
