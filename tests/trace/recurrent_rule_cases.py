"""More cases of the contract of operator rules: recurrent layers."""

from collections.abc import Callable, Iterator
from typing import Any

import torch
from rule_cases import Case
from torch import nn

GATES = {"lstm": 4, "gru": 3, "rnn_tanh": 1, "rnn_relu": 1}


class Recurrent(nn.Module):
    """Two layers in both directions, by the function and not by PyTorch's module, which keeps a list of parameters."""

    def __init__(self, name: str, projected: bool = False) -> None:
        super().__init__()
        # A projection stays smaller than the hidden size.
        self.name, self.hidden_size = name, 8 if projected else 5
        self.leaving = 3 if projected else None
        rows, leaving = GATES[name] * self.hidden_size, self.leaving or self.hidden_size
        shapes = [
            shape
            for entering in (4, 4, 2 * leaving, 2 * leaving)
            for shape in (
                (rows, entering),
                (rows, leaving),
                (rows,),
                (rows,),
                *([(3, self.hidden_size)] if projected else []),
            )
        ]
        self.weights = nn.ParameterList(nn.Parameter(torch.randn(shape) / 3) for shape in shapes)
        self.before, self.after = nn.Linear(3, 4), nn.Linear(2 * leaving, 2)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        states: Any = x.new_zeros(4, x.size(0), self.leaving or self.hidden_size)
        if self.name == "lstm":
            states = [states, x.new_zeros(4, x.size(0), self.hidden_size)]
        function: Callable[..., Any] = getattr(torch, self.name)
        y = function(self.before(x), states, list(self.weights), True, 2, 0.0, False, True, True)[0]
        return self.after(y)  # type: ignore[no-any-return]


class Cell(nn.Module):
    """Two steps of a recurrent cell."""

    def __init__(self, kind: Callable[..., nn.Module]) -> None:
        super().__init__()
        self.before, self.cell, self.after = nn.Linear(3, 4), kind(4, 5), nn.Linear(5, 2)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        first = self.cell(self.before(x))
        second = self.cell(self.before(x), first)
        return self.after(second[0] if isinstance(second, tuple) else second)  # type: ignore[no-any-return]


def cases() -> Iterator[Case]:
    for name in GATES:
        yield Case((name,), lambda name=name: Recurrent(name), (6, 3), exact=name != "gru")
    yield Case(("lstm",), lambda: Recurrent("lstm", projected=True), (6, 3))
    for name, kind in (
        ("lstm_cell", nn.LSTMCell),
        ("gru_cell", nn.GRUCell),
        ("rnn_tanh_cell", nn.RNNCell),
        ("rnn_relu_cell", lambda *sizes: nn.RNNCell(*sizes, nonlinearity="relu")),
    ):
        yield Case((name,), lambda kind=kind: Cell(kind), (3,))


CASES = list(cases())
