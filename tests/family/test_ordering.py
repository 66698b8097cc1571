"""Orders of importance: what every method promises, on many forms of networks, and what goes wrong."""

import copy
import random
import warnings
from pathlib import Path
from typing import Any

import pytest
import torch
from architecture_cases import Dense, Gated, LanguageModel, Shuffled, UNet, VisionTransformer
from family_cases import CASES
from torch import nn
from torch.nn.utils import parametrizations

from supple import Choice, Family, OrderConfig, convert, load, order
from supple.errors import SuppleError
from supple.family import ImportanceMethod, save
from supple.family.importance import PERMUTABLE, Batch
from supple.family.ordering import TIE, measure_importance
from supple.trace import ModelInputs

IMAGES = torch.randn(4, 3, 8, 8)
MODELS: dict[str, tuple[Any, torch.Tensor]] = {
    **{name: (case.model, case.inputs()) for name, case in CASES.items()},
    "vision transformer": (VisionTransformer, torch.randn(4, 3, 16, 16)),
    "language model": (LanguageModel, torch.randint(20, (4, 6))),
    "u-net": (UNet, IMAGES),
    "dense": (Dense, IMAGES),
    "shuffled": (Shuffled, IMAGES),
    "gated": (Gated, torch.randn(4, 12)),
}
METHODS = list(ImportanceMethod)


def some_loss(outputs: torch.Tensor, targets: object) -> torch.Tensor:
    """Any loss that depends on every output in another way."""
    return (outputs * torch.linspace(-1, 1, outputs.numel()).view_as(outputs)).sum() + outputs.square().mean()


@pytest.fixture(scope="module")
def families() -> dict[str, Family]:
    torch.manual_seed(0)
    found = {}
    for name, (build, x) in MODELS.items():
        model = build().train()
        with torch.no_grad():
            # Statistics and scales that differ from channel to channel.
            for module in model.modules():
                if isinstance(module, nn.BatchNorm1d | nn.BatchNorm2d | nn.LayerNorm) and module.weight is not None:
                    module.weight.uniform_(0.2, 2)
            model(x)
        found[name] = convert(model.eval(), x).eval()
    return found


def data_of(name: str) -> list[tuple[torch.Tensor, int]]:
    return [(MODELS[name][1], 0)]


def run(model: nn.Module, x: torch.Tensor, **named: Any) -> torch.Tensor:
    with torch.no_grad():
        return model(x, **named)  # type: ignore[no-any-return]


def ordered(family: Family, name: str, method: ImportanceMethod, **config: Any) -> Family:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        return order(copy.deepcopy(family), OrderConfig(method, **config), data_of(name), some_loss)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("name", MODELS)
def test_outputs_keys_and_shapes_stay(name: str, method: ImportanceMethod, families: dict[str, Family]) -> None:
    before, x = families[name], MODELS[name][1]
    after = ordered(before, name, method)
    expected = run(before, x)
    assert (run(after, x) - expected).abs().max() <= 1e-5 * expected.abs().max()
    old, new = before.model.state_dict(), after.model.state_dict()
    assert list(old) == list(new)
    assert all(old[key].shape == new[key].shape for key in old)
    # Something has moved at all.
    assert any(not torch.equal(old[key], new[key]) for key in old)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("name", MODELS)
def test_importance_descends_and_a_second_order_changes_nothing(
    name: str, method: ImportanceMethod, families: dict[str, Family]
) -> None:
    family = ordered(families[name], name, method)
    batches = [Batch(ModelInputs.of(x), targets) for x, targets in data_of(name)]
    importance = measure_importance(family, method, batches, some_loss)
    permutable = {entry.name for entry in family.space.dimensions if entry.kind in PERMUTABLE}
    assert importance.indices.keys() == permutable
    for scores in importance.indices.values():
        assert ((scores[1:] - scores[:-1]) <= TIE * scores.max()).all()
    again = ordered(family, name, method)
    assert again.space == family.space
    assert all(torch.equal(again.model.state_dict()[key], tensor) for key, tensor in family.model.state_dict().items())


