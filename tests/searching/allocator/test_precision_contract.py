"""A contract on precision: what is found keeps the tolerance, is the fastest there is, and never what does not pay."""

import itertools
import json

import pytest
import torch
from torch import nn

from supple import QuantizationConfig, SuppleError, convert, quantize
from supple.cost import AnalyticCosts
from supple.precision import Measure, SensitivityConfig
from supple.searching.allocator import ContractConfig, ContractCost, allocate_precision
from supple.training import evaluate
from supple.training.classification import Classification

NAMES = ["first.bits", "second.bits", "last.bits"]
# What rounding a layer of these to so many bits takes off a cost.
GAINS = {"first.bits": 1.0, "second.bits": 4.0, "last.bits": 2.0}


class Perceptron(nn.Module):
    """Three linear layers."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.second, self.last = nn.Linear(8, 16), nn.Linear(16, 16), nn.Linear(16, 6)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Map x (batch, 8) to logits (batch, 6)."""
        return self.last(torch.tanh(2 * self.second(torch.tanh(2 * self.first(x)))))


def make_family(formats=("int4-weights", "int8")):
    torch.manual_seed(0)
    return quantize(convert(Perceptron(), torch.randn(2, 8)), QuantizationConfig(formats={"*": formats})).eval()


def data_of(family, batches, seed):
    """Return data whose labels are what the family answers in full precision: accuracy is agreement with that."""
    generator = torch.Generator().manual_seed(seed)
    inputs = [torch.randn(100, 8, generator=generator) for _ in range(batches)]
    with torch.no_grad():
        return [(batch, family(batch).argmax(1)) for batch in inputs]


@pytest.fixture(scope="module")
def case():
    """Return a family, training and validation data, and the accuracy of each of its 27 precisions."""
    family = make_family()
    train, valid = data_of(family, 3, seed=1), data_of(family, 10, seed=2)
    family.calibrate(family.space.config({"first.bits": 8}), [inputs for inputs, _ in train])
    accuracies = {}
    for bits in itertools.product((4, 8, 32), repeat=3):
        config = family.space.config(dict(zip(NAMES, bits, strict=True)))
        accuracies[config] = evaluate(family, config, valid, Classification())
    return family, train, valid, accuracies


def additive(configs):
    return [10 - sum(gain * (32 - config[name]) / 32 for name, gain in GAINS.items()) for config in configs]


@pytest.mark.parametrize("tolerance", [0.0, 0.002, 0.005, 0.01, 0.02, 0.05, 0.2])
def test_it_is_the_fastest_of_all_that_keep_the_tolerance(case, tolerance):
    family, train, valid, accuracies = case
    found = allocate_precision(family, train, valid, ContractConfig(tolerance), costs_of=additive)
    full = accuracies[family.space.max()]
    keeping = [config for config, accuracy in accuracies.items() if accuracy >= full - tolerance - 1e-9]
    assert found.full_metric == full == 1.0
    assert found.metric == accuracies[found.config] >= full - tolerance - 1e-9
    assert additive([found.config])[0] == pytest.approx(min(additive(keeping)))
    assert len(found.evaluations) <= 20 < len(accuracies)
    assert all(accuracies[entry.config] == entry.figure for entry in found.evaluations)


@pytest.mark.parametrize("measure", Measure)
def test_any_measure_of_harm_leads_to_the_tolerance(case, measure):
    family, train, valid, accuracies = case
    contract = ContractConfig(0.02, sensitivity=SensitivityConfig(measure))
    found = allocate_precision(family, train, valid, contract, costs_of=additive)
    assert accuracies[found.config] >= 0.98
    assert found.cost == additive([found.config])[0] < found.full_cost == 10


def test_where_the_cheapest_keeps_the_tolerance_it_takes_one_evaluation(case):
    family, train, valid, _ = case
    found = allocate_precision(family, train, valid, ContractConfig(0.9), costs_of=additive)
    assert [found.config[name] for name in NAMES] == [4, 4, 4]
    assert found.formats == dict.fromkeys(NAMES, "int4-weights")
    assert len(found.evaluations) == 1
    assert str(found).startswith("3 of 3 choices in lower precision, after 1 evaluation: accuracy ")


