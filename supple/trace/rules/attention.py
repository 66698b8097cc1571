"""Fused attention."""

from typing import TYPE_CHECKING

from torch import fx

from supple.trace.axes import Expression, expression_size
from supple.trace.rules.pointwise import broadcast

if TYPE_CHECKING:
    from supple.trace.propagation import Axes, Propagation


def scaled_dot_product_attention(propagation: "Propagation", node: fx.Node) -> "list[Axes]":
    """Label attention; query: (..., heads, targets, size), key: (..., heads, sources, size), value likewise.

    With grouped queries each key head serves the same number of query heads, one after another.
    """
    query, key, value = (propagation.axes(propagation.argument(node, name)) for name in ("query", "key", "value"))
    propagation.unify(query[-1], key[-1], node)
    propagation.unify(key[-2], value[-2], node)
    batch = list(query[:-2])
    for position, (one, *others) in enumerate(zip(query[:-2], key[:-2], value[:-2], strict=True)):
        batch[position] = one
        for other in others:
            if expression_size(other) > 1:
                propagation.unify(one, _repeated(propagation, other, expression_size(one)), node)
    propagation.note_heads(batch)
    mask = propagation.argument(node, "attn_mask")
    if mask is not None:
        broadcast(propagation, node, [propagation.axes(mask), (*batch, query[-2], key[-2])])
    return [(*batch, query[-2], value[-1])]


def _repeated(propagation: "Propagation", heads: Expression, size: int) -> Expression:
    """Return the label of key heads, each repeated as often as it serves a query head."""
    repeats = size // expression_size(heads)
    if repeats == 1:
        return heads
    whole = propagation.fresh(expression_size(heads))
    propagation.labels.unify(whole, heads, "key heads that are repeated")
    return ((*whole[0], *propagation.fresh(repeats)[0]),)


RULES = {"scaled_dot_product_attention": scaled_dot_product_attention}