@pytest.mark.parametrize("name", MODELS)
def test_members_are_their_extracted_networks(name: str, families: dict[str, Family], tmp_path: Path) -> None:
    family, x, rng = ordered(families[name], name, ImportanceMethod.L1), MODELS[name][1], random.Random(1)
    save(family, tmp_path)
    loaded = load(tmp_path, MODELS[name][0]().eval())
    for config in (family.space.min(), *(family.space.sample(rng) for _ in range(3))):
        expected = run(family, x, config=config)
        assert torch.equal(expected, run(family.extract(config), x))
        if name != "buffered":  # It has a buffer that no state dict holds.
            assert torch.equal(expected, run(loaded, x, config=config))


def test_tied_weights_stay_tied(families: dict[str, Family]) -> None:
    model = ordered(families["language model"], "language model", ImportanceMethod.L1).model
    assert model.head.weight is model.table.weight


def test_heads_move_with_their_keys_and_values(families: dict[str, Family]) -> None:
    before = families["vision transformer"].model.blocks[0].attn
    after = ordered(families["vision transformer"], "vision transformer", ImportanceMethod.L1).model.blocks[0].attn
    # Each head's rows of queries, keys and values are a set that stays together, whatever the order of the columns.
    old, new = (sorted(attn.qkv.bias.detach().reshape(3, 4, 8)[:, head].flatten().tolist() for head in range(4))
                for attn in (before, after))  # fmt: skip
    assert old == new


def two_layers(scales: list[float]) -> Family:
    """A hidden layer whose units the last layer reads with weights of these sizes."""
    model = nn.Sequential(nn.Linear(4, len(scales)), nn.Tanh(), nn.Linear(len(scales), 3))
    with torch.no_grad():
        model[2].weight.copy_(torch.tensor(scales).expand(3, -1))
    return convert(model.eval(), torch.randn(2, 4)).eval()


SCALES = [float(place) for place in torch.randperm(16, generator=torch.Generator().manual_seed(0))]


def test_l1_puts_the_most_read_first() -> None:
    family = order(two_layers(SCALES), OrderConfig(ImportanceMethod.L1), [(torch.randn(2, 4), None)])
    assert family.model[2].weight[0].tolist() == sorted(SCALES, reverse=True)


def test_l1_reads_weights_that_are_computed() -> None:
    model = two_layers(SCALES).model
    parametrizations.weight_norm(model[2])
    family = order(convert(model, torch.randn(2, 4)), OrderConfig(ImportanceMethod.L1), [(torch.randn(2, 4), None)])
    weight = family.model[2].weight[0]
    assert torch.equal(weight, weight.sort(descending=True).values)


def test_activation_sees_what_weights_do_not() -> None:
    family = two_layers([1.0] * 16)
    with torch.no_grad():
        family.model[0].weight.mul_(torch.tensor(SCALES)[:, None])
        family.model[0].bias.zero_()
    x = torch.randn(64, 4)
    order(family, OrderConfig(ImportanceMethod.ACTIVATION), [(x, None)])
    sizes = run(family.model[:2], x).abs().mean(0)
    assert (sizes[1:] <= sizes[:-1]).all()
    assert not bool(family.model[0].weight[-1].any())


def test_taylor_is_the_squared_gradient_of_a_gate() -> None:
    family, x = two_layers(SCALES), torch.randn(8, 4)
    labels = torch.arange(8) % 3
    importance = measure_importance(family, ImportanceMethod.TAYLOR, [Batch(ModelInputs.of(x), labels)])
    assert all(parameter.grad is None for parameter in family.parameters())
    expected = torch.zeros(16)
    for sample, label in zip(x, labels, strict=True):
        gate = torch.ones(16, requires_grad=True)
        logits = family.model[2](family.model[:2](sample[None]) * gate)
        nn.functional.cross_entropy(logits, label[None]).backward()
        expected += (gate.grad / 8).square()
    (scores,) = importance.indices.values()
    assert torch.allclose(scores.float(), expected, rtol=1e-4)


