"""Tracing: what of a model can be elastic, found from its graph."""

import torch
from torch import nn

from supple.space import Space
from supple.trace.attributes import module_attributes
from supple.trace.blocks import find_runs
from supple.trace.capture import capture, module_path
from supple.trace.dimensions import find_dimensions
from supple.trace.propagation import Propagation
from supple.trace.structure import Attribute, Axis, Block, Factor, Frozen, Structure

__all__ = ["Attribute", "Axis", "Block", "Factor", "Frozen", "Structure", "trace"]


def trace(model: nn.Module, example_inputs: tuple[torch.Tensor, ...]) -> Structure:
    """Find the structure of a model: its dimensions, and what they do to parameters, attributes and blocks.

    The model is run once on the example inputs, in eval mode; it is not changed. Raises `SuppleError` where it cannot
    be captured.
    """
    captured = capture(model, example_inputs)
    propagation = Propagation(captured)
    runs = find_runs(model, captured.graph, propagation)
    found = find_dimensions(propagation.labels, propagation.tensors, runs)
    state = model.state_dict(keep_vars=True)
    axes = {
        key: tuple(
            found.axis(propagation.tensors[key][position], propagation.labels)
            if key in propagation.tensors
            else Axis(((Factor(size),),))
            for position, size in enumerate(tensor.shape)
        )
        for key, tensor in state.items()
    }
    groups = {
        module_path(node): found.axis(expression, propagation.labels)
        for node, name, expression in propagation.module_attributes
        if name == "groups"
    }
    attributes = tuple(module_attributes(model, axes, groups))
    frozen = (*propagation.frozen.values(), *found.frozen)
    return Structure(Space(found.dimensions), axes, attributes, found.blocks, frozen)
