"""The Hessian of a tiny network: estimates and products against the matrix itself."""

import pytest
import torch
from precision_cases import Perceptron, perceptron_family, vectors
from torch.func import functional_call
from torch.nn import functional

from supple.precision import Measure, SensitivityConfig, layer_sensitivity
from supple.precision.hessian import LossHessian

PATHS = ["first", "second", "last"]


def exact_hessian(model, inputs, labels):
    """Return the Hessian over the weights of the three layers, and the size of each."""
    weights = [model.get_submodule(path).weight.detach() for path in PATHS]
    sizes = [weight.numel() for weight in weights]

    def loss(flat):
        parts = flat.split(sizes)
        named = {
            f"{path}.weight": part.view_as(weight) for path, part, weight in zip(PATHS, parts, weights, strict=True)
        }
        return functional.cross_entropy(functional_call(model, named, (inputs,)), labels)

    flat = torch.cat([weight.flatten() for weight in weights])
    return torch.autograd.functional.hessian(loss, flat), sizes


@pytest.fixture
def network():
    torch.manual_seed(0)
    model = Perceptron().eval()
    # Batches of different sizes: their means count for their terms.
    data = [*vectors(1, 16), *vectors(1, 4, seed=2)]
    inputs, labels = (torch.cat(part) for part in zip(*data, strict=True))
    hessian, sizes = exact_hessian(model, inputs, labels)
    losses = [
        (lambda batch=batch: functional.cross_entropy(model(batch[0]), batch[1]), len(batch[1]) / len(labels))
        for batch in data
    ]
    return LossHessian(model, PATHS, losses), hessian, sizes


def test_hutchinsons_estimate_is_within_four_standard_errors_of_the_trace_of_each_block():
    torch.manual_seed(0)
    model = Perceptron().eval()
    [(inputs, labels)] = vectors(1)
    hessian, sizes = exact_hessian(model, inputs, labels)
    probes = 300
    loss = LossHessian(model, PATHS, [(lambda: functional.cross_entropy(model(inputs), labels), 1.0)])
    traces, _ = loss.traces(probes, seed=0)
    squares = hessian.square() * (1 - torch.eye(len(hessian)))
    start = 0
    for path, size in zip(PATHS, sizes, strict=True):
        inside = slice(start, start + size)
        # Signs meet twice within a block: var = 2 sum H_ij^2 inside, and sum H_ij^2 where j lies outside.
        variance = squares[inside].sum() + squares[inside, inside].sum()
        exact = float(hessian.diagonal()[inside].sum())
        assert abs(traces[path] - exact) < 4 * float(variance / probes) ** 0.5
        start += size


def test_the_estimate_is_the_same_for_the_same_seed(network):
    assert network[0].traces(2, seed=3) == network[0].traces(2, seed=3)
    assert network[0].traces(2, seed=3) != network[0].traces(2, seed=4)


def test_quadratic_forms_are_those_of_the_matrix(network):
    estimated, hessian, sizes = network
    torch.manual_seed(5)
    directions = [{path: torch.randn_like(estimated.weights[path])} for path in PATHS]
    directions.append({path: torch.randn_like(estimated.weights[path]) for path in PATHS})
    found, _ = estimated.forms(directions)
    flat = torch.stack(
        [
            torch.cat(
                [direction.get(path, torch.zeros(size)).flatten() for path, size in zip(PATHS, sizes, strict=True)]
            )
            for direction in directions
        ]
    )
    torch.testing.assert_close(torch.tensor(found), flat @ hessian @ flat.T, rtol=1e-3, atol=1e-4)


def test_harms_with_their_pairs_make_the_quadratic_form_of_any_choice_of_layers():
    family, data = perceptron_family(("int4-weights", "int8-weights")), vectors()
    found = layer_sensitivity(family, data, SensitivityConfig(Measure.INTERACTIONS))
    inputs, labels = (torch.cat(part) for part in zip(*data, strict=True))
    hessian, _ = exact_hessian(family.model, inputs, labels)
    for chosen in ({"first.bits": 4}, {"first.bits": 4, "last.bits": 8}, dict.fromkeys(found.harms, 4)):
        config = family.space.config(chosen)
        rounded = family.materialize(config)
        change = torch.cat(
            [(rounded[f"{path}.weight"] - family.model.get_submodule(path).weight).flatten() for path in PATHS]
        ).detach()
        expected = float(change @ hessian @ change) / 2
        terms = (row.get((config[one], config[other]), 0.0) for (one, other), row in found.pairs.items())
        total = sum(row.get(config[name], 0.0) for name, row in found.harms.items()) + sum(terms)
        assert total == pytest.approx(expected, rel=1e-3)
        shares = (found.share_of(name, 4) for name in chosen)
        if len(chosen) == 3:
            assert sum(shares) == pytest.approx(expected, rel=1e-3)


def test_the_trace_score_is_the_mean_curvature_times_half_the_squared_perturbation():
    family, data = perceptron_family(("int4-weights",)), vectors()
    found = layer_sensitivity(family, data, SensitivityConfig(Measure.HESSIAN, probes=3, seed=7))
    model = family.extract(family.space.max())
    losses = [(lambda batch=batch: functional.cross_entropy(model(batch[0]), batch[1]), 1 / 2) for batch in data]
    traces, loss = LossHessian(model, PATHS, losses).traces(probes=3, seed=7)
    for path in PATHS:
        weight = family.model.get_submodule(path).weight.detach()
        rounded = family.materialize(family.space.config({f"{path}.bits": 4}))[f"{path}.weight"].detach()
        expected = traces[path] / weight.numel() * float((rounded - weight).square().sum()) / 2
        assert found.harms[f"{path}.bits"][4] == pytest.approx(expected, rel=1e-4)
    assert found.base == pytest.approx(loss)


def test_a_loss_that_does_not_bend_has_no_curvature():
    model = Perceptron().eval()
    x = torch.randn(4, 6)
    flat = LossHessian(model, ["last"], [(lambda: model(x).sum(), 1.0)])
    assert flat.traces(2, 0)[0] == {"last": 0.0}
