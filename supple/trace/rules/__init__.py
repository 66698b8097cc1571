"""The catalogue of operator rules: one file per group of operators, one line each here.

A rule is a function `(propagation, node) -> list of axes`, one entry per output tensor, each a tuple of labels (see
`supple.trace.axes`). It reads its inputs' labels with `propagation.axes`, unifies what the operator forces to be equal,
and returns the labels of its outputs. It must hold for every size that the labels may take.
"""

import operator
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import torch

from supple.trace.rules import (
    attention,
    convolution,
    creation,
    indexing,
    matmul,
    normalisation,
    ordering,
    pointwise,
    pooling,
    recurrent,
    reduction,
    scattering,
    shape,
    spectral,
    splitting,
)

if TYPE_CHECKING:
    from torch import fx

    from supple.trace.propagation import Axes, Propagation

Rule = Callable[["Propagation", "fx.Node"], "list[Axes]"]

GROUPS = (
    attention,
    convolution,
    creation,
    indexing,
    matmul,
    normalisation,
    ordering,
    pointwise,
    pooling,
    recurrent,
    reduction,
    scattering,
    shape,
    spectral,
    splitting,
)

# Operators of other libraries, by their full names: a `linear` that is not PyTorch's may be anything.
_FOREIGN: dict[str, Rule] = {"transformers::grouped_mm_fallback": matmul.grouped_matmul}
_BY_NAME: dict[str, Rule] = {name: rule for group in GROUPS for name, rule in group.RULES.items()}


def rule_for(target: Any) -> Rule | None:
    """Return the rule of an operator, or None.

    Overloads and in-place forms (`relu_`) share the rule of their operator; operators that PyTorch tags as pointwise
    share one rule.
    """
    if target is operator.getitem:
        return indexing.getitem
    if not isinstance(target, torch._ops.OpOverload):
        return None
    if target.namespace != "aten":
        return _FOREIGN.get(target._schema.name)
    functional = target._opname.removesuffix("_")
    for name in (target._opname, functional):
        if name in _BY_NAME:
            return _BY_NAME[name]
    # Not every overload carries the tag of its operator.
    packet = getattr(torch.ops.aten, functional, None)
    overloads = [target, *(getattr(packet, overload) for overload in (packet.overloads() if packet else []))]
    return pointwise.pointwise if any(torch.Tag.pointwise in overload.tags for overload in overloads) else None
