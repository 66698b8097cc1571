"""Models in every state that a user may hand over: modes, precisions, hooks, parametrizations, wrappers, outputs."""

import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest
import torch
from torch import nn
from torch.nn.utils import parametrizations, parametrize
from torch.utils._pytree import tree_leaves

from supple import Family, convert
from supple.errors import SuppleError
from supple.trace.reparametrized import SPECTRAL_NORM

X = torch.randn(4, 12)


def mlp() -> nn.Sequential:
    return nn.Sequential(nn.Linear(12, 32), nn.ReLU(), nn.Linear(32, 48), nn.Dropout(0.1), nn.Linear(48, 5))


def assert_members_are_their_extracts(family: Family, x: torch.Tensor = X) -> None:
    family.eval()
    for config in (family.space.max(), family.space.min()):
        with torch.no_grad():
            inside, outside = tree_leaves(family(x, config=config)), tree_leaves(family.extract(config)(x))
        assert all(torch.equal(one, other) for one, other in zip(inside, outside, strict=True))


@pytest.mark.parametrize("training", [True, False])
def test_every_mode_is_kept_part_by_part(training: bool) -> None:
    model = mlp().train(training)
    model[2].train(not training)
    family = convert(model, X)
    modes = [module.training for module in model.modules()]
    assert [module.training for module in family.model.modules()] == modes
    assert [module.training for module in family.extract(family.space.min()).modules()] == modes


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
def test_other_precisions(dtype: torch.dtype) -> None:
    family = convert(mlp().to(dtype), X.to(dtype))
    assert {entry.name for entry in family.space.dimensions} == {"0.width", "2.width"}
    assert {parameter.dtype for parameter in family.extract(family.space.min()).parameters()} == {dtype}
    assert_members_are_their_extracts(family, X.to(dtype))


def test_frozen_parameters_stay_frozen() -> None:
    model = mlp()
    model[0].requires_grad_(False)
    family = convert(model, X)
    wanted = [False, False, True, True, True, True]
    assert [parameter.requires_grad for parameter in family.parameters()] == wanted
    assert [parameter.requires_grad for parameter in family.extract(family.space.min()).parameters()] == wanted
    family(X, config=family.space.min()).sum().backward()
    assert family.model[0].weight.grad is None
    assert family.model[2].weight.grad is not None


def test_hooks_run_once_per_forward_and_go_with_members() -> None:
    model, calls = mlp(), []
    model[0].register_forward_pre_hook(lambda module, inputs: calls.append("before"))
    model[2].register_forward_hook(lambda module, inputs, output: calls.append("after") or output + 1)
    family = convert(model.eval(), X)
    for member in (family, family.extract(family.space.min())):
        calls.clear()
        member(X)
        assert calls == ["before", "after"]
    assert_members_are_their_extracts(family)
    assert len(model[2]._forward_hooks) == len(family.model[2]._forward_hooks) == 1


class Doubled(nn.Module):
    """A parametrization of a user."""

    def forward(self, weight: torch.Tensor) -> torch.Tensor:
        return 2 * weight


@dataclass(frozen=True)
class Reparametrized:
    """How a layer's weight is computed, and why the layer cannot shrink then, if it cannot."""

    apply: Callable[[nn.Module], nn.Module]
    reason: str | None = None


PARAMETRIZATIONS = {
    "weight_norm by hooks": Reparametrized(nn.utils.weight_norm),
    "weight_norm by hooks, of columns": Reparametrized(lambda layer: nn.utils.weight_norm(layer, dim=1)),
    "weight_norm": Reparametrized(parametrizations.weight_norm),
    "spectral_norm by hooks": Reparametrized(nn.utils.spectral_norm, SPECTRAL_NORM),
    "spectral_norm": Reparametrized(parametrizations.spectral_norm, SPECTRAL_NORM),
    "orthogonal": Reparametrized(
        parametrizations.orthogonal, "operator aten.linalg_householder_product.default has no rule for it"
    ),
    "the user's own": Reparametrized(
        lambda layer: parametrize.register_parametrization(layer, "weight", Doubled()),
    ),
}


@pytest.mark.filterwarnings("ignore:.*weight_norm.*deprecated:FutureWarning")
@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("name", PARAMETRIZATIONS)
def test_parametrized_weights(name: str, training: bool) -> None:
    model = nn.Sequential(*mlp(), nn.ReLU(), nn.Linear(5, 16), nn.Linear(16, 3)).train(training)
    PARAMETRIZATIONS[name].apply(model[2])
    before = {key: tensor.clone() for key, tensor in model.state_dict().items()}
    family = convert(model, X)
    assert all(torch.equal(before[key], tensor) for key, tensor in family.model.state_dict().items())
    smallest = family.extract(family.space.min())
    assert smallest[6].out_features == 8
    if (reason := PARAMETRIZATIONS[name].reason) is None:
        assert (smallest[2].in_features, smallest[2].out_features) == (8, 16)
    else:
        # What the parametrization holds together stays, and says why; the rest of the network is elastic.
        assert smallest[2].in_features == 32
        assert reason in {entry.reason for entry in family.structure.frozen if entry.what == "0.width"}
    assert_members_are_their_extracts(family)
    # After a step of training too.
    family.train()(X, config=family.space.min()).sum().backward()
    assert_members_are_their_extracts(family)