def test_what_does_not_pay_is_never_chosen(case):
    family, train, valid, _ = case

    def costs_of(configs):
        slower = {8: 1.0, 4: 0.0, 32: 0.0}
        return [
            cost + 4 * slower[config["first.bits"]] for cost, config in zip(additive(configs), configs, strict=True)
        ]

    found = allocate_precision(family, train, valid, ContractConfig(0.9), costs_of=costs_of)
    assert found.does_not_pay == (("first.bits", 8),)
    strict = allocate_precision(family, train, valid, ContractConfig(0.002), costs_of=costs_of)
    assert strict.config["first.bits"] != 8
    assert "Not faster or smaller than fp32, so left out: first.bits at 8 bits." in str(strict)


def test_what_seems_not_to_pay_does_where_everything_in_few_bits_costs_least():
    family = make_family(["int8"])
    train, valid = data_of(family, 3, seed=1), data_of(family, 10, seed=2)

    def costs_of(configs):
        """Only all three layers together gain anything; the first measurement is off where the second is left out."""
        rounded = [{name for name in NAMES if config[name] == 8} for config in configs]
        off = {"first.bits", "last.bits"} if len(configs) > 5 else None
        return [5.0 if len(names) == 3 else 1.0 if names == off else 10.0 for names in rounded]

    found = allocate_precision(family, train, valid, ContractConfig(0.9), costs_of=costs_of)
    assert [found.config[name] for name in NAMES] == [8, 8, 8]
    assert found.cost == 5.0
    assert found.does_not_pay == ()


@pytest.fixture
def sensitive():
    """Return a family, training and validation data: 4 bits of the second layer lose much, of the others little."""
    family = make_family(["int4-weights"])
    with torch.no_grad():
        # One layer has numbers of which 4 bits lose all but a few.
        family.model.second.weight[:, 0] = 3.0
    return family, data_of(family, 3, seed=1), data_of(family, 10, seed=2)


def by_number_in_few_bits(costs):
    """Return what measures configs by how many of their layers are in 4 bits."""
    return lambda configs: [costs[[config[name] for name in NAMES].count(4)] for config in configs]


def test_layers_are_taken_back_where_the_sums_of_the_tables_mislead(sensitive):
    # One layer in few bits costs more than it saves; two save much.
    costs_of = by_number_in_few_bits([10.0, 11.0, 5.0, 4.0])
    found = allocate_precision(*sensitive, ContractConfig(0.06), costs_of=costs_of)
    assert [found.config[name] for name in NAMES] == [4, 32, 4]
    assert found.cost == 5.0


def test_what_keeps_the_tolerance_but_costs_more_is_told_as_that(sensitive):
    costs_of = by_number_in_few_bits([10.0, 11.0, 11.0, 4.0])
    found = allocate_precision(*sensitive, ContractConfig(0.06), costs_of=costs_of)
    assert found.is_full_precision
    assert found.reason == "what keeps the accuracy has a latency_ms of 11, and full precision 10"


def test_where_nothing_pays_it_is_full_precision_without_an_evaluation(case):
    family, train, valid, _ = case
    found = allocate_precision(
        family, train, valid, ContractConfig(0.9), costs_of=lambda configs: [20 - cost for cost in additive(configs)]
    )
    assert found.is_full_precision
    assert found.config == family.space.max()
    assert str(found).splitlines()[0] == (
        "Full precision, after 0 evaluations: no choice of precision has less latency_ms than fp32."
    )
    assert len(found.does_not_pay) == 6


def test_where_nothing_keeps_the_tolerance_it_says_so():
    family = make_family(["int4-weights"])
    with torch.no_grad():
        # Every layer has numbers of which 4 bits lose all but a few.
        for layer in (family.model.first, family.model.second, family.model.last):
            layer.weight[:, 0] = 2.0
    train, valid = data_of(family, 1, seed=1), data_of(family, 5, seed=2)
    found = allocate_precision(family, train, valid, ContractConfig(0.0), costs_of=additive)
    assert found.is_full_precision
    assert found.metric == found.full_metric == 1.0
    assert found.reason == "nothing that was tried keeps the accuracy within 0 of 1.0000"
    assert len(found.evaluations) >= 4


