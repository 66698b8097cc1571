"""The multiply-accumulates of one operator: by PyTorch's own formulas, and by the few that it lacks.

Convolutions, matrix products, attention and recurrent layers count; sums, norms and activations do not.
"""

from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch.utils.flop_counter import flop_registry, shape_wrapper

Shape = tuple[int, ...]


def _attention(query: Shape, key: Shape, value: Shape, *_: Any, **__: Any) -> int:
    """Count the operations of softmax(Q K^T) V; several query heads may share a key head."""
    *batch, queries, size = query
    return 2 * torch.Size(batch).numel() * queries * key[-2] * (size + value[-1])


def _recurrent_layer(inputs: Shape, input_weight: Shape, hidden_weight: Shape, *_: Any, **__: Any) -> int:
    """Count the operations of one layer in one direction; inputs: (time, batch, features)."""
    return 2 * inputs[0] * inputs[1] * (torch.Size(input_weight).numel() + torch.Size(hidden_weight).numel())


MISSING_FORMULAS: Mapping[Any, Callable[..., int]] = {
    torch.ops.aten._scaled_dot_product_flash_attention_for_cpu: _attention,
    torch.ops.aten.mkldnn_rnn_layer: _recurrent_layer,
}
"""From operators of a CPU to their operations by the shapes of their arguments, as `FlopCounterMode` takes them."""

_FORMULAS = dict(flop_registry)
for _operator, _formula in MISSING_FORMULAS.items():
    _FORMULAS[_operator] = shape_wrapper(_formula)  # type: ignore[no-untyped-call]


def is_product(operator: Any) -> bool:
    """Say whether an ATen operator's multiply-accumulates count."""
    return operator._overloadpacket in _FORMULAS


def macs_of(operator: Any, args: tuple[Any, ...], kwargs: Mapping[str, Any], output: Any) -> int | None:
    """Return the multiply-accumulates of a call of an ATen operator, None where it is no product."""
    formula = _FORMULAS.get(operator._overloadpacket)
    return None if formula is None else int(formula(*args, **kwargs, out_val=output)) // 2
