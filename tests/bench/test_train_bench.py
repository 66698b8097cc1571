"""The parts of the training benchmark: its schemes, its members, and what it keeps."""

from pathlib import Path

import pytest
import torch

from supple.bench.train_curves import draw_curves
from supple.bench.train_longer import SCHEMES
from supple.bench.train_parts import (
    NETWORKS,
    SHARES,
    KeptTrainings,
    Quarters,
    Setting,
    Trained,
    fixed_members,
    load_data,
    recipe,
    train_alone,
)
from supple.bench.train_schemes import DEFAULT, RANKED, schemes
from supple.data import ImageBatches
from supple.family import Family, convert
from supple.training import SamplerConfig, TrainConfig

RESULT = Trained({"full": 0.5}, 3e9, 1.5, [[1e9, 0.4, 0.3], [3e9, 0.5, 0.4]])


@pytest.fixture(scope="module")
def family() -> Family:
    torch.manual_seed(0)
    return convert(NETWORKS["cnn"](), torch.zeros(2, 1, 28, 28))


def test_the_default_scheme_is_the_library_s():
    assert schemes(TrainConfig())[DEFAULT] == TrainConfig()
    assert {*RANKED, *SCHEMES} <= schemes(TrainConfig()).keys()


def test_every_sampler_is_compared():
    kinds = {config.sampler.kind for config in schemes(recipe(1)).values()}
    assert kinds == {kind.model_fields["kind"].default for kind in _all_kinds(SamplerConfig)}


def test_fixed_members_cost_what_they_are_named_by(family):
    full = family.count_macs(family.space.max())
    members = fixed_members(family)
    for name, share in SHARES.items():
        assert family.count_macs(members[name]) == pytest.approx(share * full, abs=0.02 * full)
    assert (members["smallest"], members["full"]) == (family.space.min(), family.space.max())


def test_a_network_alone_is_the_only_member_and_trains(family):
    data = load_data(None, 16, quick=True)
    trained = train_alone(Setting(NETWORKS["cnn"], data, recipe(1)), family.space.min(), seed=1)
    assert trained.accuracy.keys() == {"alone"}
    epochs = recipe(1).epochs
    assert trained.macs == epochs * 3 * 16 * family.count_macs(family.space.min())
    assert len(trained.curve) == epochs


def test_quarters_of_an_epoch_make_it_up():
    images = ImageBatches(torch.zeros(36, 1, 2, 2, dtype=torch.uint8), torch.arange(36), 4, shuffle=True)
    quarters = Quarters(images)
    seen = []
    for epoch in range(4):
        quarters.set_epoch(epoch)
        seen.extend(label for _, labels in quarters for label in labels.tolist())
    assert len(seen) == len(set(seen)) == 4 * len(quarters) * 4


def test_what_is_kept_is_not_made_again(tmp_path: Path):
    assert KeptTrainings(tmp_path).get("one", lambda: RESULT) == RESULT
    assert KeptTrainings(tmp_path).get("one", lambda: pytest.fail("made again")) == RESULT
    assert KeptTrainings(None).get("one", lambda: RESULT) == RESULT


def test_curves_are_drawn(tmp_path: Path):
    draw_curves({"sandwich": [RESULT, RESULT], "uniform": [RESULT]}, tmp_path / "curves.svg")
    text = (tmp_path / "curves.svg").read_text()
    assert text.startswith("<?xml")
    assert "sandwich" in text or "<path" in text


def _all_kinds(base: type[SamplerConfig]) -> set[type[SamplerConfig]]:
    below = {kind for child in base.__subclasses__() for kind in {child, *_all_kinds(child)}}
    return {kind for kind in below if "kind" in kind.model_fields}