def test_weight_normed_convolutions_describe_themselves() -> None:
    layers = [nn.Conv1d(3, 32, 3), nn.Conv1d(32, 32, 3, groups=32), nn.ConvTranspose1d(32, 24, 3), nn.Conv1d(24, 2, 1)]
    model = nn.Sequential(*map(parametrizations.weight_norm, layers))
    smallest = (family := convert(model, torch.randn(2, 3, 12))).extract(family.space.min())
    assert [(layer.in_channels, layer.out_channels, layer.groups) for layer in smallest] == [
        (3, 8, 1),
        (8, 8, 8),
        (8, 8, 1),
        (8, 2, 1),
    ]


def test_attention_with_a_weight_normed_projection() -> None:
    class Attending(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.attention = nn.MultiheadAttention(32, 4, batch_first=True)
            parametrizations.weight_norm(self.attention.out_proj)
            self.first, self.last = nn.Linear(12, 32), nn.Linear(32, 5)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            x = self.first(x)
            return self.last(x + self.attention(x, x, x, need_weights=False)[0])  # type: ignore[no-any-return]

    x = torch.randn(2, 6, 12)
    family = convert(Attending(), x)
    smallest = family.extract(family.space.min())
    assert smallest.attention.num_heads == 1
    assert_members_are_their_extracts(family, x)


def test_a_compiled_model_is_unwrapped_with_a_warning() -> None:
    model = torch.compile(mlp(), backend="eager")
    with pytest.warns(UserWarning, match=r"runs without torch\.compile.*\(OptimizedModule\)"):
        family = convert(model, X)
    assert type(family.model) is nn.Sequential
    assert_members_are_their_extracts(family)


def test_a_compiled_part_is_unwrapped_with_a_warning() -> None:
    model = mlp()
    model[2] = torch.compile(model[2], backend="eager")
    with pytest.warns(UserWarning, match=r"wrappers \(2\)"):
        family = convert(model, X)
    assert list(family.model.state_dict()) == list(mlp().state_dict())
    assert_members_are_their_extracts(family)


def test_a_model_compiled_in_place_runs_as_it_was_written() -> None:
    model = mlp()
    model.compile(backend="eager")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        family = convert(model, X)
    assert family.model._compiled_call_impl is None
    assert_members_are_their_extracts(family)


def test_a_data_parallel_model_is_unwrapped_with_a_warning() -> None:
    with pytest.warns(UserWarning, match=r"\(DataParallel\)"):
        family = convert(nn.DataParallel(mlp()), X)
    assert type(family.model) is nn.Sequential


@dataclass
class Answer:
    """An output of a user's own class, as those of transformers."""

    logits: torch.Tensor
    hidden: torch.Tensor


class Answering(nn.Module):
    """Answers in one of many forms."""

    def __init__(self, form: Callable[[torch.Tensor, torch.Tensor], Any]) -> None:
        super().__init__()
        self.form = form
        self.body, self.left, self.right = nn.Linear(12, 32), nn.Linear(32, 5), nn.Linear(32, 3)

    def forward(self, x: torch.Tensor) -> Any:
        x = self.body(x).relu()
        return self.form(self.left(x), self.right(x))


FORMS: dict[str, Callable[[torch.Tensor, torch.Tensor], Any]] = {
    "tuple": lambda left, right: (left, right),
    "nested": lambda left, right: (left, [right, (left,)]),
    "dictionary": lambda left, right: {"left": left, "right": [right]},
    "with constants": lambda left, right: (left, None, 3, "name", right),
}


@pytest.mark.parametrize("form", FORMS)
def test_outputs_in_every_form(form: str) -> None:
    family = convert(Answering(FORMS[form]), X)
    assert {entry.name for entry in family.space.dimensions} == {"body.width"}
    expected = family.eval().model(X)
    assert type(family(X, config=family.space.min())) is type(expected)
    inside, outside = family(X, config=family.space.min()), family.extract(family.space.min())(X)
    assert str(inside) == str(outside)


def test_an_output_of_a_users_class_must_be_known_to_pytorch() -> None:
    @dataclass
    class Unknown(Answer):
        pass

    with pytest.raises(SuppleError, match=r"Unknown.* in output, which is not a known type.*register a pytree"):
        convert(Answering(Unknown), X)
    torch.export.register_dataclass(Answer)
    family = convert(Answering(Answer), X).eval()
    assert type(family(X, config=family.space.min())) is Answer
    assert_members_are_their_extracts(family)


@pytest.mark.parametrize("batch_size", [1, 2, 7])
def test_a_family_takes_any_batch(batch_size: int) -> None:
    family = convert(mlp(), X[:2]).eval()
    x = torch.randn(batch_size, 12)
    assert family(x, config=family.space.min()).shape == (batch_size, 5)
    assert_members_are_their_extracts(family, x)


@pytest.mark.parametrize("context", [torch.no_grad, torch.inference_mode])
def test_conversion_without_gradients(context: Callable[[], Any]) -> None:
    model = mlp()
    with context():
        family = convert(model, X)
        inside = family.eval()(X, config=family.space.min())
        assert torch.equal(inside, family.extract(family.space.min())(X))
    assert len(family.space) == 2


def test_a_lazy_model_must_have_run() -> None:
    with pytest.raises(SuppleError, match=r'"0\.weight" of Sequential has no shape yet: run the model once on a batch'):
        convert(nn.Sequential(nn.LazyLinear(32), nn.Linear(32, 5)), X)


def test_a_model_without_numbers_is_refused() -> None:
    with pytest.raises(SuppleError, match=r'"0\.weight" of Sequential is on the device "meta", which holds no numbers'):
        convert(mlp().to("meta"), X)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU")
def test_a_model_on_a_gpu() -> None:
    family = convert(mlp().cuda(), X.cuda())
    assert {parameter.device.type for parameter in family.extract(family.space.min()).parameters()} == {"cuda"}
    assert_members_are_their_extracts(family, X.cuda())
