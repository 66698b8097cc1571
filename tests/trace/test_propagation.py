"""Propagation: operators without a rule, tensors that modules share, and tensors that nothing uses."""

import pytest
import torch
from torch import nn

from supple.trace import Frozen, rules, trace
from supple.trace.axes import Atom, Expression
from supple.trace.capture import capture
from supple.trace.inputs import ModelInputs
from supple.trace.propagation import Propagation
from supple.trace.rules import rule_for

X = torch.randn(2, 16)


class Middle(nn.Module):
    """Two layers with an operator between them, and two more layers after it."""

    def __init__(self, operator: object) -> None:
        super().__init__()
        self.operator = operator
        self.first, self.second, self.third = nn.Linear(16, 32), nn.Linear(32, 32), nn.Linear(32, 16)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.third(self.second(self.operator(self.first(x))))  # type: ignore[no-any-return,operator]


def names(model: nn.Module, x: torch.Tensor = X) -> list[str]:
    return [dimension.name for dimension in trace(model, (x,)).space.dimensions]


def test_an_unknown_operator_freezes_what_it_touches_and_only_that() -> None:
    structure = trace(Middle(lambda x: x.renorm(2, 0, 1.0)), (X,))
    assert [dimension.name for dimension in structure.space.dimensions] == ["second.width"]
    assert Frozen("operator aten.renorm.default", "no rule for this operator") in structure.frozen
    assert Frozen("first.width", "operator aten.renorm.default has no rule for it") in structure.frozen


def test_what_an_unknown_operator_returns_is_fixed_too() -> None:
    structure = trace(Middle(lambda x: x.renorm(2, 1, 1.0)), (X,))
    assert structure.frozen == (
        Frozen("operator aten.renorm.default", "no rule for this operator"),
        Frozen("first.width", "operator aten.renorm.default has no rule for it"),
        Frozen("second.weight, axis 1", "operator aten.renorm.default has no rule for it"),
    )
    assert structure.shape("second.weight", structure.space.min()) == (8, 32)


def test_an_operator_of_another_library_has_no_rule() -> None:
    @torch.library.custom_op("supple_tests::linear", mutates_args=())
    def linear(x: torch.Tensor) -> torch.Tensor:
        return x.flip(1)

    @linear.register_fake
    def _(x: torch.Tensor) -> torch.Tensor:
        return torch.empty_like(x)

    assert rule_for(torch.ops.supple_tests.linear.default) is None
    assert rule_for(torch.ops.aten.linear.default) is not None
    structure = trace(Middle(torch.ops.supple_tests.linear), (X,))
    assert Frozen("operator supple_tests.linear.default", "no rule for this operator") in structure.frozen


def test_an_assertion_on_a_tensor_freezes_nothing() -> None:
    assert names(Middle(lambda x: x.to(torch.float32))) == ["first.width", "second.width"]


def test_a_rule_that_fails_never_fails_the_trace(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(propagation: Propagation, node: torch.fx.Node) -> None:
        raise ZeroDivisionError("a bug")

    monkeypatch.setitem(rules._BY_NAME, "relu", broken)
    frozen = Propagation(capture(Middle(torch.relu), ModelInputs.of(X))).frozen["aten.relu.default"]
    assert frozen.reason == "its rule does not cover this form (ZeroDivisionError: a bug)"


def test_outputs_and_inputs_stay() -> None:
    structure = trace(Middle(torch.relu), (X,))
    config = structure.space.min()
    assert structure.shape("first.weight", config) == (8, 16)
    assert structure.shape("third.weight", config) == (16, 8)


class Tied(nn.Module):
    """One weight in two layers, and one layer in two places."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Linear(16, 32)
        self.second, self.third = nn.Linear(32, 32, bias=False), nn.Linear(32, 32)
        self.third.weight = self.second.weight
        self.again = self.third
        self.last = nn.Linear(32, 16)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.last(self.again(self.third(self.second(self.first(x)))))  # type: ignore[no-any-return]


def test_a_tensor_that_modules_share_has_one_label() -> None:
    structure = trace(Tied(), (X,))
    assert len(structure.space) == 1
    tied = {structure.axes[key] for key in ("second.weight", "third.weight", "again.weight")}
    assert len(tied) == 1
    assert structure.shape("again.weight", structure.space.min()) == (8, 8)
    assert structure.axes["third.bias"] == structure.axes["again.bias"]


class Unused(nn.Module):
    """A head that only training uses."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.second, self.auxiliary = nn.Linear(16, 32), nn.Linear(32, 16), nn.Linear(32, 32)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.first(x)
        return self.second(x) + (self.auxiliary(x).mean() if self.training else 0)  # type: ignore[no-any-return]


def test_a_tensor_that_nothing_uses_is_no_dimension() -> None:
    structure = trace(Unused(), (X,))
    assert [dimension.name for dimension in structure.space.dimensions] == ["first.width"]
    assert Frozen("auxiliary.width", "the forward pass in eval mode does not use it") in structure.frozen


def test_a_buffer_is_cut_like_the_activations_that_it_meets() -> None:
    model = nn.Sequential(nn.Linear(16, 32), nn.Linear(32, 16))
    model.register_buffer("unrelated", torch.ones(4))

    class Scaled(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layers = model
            self.register_buffer("scale", torch.ones(32))
            self.register_buffer("shift", torch.ones(32), persistent=False)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.layers[1](self.layers[0](x) * self.scale + self.shift)  # type: ignore[no-any-return]

    structure = trace(Scaled(), (X,))
    config = structure.space.min()
    assert structure.shape("scale", config) == structure.shape("shift", config) == (8,)
    assert structure.shape("layers.unrelated", config) == (4,)


def test_a_rule_that_contradicts_itself_about_a_size_freezes_the_axis(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(propagation: Propagation, node: torch.fx.Node) -> list[tuple[Expression, ...]]:
        axes = propagation.axes(node.args[0])
        axes[1][0][0].refined = ((Atom(12),), (Atom(12),))
        return [(axes[0], propagation.fresh(32))]

    monkeypatch.setitem(rules._BY_NAME, "relu", broken)
    structure = trace(Middle(torch.relu), (X,))
    reason = "rules of operators contradict each other about its size"
    assert Frozen("first.weight, axis 0", reason) in structure.frozen
    assert "second.width" in structure.space
    for config in (structure.space.min(), structure.space.max()):
        assert structure.shape("first.weight", config) == (32, 16)
    assert structure.shape("second.weight", structure.space.max()) == (32, 32)
