"""Equalization: no member computes anything else, ranges are as promised, and what cannot be scaled is left alone."""

import copy
import random
from collections.abc import Callable

import pytest
import torch
from torch import nn

from supple import Choice, Family, QuantizationConfig, SuppleError, convert, quantize
from supple.models import resnet_demo
from supple.precision import EqualizationConfig, EqualizationMethod, equalize
from supple.precision.equalization.links import Link, find_links
from supple.precision.equalization.scaling import column_sizes, row_sizes

torch.set_num_threads(1)

METHODS = list(EqualizationMethod)
IMAGES = torch.randn(8, 3, 8, 8, generator=torch.Generator().manual_seed(1))
VECTORS = torch.randn(64, 24, generator=torch.Generator().manual_seed(2)) * torch.logspace(-1, 1, 24)


class Chain(nn.Module):
    """Convolutions with norms, a depthwise one between two others, pooling; two layers read the last channels."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.norm1 = nn.Conv2d(3, 16, 3, padding=1, bias=False), nn.BatchNorm2d(16)
        self.depthwise, self.norm2 = nn.Conv2d(16, 16, 3, padding=1, groups=16, bias=False), nn.BatchNorm2d(16)
        self.last = nn.Conv2d(16, 24, 1)
        self.left, self.right = nn.Conv2d(24, 5, 1), nn.Conv2d(24, 5, 4)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Map x: (batch, 3, 8, 8) to (batch, 5)."""
        x = torch.relu_(self.norm1(self.first(x)))
        x = nn.functional.max_pool2d(torch.relu(self.norm2(self.depthwise(x))), 2)
        x = self.last(x).relu()
        return self.left(x).mean((2, 3)) + self.right(x).flatten(1)  # type: ignore[no-any-return]