def test_what_the_whole_costs_decides_in_the_end(case):
    family, train, valid, _ = case

    def costs_of(configs):
        # Each alone pays, and so does each in company, but not what is chosen.
        return [
            11.0 if config["first.bits"] == 4 and len(configs) == 2 else cost
            for cost, config in zip(additive(configs), configs, strict=True)
        ]

    found = allocate_precision(family, train, valid, ContractConfig(0.9), costs_of=costs_of)
    assert found.is_full_precision
    assert found.reason == "what keeps the accuracy has a latency_ms of 11, and full precision 10"


def test_weights_are_as_small_as_the_tolerance_lets_them_be(case):
    family, train, valid, accuracies = case
    costs = AnalyticCosts(family)
    contract = ContractConfig(0.02, ContractCost.WEIGHTS)
    found = allocate_precision(family, train, valid, contract)
    keeping = [config for config, accuracy in accuracies.items() if accuracy >= 0.98 - 1e-9]
    assert found.cost == costs.weights_bytes(found.config) == min(map(costs.weights_bytes, keeping))
    assert found.cost_name == "weights_bytes"


def test_evaluations_are_limited(case):
    family, train, valid, accuracies = case
    found = allocate_precision(family, train, valid, ContractConfig(0.005, evaluations=3), costs_of=additive)
    assert len(found.evaluations) <= 3
    assert accuracies[found.config] >= 0.995


def test_another_shape_keeps_its_own_contract(case):
    family, train, valid, _ = case
    shape = family.space.config({"second.width": family.space["second.width"].smallest})
    found = allocate_precision(family, train, valid, ContractConfig(0.05), config=shape, costs_of=additive)
    assert family.full_precision(found.config) == shape
    assert found.metric >= found.full_metric - 0.05


@pytest.mark.slow
def test_latency_is_measured_on_the_target(case):
    family, train, valid, accuracies = case
    contract = ContractConfig(0.05, seconds_per_member=0.05)
    found = allocate_precision(family, train, valid, contract)
    assert accuracies[found.config] >= 0.95
    assert found.is_full_precision or found.cost < found.full_cost


def test_json_tells_all_but_the_sensitivity(case):
    family, train, valid, _ = case
    found = allocate_precision(family, train, valid, ContractConfig(0.05), costs_of=additive)
    content = json.loads(json.dumps(found.to_json()))
    assert content["config"]["values"] == dict(found.config)
    assert len(content["evaluations"]) == len(found.evaluations)


def test_a_format_that_the_target_cannot_run_is_refused():
    family = make_family(["fp8"])
    with pytest.raises(SuppleError, match="fp8"):
        allocate_precision(family, data_of(family, 1, 1), data_of(family, 1, 2))


def test_no_calibration_data_are_refused(case):
    family, _, valid, _ = case
    with pytest.raises(SuppleError, match="no data to measure sensitivity on"):
        allocate_precision(family, [], valid, costs_of=additive)


def test_a_config_of_another_family_is_refused(case):
    _, train, valid, _ = case
    family, other = make_family(), make_family(["int8"])
    with pytest.raises(SuppleError, match=other.space.digest):
        allocate_precision(family, train, valid, config=other.space.max(), costs_of=additive)


def test_a_metric_that_is_not_finite_is_refused(case):
    class Broken(Classification):
        def result(self, score):
            return float("nan")

    family, train, valid, _ = case
    with pytest.raises(SuppleError, match="The accuracy in full precision is nan: there is nothing to lose"):
        allocate_precision(family, train, valid, task=Broken(), costs_of=additive)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"tolerance": -0.1}, '"tolerance" is a loss of 0 or more in the unit of the metric, not -0.1'),
        ({"tolerance": float("nan")}, "not nan"),
        ({"cost": "latency"}, r'not "latency"; did you mean "latency_ms"\?'),
        ({"evaluations": 0}, '"evaluations" is at least 1, not 0'),
        ({"seconds_per_member": 0}, '"seconds_per_member" is more than 0, not 0'),
        ({"target": "onnxruntime:cpux"}, "cpux"),
    ],
)
def test_contracts_that_make_no_sense_are_refused(settings, message):
    with pytest.raises(SuppleError, match=message):
        ContractConfig(**settings)
