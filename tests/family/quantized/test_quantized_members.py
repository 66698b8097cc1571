"""Members of any precision: equal inside the family and taken out, rounded where they must be, trained, saved."""

import copy
import json
import random
from pathlib import Path

import pytest
import torch
from mixed_networks import IMAGES, mixed
from torch import nn

from supple import QuantizationConfig, SuppleError, convert, load, quantize
from supple.family import Family, save
from supple.family.quantized.quantizers import precisions_of, without_precision
from supple.space import Config, Kind
from supple.storage import seal

torch.set_num_threads(1)


@pytest.fixture(scope="module")
def plain() -> Family:
    return convert(mixed(), IMAGES[:2])


@pytest.fixture
def family(plain: Family) -> Family:
    return quantize(copy.deepcopy(plain)).eval()


def in_bits(family: Family, number: int) -> Config:
    """Return the full network with every layer in so many bits, if it has them."""
    return family.space.config(
        {entry.name: number for entry in family.space.dimensions if entry.kind is Kind.BITS and number in entry.values}
    )


def drawn(family: Family, count: int) -> list[Config]:
    rng = random.Random(0)
    return [in_bits(family, 8), family.space.min(), *(family.space.sample(rng) for _ in range(count))]


def calibrated(family: Family, configs: list[Config]) -> Family:
    for config in configs:
        family.calibrate(config, [IMAGES])
    return family


def test_the_full_config_is_the_users_model(family):
    assert torch.equal(family(IMAGES), mixed()(IMAGES))


def test_members_equal_their_extracted_networks(family):
    for config in drawn(family, 6):
        family.calibrate(config, [IMAGES])
        member = family.extract(config).eval()
        assert torch.equal(family(IMAGES, config=config), member(IMAGES))
        assert set(member.state_dict()) <= set(mixed().state_dict())
        assert precisions_of(member).keys() == family.precisions(config).keys()


def test_nothing_is_left_behind(family):
    before = family(IMAGES)
    config = in_bits(family, 8)
    family.calibrate(config, [IMAGES])
    assert not torch.equal(family(IMAGES, config=config), before)
    assert torch.equal(family(IMAGES), before)
    assert not any(module._forward_pre_hooks or module._forward_hooks for module in family.model.modules())


def test_a_member_within_another_gives_way_to_it(family):
    config = in_bits(family, 8)
    family.calibrate(config, [IMAGES])
    full, rounded = family(IMAGES), family(IMAGES, config=config)
    with family.activate(config) as member:
        with family.activate(family.space.max()):
            assert torch.equal(member(IMAGES), full)
        assert torch.equal(member(IMAGES), rounded)


def test_int8_rounds_what_a_layer_takes_its_weight_and_what_a_convolution_gives(family):
    config = family.space.config({"stem.0.bits": 8})
    family.calibrate(config, [IMAGES])
    member = family.extract(config)
    precision = precisions_of(member)["stem.0"]
    seen = {}
    member.stem[0].register_forward_hook(lambda module, inputs, output: seen.update(taken=inputs[0]))
    member.stem[1].register_forward_hook(lambda module, inputs, output: seen.update(given=output))
    member(IMAGES)
    assert torch.equal(seen["taken"], precision.grid.rounded(IMAGES))
    assert len(torch.unique(seen["taken"])) <= 256
    # Behind it is a ReLU: nothing negative needs a place on the grid.
    assert seen["given"].min() >= 0
    assert len(torch.unique(seen["given"])) <= 256
    weight = mixed().stem[0].weight
    assert torch.equal(member.stem[0].weight, precision.weight.rounded(weight))
    assert list(precisions_of(member)) == ["stem.0"]


def test_rounding_is_near_full_precision(family):
    config = in_bits(family, 8)
    family.calibrate(config, [IMAGES])
    exact, rounded = family(IMAGES), family(IMAGES, config=config)
    assert 0 < (exact - rounded).norm() / exact.norm() < 0.05


def test_a_copy_without_precision_has_the_same_weights(family):
    config = in_bits(family, 8)
    family.calibrate(config, [IMAGES])
    member = family.extract(config)
    plain = without_precision(member)
    assert precisions_of(plain) == {}
    assert precisions_of(member)
    assert all(torch.equal(one, other) for one, other in zip(member.parameters(), plain.parameters(), strict=True))


@pytest.mark.parametrize(
    "formats",
    [["int8-dynamic"], ["fp8"], ["bf16"], ["fp16"], ["int4-weights"], ["int8-weights"], ["int4-weights", "int8"]],
)
def test_every_format_runs_and_is_taken_out(plain, formats):
    family = quantize(copy.deepcopy(plain), QuantizationConfig(formats={"*": formats})).eval()
    lowest = family.space.config(
        {entry.name: entry.smallest for entry in family.space.dimensions if entry.kind is Kind.BITS}
    )
    family.calibrate(lowest, [IMAGES])
    exact, rounded = family(IMAGES), family(IMAGES, config=lowest)
    assert torch.equal(rounded, family.extract(lowest).eval()(IMAGES))
    assert 0 < (exact - rounded).norm() / exact.norm() < 0.3


