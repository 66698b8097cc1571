"""Recurrent layers: the hidden size shrinks, alike in all layers and directions of one module."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from torch import fx

from supple.trace.axes import Expression, expression_size

if TYPE_CHECKING:
    from supple.trace.propagation import Axes, Propagation

PROJECTED = "a recurrent layer's proj_size must stay below its hidden_size"


def _layers(gates: int) -> "Callable[[Propagation, fx.Node], list[Axes]]":
    def layers(propagation: "Propagation", node: fx.Node) -> "list[Axes]":
        """Label stacked recurrent layers in one or both directions.

        x: (length, batch, in) or (batch, length, in), or (steps, in) of packed sequences; states: (layers x directions,
        batch, hidden); output: (..., directions x hidden).
        """
        x = propagation.axes(propagation.argument(node, "data" if propagation.has_argument(node, "data") else "input"))
        states = [propagation.axes(state) for state in _as_list(propagation.argument(node, "hx"))]
        parameters = propagation.argument(node, "params")
        directions = 2 if propagation.argument(node, "bidirectional") else 1
        cells = int(propagation.argument(node, "num_layers")) * directions
        count = len(parameters) // cells
        entering, hidden = x[-1], states[-1][-1]
        # With a projection the output is smaller than the cell's own state.
        leaving = states[0][-1]
        for cell in range(cells):
            own = parameters[cell * count : (cell + 1) * count]
            _label_cell(propagation, node, gates, own, entering, hidden, leaving)
            if (cell + 1) % directions == 0:
                entering = leaving * directions
        propagation.set_attribute(node, "input_size", x[-1])
        propagation.set_attribute(node, "hidden_size", hidden)
        if count % 2 == 1:
            propagation.fix(leaving, PROJECTED)
            propagation.labels.keep_at_least(hidden, expression_size(leaving) + 1, PROJECTED)
        return [(*x[:-1], entering), *states]

    return layers


def _label_cell(
    propagation: "Propagation",
    node: fx.Node,
    gates: int,
    parameters: list[Any],
    entering: Expression,
    hidden: Expression,
    leaving: Expression,
) -> None:
    """Label one layer in one direction.

    Weights of the input: (gates x hidden, entering), of the last output: (gates x hidden, leaving), perhaps two biases
    and a projection: (leaving, hidden). The gates stand one after another.
    """
    of_input, of_output, *others = (propagation.axes(parameter) for parameter in parameters)
    propagation.unify(of_input[1], entering, node)
    propagation.unify(of_output[1], leaving, node)
    if len(others) % 2 == 1:
        projection = others.pop()
        propagation.unify(projection[0], leaving, node)
        propagation.unify(projection[1], hidden, node)
    else:
        propagation.unify(leaving, hidden, node)
    for axes in (of_input, of_output, *others):
        propagation.unify(axes[0], hidden * gates, node)


def _cell(gates: int) -> "Callable[[Propagation, fx.Node], list[Axes]]":
    def cell(propagation: "Propagation", node: fx.Node) -> "list[Axes]":
        """Label one step of a recurrent layer; x: (batch, in), states: (batch, hidden)."""
        x = propagation.axes(propagation.argument(node, "input"))
        states = [propagation.axes(state) for state in _as_list(propagation.argument(node, "hx"))]
        given = (propagation.argument(node, name) for name in ("w_ih", "w_hh", "b_ih", "b_hh"))
        hidden = states[-1][-1]
        _label_cell(
            propagation, node, gates, [entry for entry in given if entry is not None], x[-1], hidden, states[0][-1]
        )
        propagation.set_attribute(node, "input_size", x[-1])
        propagation.set_attribute(node, "hidden_size", hidden)
        return states

    return cell


def _as_list(states: Any) -> list[Any]:
    return [states] if isinstance(states, fx.Node) else list(states)


RULES = {
    "lstm": _layers(4),
    "gru": _layers(3),
    "rnn_tanh": _layers(1),
    "rnn_relu": _layers(1),
    "lstm_cell": _cell(4),
    "gru_cell": _cell(3),
    "rnn_tanh_cell": _cell(1),
    "rnn_relu_cell": _cell(1),
}
