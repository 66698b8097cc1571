"""Sensitivity of layers: what is measured equals direct computation, and a mistake gets one clear line."""

import json

import pytest
import torch
from precision_cases import Perceptron, convolution_family, images, perceptron_family, vectors
from torch import nn
from torch.nn import functional

from supple import SuppleError, convert, quantize
from supple.cost import AnalyticCosts
from supple.precision import Measure, SensitivityConfig, layer_sensitivity
from supple.training import Classification

NAMES = ["first.bits", "second.bits", "last.bits"]


def test_distortion_is_the_mean_squared_error_of_the_outputs():
    family, data = perceptron_family(("int8", "int4-weights")), vectors()
    found = layer_sensitivity(family, data)
    inputs = torch.cat([batch for batch, _ in data])
    with torch.no_grad():
        full = family(inputs)
        for name in NAMES:
            for bits in (4, 8):
                outputs = family(inputs, config=family.space.config({name: bits}))
                expected = float((outputs - full).square().mean())
                assert found.harms[name][bits] == pytest.approx(expected, rel=1e-3)
                ratio = 10 * torch.log10(full.square().mean() / (outputs - full).square().mean())
                assert found.signal_to_noise_db(name, bits) == pytest.approx(float(ratio), abs=0.01)
    assert list(found.harms) == NAMES
    assert found.signal == pytest.approx(float(full.square().mean()))
    assert found.formats["first.bits"] == {4: "int4-weights", 8: "int8"}


def test_loss_is_what_rounding_adds_to_the_mean_over_all_samples():
    family, data = perceptron_family(("int8", "int4-weights")), [*vectors(1, 16), *vectors(1, 5, seed=2)]
    found = layer_sensitivity(family, data, SensitivityConfig(Measure.LOSS))
    inputs, labels = (torch.cat(part) for part in zip(*data, strict=True))
    with torch.no_grad():
        base = functional.cross_entropy(family(inputs), labels)
        for name in NAMES:
            loss = functional.cross_entropy(family(inputs, config=family.space.config({name: 4})), labels)
            assert found.harms[name][4] == pytest.approx(float(loss - base), abs=1e-6)
    assert found.base == pytest.approx(float(base), rel=1e-5)
    assert found.signal_to_noise_db("first.bits", 4) is None


@pytest.mark.parametrize("measure", [Measure.DISTORTION, Measure.HESSIAN, Measure.INTERACTIONS])
def test_the_layer_with_outlier_weights_is_the_most_sensitive(measure):
    family = perceptron_family(per_channel=False)
    with torch.no_grad():
        # One weight that nothing goes through makes the steps of all others of the layer coarse.
        family.model.second.weight[0, 0] = 40.0
        family.model.first.weight[0].zero_()
        family.model.first.bias[0] = 0.0
    found = layer_sensitivity(family, vectors(), SensitivityConfig(measure, probes=50))
    assert max(NAMES, key=lambda name: abs(found.harms[name][8])) == "second.bits"


def test_all_measures_agree_on_a_convolutional_network_of_any_shape():
    family, data = convolution_family(), images()
    shape = family.space.config({"blocks.depth": 1})
    for measure in Measure:
        found = layer_sensitivity(family, data, SensitivityConfig(measure), config=shape)
        # What lies in the dropped block has no row.
        assert list(found.harms) == ["stem.0.bits", "blocks.0.conv.bits", "head.bits"]
        assert found.shape == shape
        assert found.space.max() == found.space.config({})


def test_the_precision_of_the_config_does_not_count():
    family, data = perceptron_family(), vectors()
    rounded = family.space.config({"first.bits": 8})
    assert layer_sensitivity(family, data, config=rounded) == layer_sensitivity(family, data)


@pytest.mark.parametrize("formats", [("int8", "int4-weights"), ("int8-weights", "fp16"), ("fp8",)])
@pytest.mark.parametrize("per_channel", [True, False])
def test_bytes_saved_are_those_that_the_costs_tell(formats, per_channel):
    family = perceptron_family(formats, per_channel=per_channel)
    found = layer_sensitivity(family, vectors())
    costs, full = AnalyticCosts(family), family.space.max()
    for name, row in found.bytes_saved.items():
        for bits, saved in row.items():
            config = family.space.config({name: bits})
            assert saved == costs.weights_bytes(full) - costs.weights_bytes(config)


def test_an_earlier_calibration_is_kept():
    family, data = perceptron_family(), vectors()
    family.calibrate(family.space.config(dict.fromkeys(NAMES, 8)), [100 * batch for batch, _ in data])
    before = dict(family.ranges)
    layer_sensitivity(family, data)
    assert family.ranges == before


def test_distortion_needs_no_labels():
    family, data = perceptron_family(), vectors()
    unlabelled = [inputs for inputs, _ in data]
    assert layer_sensitivity(family, unlabelled, task=None) == layer_sensitivity(family, data)
    with pytest.raises(SuppleError, match='measure "loss" needs labelled data and a task: only "distortion" does not'):
        layer_sensitivity(family, unlabelled, SensitivityConfig(Measure.LOSS), task=None)


