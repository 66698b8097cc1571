"""The contract of zero-cost scores, and what each of them computes."""

import math

import pytest
import torch
from family_snapshot import snapshot_of
from network_cases import NETWORKS, family_of, images
from torch import nn

from supple import convert
from supple.errors import SuppleError
from supple.searching.zero_cost import ScoreName, score_of
from supple.training import Classification
from supple.training.language_modelling import LanguageModelling

TASK = Classification()
GRADIENTS = [ScoreName.GRADSIGN, ScoreName.SYNFLOW, ScoreName.JACOBIAN]


class Plain(nn.Module):
    """Two linear layers, the first of which an activation follows."""

    def __init__(self, activation: nn.Module) -> None:
        super().__init__()
        self.first, self.activation, self.last = nn.Linear(6, 16), activation, nn.Linear(16, 4)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Map x: (batch, 6) to (batch, 4)."""
        return self.last(self.activation(self.first(x)))  # type: ignore[no-any-return]


@pytest.fixture
def plain():
    torch.manual_seed(0)
    return convert(Plain(nn.ReLU()), torch.randn(2, 6)).eval()


@pytest.fixture
def batch():
    generator = torch.Generator().manual_seed(1)
    return torch.randn(8, 6, generator=generator), torch.randint(4, (8,), generator=generator)


@pytest.mark.parametrize("network", NETWORKS)
@pytest.mark.parametrize("name", ScoreName)
def test_a_score_is_a_number_that_tells_members_apart(name, network):
    family = family_of(network)
    batch = images(family, 1)[0]
    small, large = (score_of(name)(family, config, batch, TASK) for config in (family.space.min(), family.space.max()))
    assert math.isfinite(small)
    assert math.isfinite(large)
    assert small != large


@pytest.mark.parametrize("name", ScoreName)
@pytest.mark.parametrize("training", [False, True])
def test_a_score_changes_nothing_of_the_family(name, training):
    family = family_of("resnet").train(training)
    batch = images(family, 1)[0]
    family.zero_grad()
    if not training:
        family.calibrate(family.space.min(), [batch[0]])
    next(family.parameters()).grad = torch.ones_like(next(family.parameters()))
    before = snapshot_of(family)
    score_of(name)(family, family.space.min(), batch, TASK)
    assert snapshot_of(family) == before


@pytest.mark.parametrize("name", ScoreName)
def test_a_score_is_the_same_again_whatever_mode_and_calibration(name):
    family, score = family_of("resnet"), score_of(name)
    batch, config = images(family, 1)[0], family.space.min()
    first = score(family, config, batch, TASK)
    family.calibrate(config, [3 * batch[0] + 1])
    calibrated = score(family, config, batch, TASK)
    family.train()
    assert first == calibrated == score(family, config, batch, TASK)


def test_counts_are_those_of_the_family(plain, batch):
    config = plain.space.min()
    assert score_of(ScoreName.PARAMETERS)(plain, config, batch, TASK) == plain.count_parameters(config)
    assert score_of(ScoreName.MACS)(plain, config, batch, TASK) == plain.count_macs(config)


def test_gradsign_counts_signs_of_each_samples_gradient(plain, batch):
    network = plain.extract(plain.space.min())
    signs = [torch.zeros_like(weight) for weight in network.parameters()]
    for x, y in zip(*batch, strict=True):
        network.zero_grad()
        nn.functional.cross_entropy(network(x[None]), y[None]).backward()
        for sign, weight in zip(signs, network.parameters(), strict=True):
            sign.add_(weight.grad.sign())
    total = sum(sign.abs().sum().item() for sign in signs)
    assert score_of(ScoreName.GRADSIGN)(plain, plain.space.min(), batch, TASK) == total


def test_gradsign_of_samples_that_agree_is_the_most_there_is(plain, batch):
    same = batch[0][:1].expand(8, -1).clone(), batch[1][:1].expand(8).clone()
    score = score_of(ScoreName.GRADSIGN)
    assert score(plain, plain.space.max(), same, TASK) == 8 * score(
        plain, plain.space.max(), (same[0][:1], same[1][:1]), TASK
    )


def test_synflow_is_the_product_of_absolute_weights_along_all_paths(batch):
    torch.manual_seed(0)
    model = Plain(nn.Identity())
    nn.init.zeros_(model.first.bias)
    nn.init.zeros_(model.last.bias)
    family = convert(model, torch.randn(2, 6)).eval()
    flow = (model.last.weight.abs() @ model.first.weight.abs()).sum().item()
    # Each of the two layers holds all of the flow.
    found = score_of(ScoreName.SYNFLOW)(family, family.space.max(), batch, TASK)
    assert found == pytest.approx(math.log(2 * flow), rel=1e-6)


def test_synflow_of_a_deep_network_does_not_overflow(batch):
    torch.manual_seed(0)
    layers = [layer for _ in range(40) for layer in (nn.Linear(16, 16), nn.ReLU())]
    model = nn.Sequential(nn.Linear(6, 16), *layers, nn.Linear(16, 4))
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.mul_(20)
    family = convert(model, torch.randn(2, 6)).eval()
    found = score_of(ScoreName.SYNFLOW)(family, family.space.max(), batch, TASK)
    # More than float32 holds.
    assert math.log(torch.finfo(torch.float32).max) < found < math.inf


def test_synflow_beyond_all_numbers_is_refused(plain, batch):
    big = plain.double()
    with torch.no_grad():
        for parameter in big.parameters():
            parameter.fill_(1e200)
    with pytest.raises(SuppleError, match="beyond the largest number there is: take another score, as gradsign"):
        score_of(ScoreName.SYNFLOW)(big, big.space.max(), (batch[0].double(), batch[1]), TASK)


def test_the_jacobian_of_a_linear_network_is_the_same_for_all_samples(batch):
    torch.manual_seed(0)
    family = convert(Plain(nn.Identity()), torch.randn(2, 6)).eval()
    found = score_of(ScoreName.JACOBIAN)(family, family.space.max(), batch, TASK)
    # One eigenvalue is the number of samples, the others are none.
    values = [8 + 1e-5] + [1e-5] * 7
    expected = -sum(math.log(value) + 1 / value for value in values)
    assert found == pytest.approx(expected, rel=1e-4)


def test_the_jacobian_scores_networks_that_tell_samples_apart_higher(plain, batch):
    score = score_of(ScoreName.JACOBIAN)
    alike = batch[0][:1] + 1e-3 * batch[0], batch[1]
    assert score(plain, plain.space.max(), batch, TASK) > score(plain, plain.space.max(), alike, TASK)


def test_the_jacobian_of_whole_numbers_is_refused():
    torch.manual_seed(0)
    model = nn.Sequential(nn.Embedding(20, 16), nn.Linear(16, 24), nn.ReLU(), nn.Linear(24, 20))
    family = convert(model, torch.randint(20, (2, 6))).eval()
    words = torch.randint(20, (4, 6))
    with pytest.raises(SuppleError, match="needs inputs that are real numbers, as images; these are whole numbers"):
        score_of(ScoreName.JACOBIAN)(family, family.space.max(), (words, words), LanguageModelling())
    for name in (ScoreName.GRADSIGN, ScoreName.SYNFLOW):
        assert math.isfinite(score_of(name)(family, family.space.min(), (words, words), LanguageModelling()))


def test_a_batch_that_cannot_be_taken_apart_is_refused(plain):
    from supple.searching.zero_cost.members import first_samples

    class Counted(Classification):
        def samples(self, batch):
            return 5

    with pytest.raises(SuppleError, match="A batch of 5 samples cannot be taken apart into samples"):
        first_samples((torch.randn(8, 6), torch.zeros(8)), 2, Counted())