def test_frozen_parameters_stay_frozen_and_count() -> None:
    family = two_layers(SCALES)
    family.requires_grad_(False)
    order(family, OrderConfig(ImportanceMethod.TAYLOR), [(torch.randn(8, 4), torch.arange(8) % 3)])
    assert family.model[2].weight[0].tolist() != SCALES
    assert not any(parameter.requires_grad for parameter in family.parameters())


class FirstChannel(nn.Module):
    """One channel is a gate for all: each member has it, as long as it stays the first."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.second, self.last = nn.Linear(4, 16), nn.Linear(16, 16), nn.Linear(16, 3)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Map x: (batch, 4) to (batch, 3)."""
        x = self.first(x)
        return self.last(self.second(x).relu()) * (1 + 0.01 * x.select(1, 0)[:, None])  # type: ignore[no-any-return]


class GateByFirst(nn.Module):
    """Scales all channels by the first one."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Map x: (batch, 16) to the same shape."""
        return x * (1 + x.select(1, 0)[:, None])


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("option", [nn.Linear(16, 16), GateByFirst()], ids=["linear", "by the first"])
def test_options_that_the_full_network_leaves_out_are_right_too(method: ImportanceMethod, option: nn.Module) -> None:
    torch.manual_seed(2)
    model = nn.Sequential(nn.Linear(4, 16), Choice(nn.Linear(16, 16), option), nn.Tanh(), nn.Linear(16, 3))
    family, x = convert(model, torch.randn(2, 4)).eval(), torch.randn(8, 4)
    configs = [family.space.config({"1.operator": value}) for value in family.space["1.operator"].values]
    assert len(configs) == 2
    expected = [run(family, x, config=config) for config in configs]
    before = family.model[3].weight.clone()
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        order(family, OrderConfig(method), [(x, torch.arange(8) % 3)])
    for config, outputs in zip(configs, expected, strict=True):
        assert torch.allclose(run(family, x, config=config), outputs, atol=1e-5)
    assert len(caught) == isinstance(option, GateByFirst)
    assert torch.equal(before, family.model[3].weight) == isinstance(option, GateByFirst)


def test_learnt_kernel_transforms_stay() -> None:
    torch.manual_seed(3)
    blocks = nn.Sequential(*(Convolved() for _ in range(3)))
    family = convert(nn.Sequential(nn.Conv2d(3, 8, 1), blocks), IMAGES, kernel_transform=True).eval()
    with torch.no_grad():
        for matrix in family.kernel_transforms.parameters():
            matrix.add_(torch.randn_like(matrix))
    after = order(family, OrderConfig(blocks={"1.depth": ("1.2", "1.1", "1.0")}), [(IMAGES, None)])
    assert after is not family
    member = {"1.0.conv.kernel": 3}
    assert torch.equal(
        run(after, IMAGES, config=after.space.config(member)), run(family, IMAGES, config=family.space.config(member))
    )


class Convolved(nn.Module):
    """A residual block with an elastic kernel."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(8, 8, 5, padding=2)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Map x: (batch, 8, height, width) to the same shape."""
        return x + self.conv(x)  # type: ignore[no-any-return]


@pytest.mark.parametrize("method", METHODS)
def test_a_dimension_whose_order_matters_is_put_back(method: ImportanceMethod) -> None:
    torch.manual_seed(1)
    family, x = convert(FirstChannel(), torch.randn(2, 4)).eval(), torch.randn(8, 4)
    with torch.no_grad():
        # Little speaks for the first channel, so it would leave its place.
        family.model.second.weight[:, 0] = 0
    first, second = family.model.first.weight.clone(), family.model.second.weight.clone()
    expected = run(family, x)
    data = [(x, torch.arange(8) % 3)]
    with pytest.warns(UserWarning, match=r'leaves "first\.width" as found: the outputs .* depend on the order'):
        order(family, OrderConfig(method), data)
    assert torch.allclose(run(family, x), expected, rtol=1e-5)
    assert torch.equal(family.model.first.weight, first)
    assert not torch.equal(family.model.second.weight, second)
    # As the warning says, naming it silences the warning, which would be an error here.
    order(family, OrderConfig(method, keep=("first.*",)), data)