def test_only_the_first_samples_are_taken():
    family, data = perceptron_family(), vectors(batches=3)
    first = layer_sensitivity(perceptron_family(), data[:1])
    assert layer_sensitivity(family, data, SensitivityConfig(samples=16)).harms == first.harms


def test_patterns_choose_layers():
    found = layer_sensitivity(perceptron_family(), vectors(), SensitivityConfig(layers=["first", "l*"]))
    assert list(found.harms) == ["first.bits", "last.bits"]


def test_json_holds_the_table():
    found = layer_sensitivity(perceptron_family(), vectors(), SensitivityConfig(Measure.INTERACTIONS))
    content = json.loads(json.dumps(found.to_json()))
    assert content["measure"] == "interactions"
    assert content["choices"][0] == {
        "dimension": "first.bits",
        "bits": 8,
        "format": "int8",
        "harm": found.harms["first.bits"][8],
        "bytes_saved": 384 - 96 - 64,
    }
    assert len(content["pairs"]) == 3


def test_no_data_are_refused():
    with pytest.raises(SuppleError, match="no data to measure sensitivity on: give at least one batch"):
        layer_sensitivity(perceptron_family(), [])


def test_data_of_another_shape_are_refused_by_the_layer():
    wrong = [(torch.randn(4, 7), torch.zeros(4, dtype=torch.long))]
    with pytest.raises(SuppleError, match=r'batch of shape \[4, 7\]: its layer "first" \(Linear\) got'):
        layer_sensitivity(perceptron_family(("int8-weights",)), wrong)


@pytest.mark.parametrize("measure", Measure)
@pytest.mark.parametrize("formats", [("int8",), ("int8-weights",)])
def test_data_that_are_not_finite_are_refused_by_the_layer(measure, formats):
    data = vectors()
    data[0][0][3, 2] = float("nan")
    with pytest.raises(SuppleError, match='What layer "first" takes is not finite on the calibration data'):
        layer_sensitivity(perceptron_family(formats), data, SensitivityConfig(measure))


def test_what_is_not_finite_behind_all_layers_is_told():
    class Logarithm(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layers = Perceptron()

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return torch.log(self.layers(x) * 0)

    family = quantize(convert(Logarithm(), torch.randn(2, 6), prove=False))
    with pytest.raises(SuppleError, match="Logarithm makes of the data is not finite in full precision, though its"):
        layer_sensitivity(family, vectors())


def test_a_model_that_returns_no_numbers_is_refused():
    class Decision(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layers = Perceptron()

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.layers(x).argmax(1)

    family = quantize(convert(Decision(), torch.randn(2, 6)))
    with pytest.raises(SuppleError, match="Decision returns no tensor of floating-point numbers"):
        layer_sensitivity(family, vectors())


def test_a_config_of_another_family_is_refused():
    family, other = perceptron_family(), convolution_family()
    with pytest.raises(SuppleError, match=f"{other.space.digest}"):
        layer_sensitivity(family, vectors(), config=other.space.max())


def test_a_family_without_precision_is_refused():
    family = convert(Perceptron(), torch.randn(2, 6))
    with pytest.raises(SuppleError, match=r"has no dimensions of precision: give it some by supple.quantize"):
        layer_sensitivity(family, vectors())


def test_a_pattern_that_finds_nothing_is_refused_with_the_nearest():
    with pytest.raises(SuppleError, match=r'found by the pattern "frist"; did you mean "first"\?'):
        layer_sensitivity(perceptron_family(), vectors(), SensitivityConfig(layers=["frist"]))


def test_a_loss_without_second_derivative_is_told():
    class Once(torch.autograd.Function):
        @staticmethod
        def forward(context, x):
            return x.clone()

        @staticmethod
        @torch.autograd.function.once_differentiable
        def backward(context, gradient):
            return gradient

    class OnceDifferentiable(Classification):
        def loss(self, outputs, batch):
            return super().loss(Once.apply(outputs), batch)

    with pytest.raises(SuppleError, match="cannot be differentiated twice, as its Hessian takes"):
        layer_sensitivity(perceptron_family(), vectors(), SensitivityConfig(Measure.HESSIAN), OnceDifferentiable())


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"measure": "distorsion"}, 'not "distorsion"; did you mean "distortion"?'),
        ({"samples": 0}, '"samples" is at least 1, not 0'),
        ({"probes": 0}, '"probes" is at least 1, not 0'),
        ({"layers": "first"}, r'"layers" are a list of patterns, as \["first"\]'),
    ],
)
def test_settings_that_make_no_sense_are_refused(settings, message):
    with pytest.raises(SuppleError, match=message):
        SensitivityConfig(**settings)