def test_a_static_member_that_is_not_calibrated_is_refused(family):
    config = in_bits(family, 8)
    for attempt in (lambda: family(IMAGES, config=config), lambda: family.extract(config)):
        with pytest.raises(SuppleError, match=r"run family.calibrate\(config, inputs\) first"):
            attempt()


def test_members_of_one_shape_share_a_calibration(family):
    configs = [in_bits(family, 8), family.space.config({"stem.0.bits": 8}), family.space.config({"head.bits": 8})]
    family.calibrate(configs[0], [IMAGES])
    for config in configs:
        family(IMAGES, config=config)
    assert list(family.ranges) == [family.space.max()]


def test_calibrated_together_is_calibrated_one_by_one(family):
    other = copy.deepcopy(family)
    configs = drawn(family, 4)
    other.calibrate_together(configs, [IMAGES])
    calibrated(family, configs)
    assert other.ranges == family.ranges
    for config in configs:
        assert torch.equal(other(IMAGES, config=config), family(IMAGES, config=config))


def test_a_member_of_any_precision_trains_the_shared_weights(family):
    config = in_bits(family, 8)
    family.train()
    family(IMAGES, config=config).square().sum().backward()
    assert all(parameter.grad is not None and parameter.grad.isfinite().all() for parameter in family.parameters())


def test_gradients_are_those_of_the_extracted_member(family):
    config = family.space.min()
    family.calibrate(config, [IMAGES])
    member = family.extract(config).eval()
    member(IMAGES).square().sum().backward()
    family(IMAGES, config=config).square().sum().backward()
    inside = dict(family.model.named_parameters())
    for key, parameter in member.named_parameters():
        part = inside[key].grad[tuple(slice(size) for size in parameter.shape)]
        assert torch.allclose(part, parameter.grad, rtol=1e-5, atol=1e-6), key


def test_training_forgets_ranges(family):
    family.calibrate(in_bits(family, 8), [IMAGES])
    family.train()
    assert family.ranges == {}


def test_costs_of_shape_do_not_depend_on_precision(family):
    config = in_bits(family, 8)
    assert family.count_macs(config) == family.count_macs(family.space.max())
    assert family.count_parameters(config) == family.count_parameters(family.space.max())


def test_it_is_saved_and_loaded(family, tmp_path: Path):
    configs = drawn(family, 2)
    calibrated(family, configs)
    save(family, tmp_path)
    again = load(tmp_path, mixed())
    assert again.quantization == family.quantization
    for config in configs:
        assert torch.equal(again(IMAGES, config=config), family(IMAGES, config=config))


def test_a_family_saved_over_a_quantized_one_is_not_quantized(family, plain, tmp_path: Path):
    save(family, tmp_path)
    save(plain, tmp_path)
    assert load(tmp_path, mixed()).quantization is None


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda folder: (folder / "quantization.json").unlink(), "do not belong together"),
        (lambda folder: (folder / "quantization.json").write_text("[]"), "This is no quantization of a family"),
        (lambda folder: (folder / "ranged.json").write_text("{}"), "is no list of configs"),
    ],
)
def test_what_is_foreign_is_refused(family, tmp_path: Path, change, message):
    calibrated(family, [in_bits(family, 8)])
    save(family, tmp_path)
    change(tmp_path)
    (tmp_path / "manifest.json").unlink()
    seal(tmp_path, "family", {})
    with pytest.raises(SuppleError) as error:
        load(tmp_path, mixed())
    assert message in str(error.value)


def test_the_quantization_of_another_family_is_refused(family, tmp_path: Path):
    save(family, tmp_path)
    content = json.loads((tmp_path / "quantization.json").read_text())
    del content["choices"]["head.bits"]
    (tmp_path / "quantization.json").write_text(json.dumps(content))
    (tmp_path / "manifest.json").unlink()
    seal(tmp_path, "family", {})
    with pytest.raises(SuppleError, match="This is the quantization of another family"):
        load(tmp_path, mixed())


def test_a_config_of_another_family_is_refused(family, plain):
    with pytest.raises(SuppleError, match="belongs to space"):
        plain(IMAGES, config=in_bits(family, 8))


def test_data_that_say_nothing_are_refused(family):
    config = in_bits(family, 8)
    with pytest.raises(SuppleError, match="There are no data to calibrate activation ranges on"):
        family.calibrate(config, [])
    with pytest.raises(SuppleError, match=r'What layer "stem\.0" takes is not finite'):
        family.calibrate(config, [torch.full_like(IMAGES, torch.nan)])


def test_a_layer_that_makes_no_finite_numbers_is_named(plain):
    model = mixed()
    with torch.no_grad():
        model.head.bias[0] = torch.inf
    broken = quantize(convert(model, IMAGES[:2], prove=False)).eval()
    with pytest.raises(SuppleError, match='What layer "head" gives is not finite'):
        broken.calibrate(in_bits(broken, 8), [IMAGES])


def test_hooks_of_the_user_stay(family):
    calls = []
    family.model.stem[0].register_forward_pre_hook(lambda module, inputs: calls.append(len(inputs)))
    config = in_bits(family, 8)
    family.calibrate(config, [IMAGES])
    calls.clear()
    family(IMAGES, config=config)
    assert calls == [1]
    assert isinstance(family.model.stem[0], nn.Conv2d)
