"""Tracing: what of a model can be elastic, found from its graph."""

import torch
from torch import nn

from supple.space import Space
from supple.trace.axes import Expression
from supple.trace.attributes import module_attributes
from supple.trace.blocks import find_runs, streams_of
from supple.trace.capture import capture, first_keys
from supple.trace.dimensions import find_dimensions
from supple.trace.propagation import Propagation
from supple.trace.structure import Attribute, Axis, Block, Factor, Frozen, Structure
from supple.trace.tagging import Source, Use, find_uses

__all__ = ["Attribute", "Axis", "Block", "Factor", "Frozen", "Structure", "trace"]


def trace(model: nn.Module, example_inputs: tuple[torch.Tensor, ...]) -> Structure:
    """Find the structure of a model: its dimensions, and what they do to parameters, attributes and blocks.

    The model is run once on the example inputs, in eval mode; it is not changed. Raises `SuppleError` where it cannot
    be captured.
    """
    captured = capture(model, example_inputs)
    propagation = Propagation(captured)
    uses = find_uses(model, example_inputs, captured)
    bound = _tie_uses(uses, propagation)
    runs = find_runs(model, captured.graph, propagation)
    streams = [axes[-1] for axes in streams_of(runs, captured.graph, propagation) if len(axes) == 3]
    found = find_dimensions(propagation.labels, propagation.tensors, runs, propagation.heads, streams)
    shared = first_keys(model)
    axes = {
        key: tuple(found.axis(label, propagation.labels) for label in propagation.tensors[shared[key]])
        for key in shared
    }
    attributes = {(entry.module, entry.name, entry.position): entry for entry in module_attributes(model, axes)}
    sized = [
        *((Source(path, name), label, 1) for (path, name), label in propagation.module_attributes.items()),
        *((source, label, scale) for source, (label, scale) in bound.items()),
    ]
    for source, label, scale in sized:
        axis = found.axis(label, propagation.labels)
        if axis.dimensions and hasattr(model.get_submodule(source.module), source.name):
            entry = Attribute(source.module, source.name, axis, source.position, scale)
            attributes[entry.module, entry.name, entry.position] = entry
    frozen = (*propagation.frozen.values(), *found.frozen)
    return Structure(Space(found.dimensions), axes, tuple(attributes.values()), found.blocks, frozen)


def _tie_uses(uses: list[Use], propagation: Propagation) -> dict[Source, tuple[Expression, int]]:
    """Bind each attribute to the label of an axis; where it is the size of several axes, those are equal."""
    bound: dict[Source, tuple[Expression, int]] = {}
    for use in uses:
        expression = propagation.axes(use.node, use.output)[use.axis]
        known = bound.setdefault(use.source, (expression, use.scale))
        if known[1] == use.scale:
            propagation.unify(known[0], expression, use.node)
        elif use.scale == 1:
            bound[use.source] = (expression, 1)
    return bound