class Block(nn.Module):
    """A layer norm and two linear layers with a ReLU between them, around which a trunk goes."""

    def __init__(self) -> None:
        super().__init__()
        self.norm, self.up, self.down = nn.LayerNorm(24), nn.Linear(24, 48), nn.Linear(48, 24)
        nn.init.uniform_(self.norm.weight, 0.1, 3)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Map x: (batch, 24) to the same shape."""
        return x + self.down(self.up(self.norm(x)).relu())  # type: ignore[no-any-return]


def perceptron() -> nn.Module:
    return nn.Sequential(Block(), Block(), Block(), nn.LayerNorm(24), nn.Linear(24, 5))


MODELS: dict[str, tuple[Callable[[], nn.Module], torch.Tensor]] = {
    "chain": (Chain, IMAGES),
    "perceptron": (perceptron, VECTORS),
    "resnet": (resnet_demo, torch.randn(4, 1, 28, 28, generator=torch.Generator().manual_seed(3))),
}


@pytest.fixture(scope="module")
def families() -> dict[str, Family]:
    torch.manual_seed(0)
    found = {}
    for name, (build, x) in MODELS.items():
        model = build().train()
        with torch.no_grad():
            for module in model.modules():
                if isinstance(module, nn.BatchNorm2d):
                    module.weight.uniform_(0.2, 2)
            model(x)
        found[name] = convert(model.eval(), x[:2]).eval()
    return found


def with_weight_formats(family: Family) -> Family:
    return quantize(copy.deepcopy(family), QuantizationConfig(formats={"*": ["int4-weights", "int8"]})).eval()


CASES = [
    (name, method)
    for name in MODELS
    for method in METHODS
    # Only linear layers have weights of four bits.
    if (method is EqualizationMethod.WEIGHTS) == (name == "perceptron") or method is EqualizationMethod.ACTIVATIONS
]


@pytest.mark.parametrize(("name", "method"), CASES)
def test_no_member_computes_anything_else(name: str, method: EqualizationMethod, families: dict[str, Family]) -> None:
    seed = 5
    family, x, rng = with_weight_formats(families[name]), MODELS[name][1], random.Random(seed)
    configs = [family.space.max(), family.space.min(), *(family.space.sample(rng) for _ in range(6))]
    shapes = [family.full_precision(config) for config in configs]
    with torch.no_grad():
        expected = [family(x, config=shape) for shape in shapes]
        before = copy.deepcopy(family.model.state_dict())
        assert equalize(family, [x], EqualizationConfig(method))
        assert any(not torch.equal(before[key], tensor) for key, tensor in family.model.state_dict().items())
        for shape, outputs in zip(shapes, expected, strict=True):
            assert (family(x, config=shape) - outputs).abs().max() <= 2e-6 * outputs.abs().max(), seed


def test_links_are_found_and_trunks_left_alone(families: dict[str, Family]) -> None:
    assert find_links(families["chain"]) == [
        Link("norm1", "first", ("depthwise",)),
        Link("norm2", "depthwise", ("last",)),
        Link("last", "last", ("left", "right")),
    ]
    found = find_links(families["perceptron"])
    assert found[:2] == [Link("0.norm", "0.norm", ("0.up",)), Link("0.up", "0.up", ("0.down",))]
    # A block's last layer and what comes before it make the trunk.
    assert {link.giver for link in found} == {
        *(f"{block}.{part}" for block in range(3) for part in ("norm", "up")),
        "3",
    }


@pytest.mark.parametrize("activation", [nn.ReLU6(), nn.GELU(), nn.Hardswish(), nn.Softmax(-1)])
def test_other_activations_let_no_factor_through(activation: nn.Module) -> None:
    family = convert(nn.Sequential(nn.Linear(24, 32), activation, nn.Linear(32, 5)), VECTORS[:2])
    assert find_links(family) == []
    with pytest.raises(
        SuppleError,
        match=r"^Sequential has no channels that the method activations can scale: only norms and layers whose result "
        r"goes to convolutions or linear layers alone, through ReLU or pooling at most, have such\.$",
    ):
        equalize(family, [VECTORS], EqualizationConfig(EqualizationMethod.ACTIVATIONS))


def test_what_else_reads_channels_keeps_them_as_they_are() -> None:
    class Read(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.first, self.second = nn.Linear(24, 24), nn.Linear(24, 24)
            self.third, self.fourth = nn.Linear(24, 24), nn.Linear(24, 24)

        def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
            x = self.second(self.first(x).relu()).relu()
            y = self.third(x)
            # What comes from the second goes out, what comes from the third is added, and the fourth takes both.
            return x, self.fourth(y) + self.fourth(x)

    assert [link.giver for link in find_links(convert(Read(), VECTORS[:2]))] == ["first"]


def test_channels_that_go_into_an_option_of_a_choice_stay() -> None:
    # Where another option is chosen, another layer reads them, which is not there to be scaled.
    torch.manual_seed(0)
    options = Choice(nn.Linear(32, 32), nn.Linear(32, 32))
    model = nn.Sequential(
        nn.Linear(24, 32), nn.ReLU(), options, nn.ReLU(), nn.Linear(32, 16), nn.ReLU(), nn.Linear(16, 5)
    )
    family = convert(model, VECTORS[:2]).eval()
    assert [link.giver for link in find_links(family)] == ["4"]


def test_cross_layer_makes_both_ranges_of_each_channel_equal(families: dict[str, Family]) -> None:
    family = copy.deepcopy(families["chain"])
    for link in equalize(family, [IMAGES]):
        ratio = row_sizes(family.model, link) / column_sizes(family.model, link)
        assert ((ratio - 1).abs() < 0.05).all()


def test_activations_of_full_strength_have_one_range(families: dict[str, Family]) -> None:
    family = copy.deepcopy(families["perceptron"])
    seen: dict[str, torch.Tensor] = {}
    equalize(family, [VECTORS], EqualizationConfig(EqualizationMethod.ACTIVATIONS, strength=1))
    for path in ("0.up", "4"):
        family.model.get_submodule(path).register_forward_pre_hook(
            lambda module, args, path=path: seen.__setitem__(path, args[0].abs().amax(0))
        )
    with torch.no_grad():
        family(VECTORS)
    assert all(torch.allclose(ranges, ranges[:1].expand_as(ranges), rtol=1e-3) for ranges in seen.values())
    assert len(seen) == 2


def test_an_outlier_channel_behind_a_norm_no_longer_costs_the_others_their_precision() -> None:
    torch.manual_seed(0)
    model = nn.Sequential(nn.LayerNorm(24), nn.Linear(24, 32), nn.ReLU(), nn.Linear(32, 5))
    with torch.no_grad():
        model[0].weight[3] = 100
        model[1].weight[:, 3] /= 100

    def error(is_equalized: bool) -> float:
        family = quantize(convert(copy.deepcopy(model), VECTORS[:2])).eval()
        if is_equalized:
            equalize(family, [VECTORS], EqualizationConfig(EqualizationMethod.ACTIVATIONS))
        config = family.space.config({entry.name: entry.values[0] for entry in family.space.dimensions[-2:]})
        assert {entry.kind for entry in family.space.dimensions[-2:]} == {"bits"}
        family.calibrate(config, [VECTORS])
        with torch.no_grad():
            return float((family(VECTORS, config=config) - model(VECTORS)).square().mean())

    assert error(is_equalized=True) < 0.1 * error(is_equalized=False)


def test_weights_that_read_much_are_rounded_better() -> None:
    torch.manual_seed(0)
    model = nn.Sequential(nn.LayerNorm(24), nn.Linear(24, 32), nn.ReLU(), nn.Linear(32, 5))
    with torch.no_grad():
        model[0].weight.copy_(torch.logspace(-1.5, 1.5, 24))

    def error(is_equalized: bool) -> float:
        settings = QuantizationConfig(formats={"*": ["int4-weights"]})
        family = quantize(convert(copy.deepcopy(model), VECTORS[:2]), settings).eval()
        if is_equalized:
            assert equalize(family, [VECTORS], EqualizationConfig(EqualizationMethod.WEIGHTS))
        config = family.space.config({entry.name: 4 for entry in family.space.dimensions[-2:]})
        with torch.no_grad():
            return float((family(VECTORS, config=config) - model(VECTORS)).square().mean())

    assert error(is_equalized=True) < 0.5 * error(is_equalized=False)


def test_norms_keep_their_statistics_and_ranges_are_forgotten(families: dict[str, Family]) -> None:
    family = with_weight_formats(families["chain"])
    config = family.space.config(
        {**family.space.min(), **{entry.name: entry.values[0] for entry in family.space.dimensions}}
    )
    family.calibrate(config, [IMAGES])
    statistics = copy.deepcopy(family.statistics)
    equalize(family, [IMAGES])
    assert family.ranges == {}
    assert family.statistics.keys() == statistics.keys()
    family.calibrate(config, [IMAGES])
    for shape, found in family.statistics.items():
        assert all(torch.allclose(found[key], tensor, rtol=1e-4) for key, tensor in statistics[shape].items())


def test_what_would_change_outputs_is_undone_with_a_warning() -> None:
    class Peeking(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.first, self.second, self.third = nn.Linear(24, 32), nn.Linear(32, 32), nn.Linear(32, 5)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            x = self.second(self.first(x).relu()).relu()
            return self.third(x) * self.first.weight.abs().sum()  # type: ignore[no-any-return]

    torch.manual_seed(0)
    family = convert(Peeking(), VECTORS[:2]).eval()
    before = copy.deepcopy(family.model.first.state_dict())  # type: ignore[union-attr]
    with torch.no_grad():
        expected = family(VECTORS)
        with pytest.warns(
            UserWarning,
            match=r'^supple\.precision\.equalize leaves the channels of "first" as they were: scaled, some member '
            r"would give other outputs\.$",
        ):
            scaled = equalize(family, [VECTORS])
        assert [link.giver for link in scaled] == ["second"]
        assert torch.allclose(family(VECTORS), expected, rtol=1e-4)
    assert all(torch.equal(before[key], tensor) for key, tensor in family.model.first.state_dict().items())  # type: ignore[union-attr]


def test_mistakes_are_told(families: dict[str, Family]) -> None:
    with pytest.raises(SuppleError, match=r"^There are no data to equalize on: give at least one batch of inputs\.$"):
        equalize(families["chain"], [])
    weights = EqualizationConfig(EqualizationMethod.WEIGHTS)
    with pytest.raises(SuppleError, match=r"^The family has no dimensions of precision: give it some by supple\.quant"):
        equalize(families["perceptron"], [VECTORS], weights)
    with pytest.raises(
        SuppleError, match=r"^The family has no linear layers whose weights alone are quantized: give it some by supple"
    ):
        equalize(quantize(copy.deepcopy(families["perceptron"])), [VECTORS], weights)
    with pytest.raises(
        SuppleError,
        match=r'^There is no method of equalization "cross" \(cross-layer, activations, weights\); '
        r'did you mean "cross-layer"\?$',
    ):
        EqualizationConfig("cross")  # type: ignore[arg-type]
    with pytest.raises(SuppleError, match=r"^EqualizationConfig\.strength is above 0 and at most 1, not 1\.5\.$"):
        EqualizationConfig(strength=1.5)
    with pytest.raises(SuppleError, match=r"^EqualizationConfig\.batches must be at least 1, not 0\.$"):
        EqualizationConfig(batches=0)
