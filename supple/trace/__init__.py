"""Tracing: what of a model can be elastic, found from its graph."""

from torch import fx, nn

from supple.space import Space
from supple.trace.attributes import module_attributes, without_fractions
from supple.trace.axes import Expression
from supple.trace.blocks import find_runs, streams_of
from supple.trace.capture import Captured, capture, first_keys
from supple.trace.choice import Choice, all_options, find_choices
from supple.trace.dimensions import find_dimensions
from supple.trace.input_shapes import InputShapes
from supple.trace.inputs import Inputs, ModelInputs
from supple.trace.kernels import find_kernels, with_kernels
from supple.trace.multihead import bind_multihead_attention
from supple.trace.named_children import without_named_blocks
from supple.trace.propagation import Propagation
from supple.trace.reparametrized import fix_spectral_norms
from supple.trace.structure import Attribute, Axis, Block, Factor, Frozen, Structure
from supple.trace.tagging import AxisOf, Source, Use, find_uses

__all__ = ["Attribute", "Axis", "Block", "Choice", "Factor", "Frozen", "Inputs", "ModelInputs", "Structure", "trace"]


def trace(model: nn.Module, example_inputs: Inputs) -> Structure:
    """Find the structure of a model: its dimensions, and what they do to parameters, attributes and blocks.

    The model is run on the example inputs, in eval mode; it is not changed. Raises `SuppleError` where it cannot
    be captured.
    """
    inputs = ModelInputs.of(example_inputs)
    with all_options(model):
        captured = capture(model, inputs)
        uses, unseen = _uses_seen(model, inputs, captured)
    propagation = Propagation(captured, sized_axes(uses))
    bind_multihead_attention(model, propagation)
    fix_spectral_norms(model, propagation)
    sized = bind_uses(uses, propagation)
    propagation.fix_broken_labels()
    runs = without_named_blocks(find_runs(model, captured.graph, propagation), model, inputs)
    # Of (batch, positions, width): the residual stream of a transformer.
    streams = [axes[-1] for axes in streams_of(runs, captured.graph, propagation) if len(axes) == 3]
    kernels = find_kernels(model, captured.graph)
    parameters = {key for key, _ in model.named_parameters()}
    found = find_dimensions(propagation, runs, streams, parameters, find_choices(model), kernels)
    shared = first_keys(model)
    axes = {
        key: tuple(found.axis(label, propagation.labels) for label in propagation.tensors[shared[key]])
        for key in shared
    }
    noted = [
        Attribute(source.module, source.name, found.axis(label, propagation.labels), source.position, scale)
        for source, (label, scale) in sized.items()
    ]
    structure = Structure(
        Space(found.dimensions),
        with_kernels(axes, kernels),
        (*module_attributes(model, axes, noted), *(entry for kernel in kernels for entry in kernel.attributes())),
        found.blocks,
        (*propagation.frozen.values(), *unseen, *found.frozen),
        InputShapes.of(inputs),
    )
    return without_fractions(structure)


def _uses_seen(model: nn.Module, inputs: ModelInputs, captured: Captured) -> tuple[list[Use], tuple[Frozen, ...]]:
    try:
        return find_uses(model, inputs, captured), ()
    except Exception as error:  # whatever the user's forward raises at integers of another class
        reason = f"the run that looks for them fails: {type(error).__name__}: {error}"
        return [], (Frozen("sizes in attributes", reason),)


def sized_axes(uses: list[Use]) -> frozenset[tuple[fx.Node, int]]:
    """Return the axes of results whose sizes the code takes, as they are, from attributes or from other tensors."""
    return frozenset((use.node, use.axis) for use in uses if use.scale == 1)


def bind_uses(uses: list[Use], propagation: Propagation) -> dict[Source, tuple[Expression, int]]:
    """Bind each attribute to the label of an axis, and how many times its value that axis has.

    Where it is the size of several axes, those are equal. So are an axis whose size the code gives and the axis that
    the code has read that size from. Attributes that rules bind come first.
    """
    bound = {Source(path, name): (label, 1) for (path, name), label in propagation.module_attributes.items()}
    for use in uses:
        label = propagation.axes(use.node, use.output)[use.axis]
        if isinstance(use.source, AxisOf):
            if use.scale == 1:
                made = propagation.made_axes.get((use.node, use.axis), label)
                read = propagation.axes(use.source.node, use.source.output)[use.source.axis]
                # A shuffle gives back as many channels as it takes, in another order.
                if not propagation.labels.same_size(made, read):
                    propagation.unify(made, read, use.node)
            continue
        known, scale = bound.setdefault(use.source, (label, use.scale))
        if scale == use.scale:
            propagation.unify(known, label, use.node)
        elif use.scale == 1:
            bound[use.source] = (label, 1)
    return bound
