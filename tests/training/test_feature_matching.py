"""The comparison of members' features with the full member's."""

import pytest
import torch
from torch import nn
from torch.nn import functional

from supple.errors import SuppleError
from supple.family import Family, convert
from supple.training.classification import Classification
from supple.training.distillation import DistillationConfig
from supple.training.feature_matching import FeatureMatching
from supple.training.objective import Objective
from supple.training.sampler import Draw


class Block(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(width)
        self.up = nn.Linear(width, 2 * width)
        self.down = nn.Linear(2 * width, width)

    def forward(self, x):
        return x + self.down(torch.relu(self.up(self.norm(x))))


class Tokens(nn.Module):
    """A small residual network on (batch, tokens, width); its blocks are run one by one."""

    def __init__(self) -> None:
        super().__init__()
        self.embed = nn.Linear(5, 16)
        self.blocks = nn.ModuleList(Block(16) for _ in range(3))
        self.head = nn.Linear(16, 4)

    def forward(self, x):
        x = self.embed(x)
        for block in self.blocks:
            x = block(x)
        return self.head(x.mean(1))


def read(matching: FeatureMatching, family: Family, config, x):
    with matching.reading() as features, family.activate(config) as member:
        member(family.resize(config, x))
    return features


@pytest.fixture
def images(train_data):
    return next(iter(train_data))[0]


@pytest.fixture(scope="module")
def tokens() -> Family:
    torch.manual_seed(3)
    return convert(Tokens(), torch.randn(2, 6, 5)).eval()


def test_stages_and_the_classifier_s_input_are_read(family, images):
    features = read(FeatureMatching(family), family.eval(), family.space.max(), images)
    assert {path: tuple(feature.shape) for path, feature in features.items()} == {
        "blocks": (16, 16, 6, 6),
        "head": (16, 16),
    }


def test_blocks_that_are_run_one_by_one_are_read_one_by_one_where_they_are_there(tokens):
    x = torch.randn(2, 6, 5)
    matching = FeatureMatching(tokens)
    assert set(read(matching, tokens, tokens.space.max(), x)) == {"blocks.0", "blocks.1", "blocks.2", "head"}
    shallow = tokens.space.config({"blocks.depth": tokens.space["blocks.depth"].smallest})
    dropped = set(tokens.structure.dropped_blocks(shallow))
    assert dropped
    assert set(read(matching, tokens, shallow, x)) == {"blocks.0", "blocks.1", "blocks.2", "head"} - dropped


def test_the_difference_is_that_of_the_shared_channels(family, images):
    family.eval()
    matching = FeatureMatching(family)
    config = family.space.min()
    full, small = (read(matching, family, entry, images) for entry in (family.space.max(), config))
    width = small["head"].shape[1]
    assert width < 16
    errors = [
        functional.mse_loss(small[path], full[path][:, :width]) / full[path][:, :width].square().mean()
        for path in ("blocks", "head")
    ]
    torch.testing.assert_close(matching.difference(config, small, full), (errors[0] + errors[1]) / 2)


def test_equal_features_of_any_width_and_scale_do_not_differ(tokens):
    matching = FeatureMatching(tokens)
    config = tokens.space.min()
    full = read(matching, tokens, tokens.space.max(), torch.randn(2, 6, 5))
    small = read(matching, tokens, config, torch.randn(2, 6, 5))
    same = {path: full[path][..., : feature.shape[-1]] for path, feature in small.items()}
    assert matching.difference(config, same, full) == 0
    twice = {path: 2 * feature for path, feature in same.items()}
    assert matching.difference(config, twice, full).item() == pytest.approx(1)


def test_members_on_smaller_images_are_compared_with_averages():
    torch.manual_seed(0)
    layers = [nn.Conv2d(1, 16, 3, padding=1), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(16, 3)]
    family = convert(nn.Sequential(*layers), torch.randn(2, 1, 8, 8), resolutions=[4, 8]).eval()
    config = family.space.min()
    matching = FeatureMatching(family, ["1"])
    x = torch.randn(3, 1, 8, 8)
    full, small = (read(matching, family, entry, x) for entry in (family.space.max(), config))
    width = small["1"].shape[1]
    assert tuple(small["1"].shape) == (3, width, 4, 4)
    assert width < 16
    part = functional.avg_pool2d(full["1"][:, :width], 2)
    expected = functional.mse_loss(small["1"], part) / part.square().mean()
    torch.testing.assert_close(matching.difference(config, small, full), expected)


def test_channels_may_lie_last(tokens):
    matching = FeatureMatching(tokens)
    config = tokens.space.min()
    full = torch.randn(2, 4, 4, 16)
    width = read(matching, tokens, config, torch.randn(2, 6, 5))["head"].shape[1]
    assert width < 16
    small = full[..., :width]
    assert matching.difference(config, {"x": small}, {"x": full}) == 0
    pooled = functional.avg_pool2d(full.movedim(-1, 1), 2).movedim(1, -1)
    assert matching.difference(config, {"x": pooled}, {"x": full}).item() == pytest.approx(0, abs=1e-12)


def test_what_has_no_counterpart_is_left_out(tokens):
    matching = FeatureMatching(tokens)
    config = tokens.space.min()
    full = {"a": torch.randn(2, 8), "b": torch.randn(2, 8), "c": torch.randn(2, 8)}
    odd = {"a": torch.randn(2, 7), "b": torch.randn(2, 8, 1), "d": torch.randn(2, 8)}
    assert matching.difference(config, odd, full) is None


def test_indices_that_are_no_prefix_are_followed():
    """Of two branches side by side the member keeps the first channels of each."""

    class Branches(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.left, self.right, self.head = nn.Linear(5, 24), nn.Linear(5, 16), nn.Linear(40, 3)

        def forward(self, x):
            return self.head(torch.relu(torch.cat((self.left(x), self.right(x)), 1)))

    torch.manual_seed(0)
    family = convert(Branches(), torch.randn(2, 5)).eval()
    config = family.space.min()
    matching = FeatureMatching(family)
    x = torch.randn(4, 5)
    full, small = (read(matching, family, entry, x) for entry in (family.space.max(), config))
    assert small["head"].shape[1] == config["left.width"] + config["right.width"] < 40
    assert matching.difference(config, small, full).item() == pytest.approx(0, abs=1e-9)


def test_patterns_choose_the_modules(tokens):
    features = read(FeatureMatching(tokens, ["embed", "*.up"]), tokens, tokens.space.max(), torch.randn(2, 6, 5))
    assert set(features) == {"embed", "blocks.0.up", "blocks.1.up", "blocks.2.up"}


def test_a_pattern_that_finds_nothing_is_named(family):
    with pytest.raises(SuppleError, match='No module is found by the pattern "block"; did you mean "blocks"'):
        FeatureMatching(family, ["block"])


def test_no_hooks_stay(family, images):
    read(FeatureMatching(family), family, family.space.min(), images)
    assert not any(module._forward_hooks or module._forward_pre_hooks for module in family.model.modules())


def test_the_objective_adds_the_difference(family, train_data):
    family.model.dropout.p = 0.0
    family.train()
    batch = next(iter(train_data))
    largest, smallest = family.space.max(), family.space.min()
    losses, gradients = [], []
    for weight in (0.0, 0.5):
        objective = Objective(family, Classification(), DistillationConfig(feature_weight=weight))
        objective.begin(batch)
        for config in (largest, smallest):
            with family.activate(config) as member:
                loss = objective.loss(Draw(config), member, batch)
        family.zero_grad()
        loss.total.backward()
        losses.append(loss.total.item())
        gradients.append(family.model.stem[0].weight.grad.clone())
    matching = FeatureMatching(family)
    full, small = (read(matching, family, config, batch[0]) for config in (largest, smallest))
    assert losses[1] - losses[0] == pytest.approx(0.5 * matching.difference(smallest, small, full).item(), rel=1e-4)
    assert not torch.equal(*gradients)


def test_in_a_step_without_the_full_member_features_are_left_alone(family, train_data):
    batch = next(iter(train_data))
    objective = Objective(family, Classification(), DistillationConfig(feature_weight=1.0))
    for config in (family.space.max(), family.space.min()):
        objective.begin(batch)
        with family.activate(config) as member:
            loss = objective.loss(Draw(config), member, batch)
        assert torch.equal(loss.total, loss.data)