def test_kept_dimensions_stay(families: dict[str, Family]) -> None:
    before = families["gated"]
    after = ordered(before, "gated", ImportanceMethod.L1, keep=("first.*",))
    assert torch.equal(before.model.first.weight, after.model.first.weight)
    assert not torch.equal(before.model.head.weight, after.model.head.weight)


def test_the_block_that_changes_most_is_kept_longest(families: dict[str, Family]) -> None:
    family = copy.deepcopy(families["dropped"])
    with torch.no_grad():
        for block, scale in zip(family.model.blocks, (0.1, 1.0, 10.0), strict=True):
            block.second.weight.mul_(scale)
            block.second.bias.mul_(scale)
    config = OrderConfig(ImportanceMethod.ACTIVATION)
    family = order(family, config, data_of("dropped"))
    member = family.extract(family.space.config({"blocks.depth": 2}))
    assert list(member.blocks._modules) == ["1", "2"]
    member = family.extract(family.space.config({"blocks.depth": 1}))
    assert list(member.blocks._modules) == ["2"]
    assert order(copy.deepcopy(families["dropped"]), OrderConfig(by_depth=False), data_of("dropped")).space == (
        families["dropped"].space
    )


def test_blocks_are_dropped_in_the_order_that_is_given(families: dict[str, Family]) -> None:
    before = families["dropped"]
    config = OrderConfig(None, blocks={"blocks.depth": ("blocks.1", "blocks.2", "blocks.0")})
    after = order(copy.deepcopy(before), config)
    member = after.extract(after.space.config({"blocks.depth": 2}))
    assert list(member.blocks._modules) == ["1", "2"]
    old, new = before.model.state_dict(), after.model.state_dict()
    assert all(torch.equal(old[key], new[key]) for key in old)


def test_a_given_order_of_blocks_wins(families: dict[str, Family]) -> None:
    given = ("blocks.2", "blocks.0", "blocks.1")
    family = ordered(families["dropped"], "dropped", ImportanceMethod.ACTIVATION, blocks={"blocks.depth": given})
    at_least = {block.path: block.at_least for block in family.structure.blocks}
    assert tuple(sorted(given, key=at_least.__getitem__)) == given


def test_calibrations_are_forgotten(resnet: Family) -> None:
    x = CASES["resnet_demo"].inputs()
    resnet.eval().calibrate(resnet.space.min(), [x])
    assert order(resnet, OrderConfig(ImportanceMethod.L1), [(x, None)]).statistics == {}
    assert resnet.statistics == {}


@pytest.mark.parametrize(
    ("config", "data", "message"),
    [
        (OrderConfig(), None, r"supple\.order got no data: give at least one batch of \(inputs, targets\)\."),
        (OrderConfig(), [], r"supple\.order got no data"),
        (
            OrderConfig(),
            [torch.randn(3, 4)],
            r"takes batches of \(inputs, targets\), not a Tensor: give \(inputs, None",
        ),
        (OrderConfig(ImportanceMethod.TAYLOR), [(torch.randn(2, 4), None)], r"TAYLOR needs targets: give batches of"),
        (OrderConfig(batches=0), [], r"OrderConfig\.batches must be at least 1, not 0\."),
        (OrderConfig(blocks={"blocks.deph": ()}), [], r'The space has no depth dimension "blocks\.deph"'),
        (OrderConfig(), [(torch.full((2, 4), torch.nan), None)], r'The importance of "0\.\w+" is not finite'),
    ],
)
def test_mistakes_are_told(config: OrderConfig, data: Any, message: str) -> None:
    with pytest.raises(SuppleError, match=message):
        order(two_layers(SCALES), config, data)
