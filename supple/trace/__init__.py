"""Tracing: what of a model can be elastic, found from its graph."""

import torch
from torch import nn

from supple.space import Space
from supple.trace.attributes import module_attributes
from supple.trace.blocks import find_runs
from supple.trace.capture import capture, first_keys
from supple.trace.dimensions import find_dimensions
from supple.trace.propagation import Propagation
from supple.trace.structure import Attribute, Axis, Block, Factor, Frozen, Structure

__all__ = ["Attribute", "Axis", "Block", "Factor", "Frozen", "Structure", "trace"]


def trace(model: nn.Module, example_inputs: tuple[torch.Tensor, ...]) -> Structure:
    """Find the structure of a model: its dimensions, and what they do to parameters, attributes and blocks.

    The model is run on the example inputs, in eval mode; it is not changed. Raises `SuppleError` where it cannot
    be captured.
    """
    captured = capture(model, example_inputs)
    propagation = Propagation(captured)
    runs = find_runs(model, captured.graph, propagation)
    found = find_dimensions(propagation.labels, propagation.tensors, runs)
    shared = first_keys(model)
    axes = {
        key: tuple(found.axis(label, propagation.labels) for label in propagation.tensors[shared[key]])
        for key in shared
    }
    labelled = {place: found.axis(label, propagation.labels) for place, label in propagation.module_attributes.items()}
    attributes = tuple(module_attributes(model, axes, labelled))
    frozen = (*propagation.frozen.values(), *found.frozen)
    return Structure(Space(found.dimensions), axes, attributes, found.blocks, frozen)
