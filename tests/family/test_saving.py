"""Saving and loading: the same family comes back, and nothing damaged or foreign does."""

import copy
import json
import random
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from family_cases import HARD
from safetensors.torch import save_file
from torch import nn

from supple import Family, convert, load
from supple.errors import SuppleError
from supple.family import save
from supple.storage import seal

CASE = HARD["concatenated"]
FILES = ("structure.json", "weights.safetensors", "calibrated.json", "statistics.safetensors", "manifest.json")


@pytest.fixture(scope="module")
def family() -> Family:
    torch.manual_seed(0)
    model = CASE.model().train()
    model(CASE.inputs(16))
    made = convert(model.eval(), CASE.inputs(2))
    for config in (made.space.min(), made.space.sample(random.Random(0))):
        made.calibrate(config, [CASE.inputs(16)])
    return made


@pytest.fixture
def folder(family: Family, tmp_path: Path) -> Path:
    save(family, tmp_path / "deep" / "family")
    return tmp_path / "deep" / "family"


def another() -> nn.Module:
    torch.manual_seed(1)
    return CASE.model().eval()


def test_the_same_family_comes_back_with_its_calibrations(family: Family, folder: Path) -> None:
    again = load(folder, another())
    assert again.structure == family.structure
    assert again.statistics.keys() == family.statistics.keys()
    x = CASE.inputs()
    rng = random.Random(0)
    for config in (family.space.max(), *family.statistics, *(family.space.sample(rng) for _ in range(5))):
        assert torch.equal(again(x, config=config), family(x, config=config))
        assert torch.equal(again.extract(config)(x), family(x, config=config))


def test_a_folder_holds_only_sealed_plain_files(folder: Path) -> None:
    assert sorted(path.name for path in folder.iterdir()) == sorted(FILES)


@pytest.mark.parametrize("name", HARD)
def test_hard_models_come_back(name: str, tmp_path: Path) -> None:
    case = HARD[name]
    torch.manual_seed(0)
    family = convert(case.model().eval(), case.inputs(2))
    save(family, tmp_path)
    torch.manual_seed(0)
    # Buffers that the state dict leaves out come from the model.
    again = load(tmp_path, case.model().eval())
    x = case.inputs()
    assert torch.equal(again(x, config=again.space.min()), family(x, config=family.space.min()))


def test_a_family_can_be_saved_while_a_member_is_active(family: Family, folder: Path, tmp_path: Path) -> None:
    with family.activate(family.space.min()):
        save(family, tmp_path / "other")
    assert (tmp_path / "other" / "weights.safetensors").read_bytes() == (folder / "weights.safetensors").read_bytes()


def test_saving_again_replaces(family: Family, folder: Path) -> None:
    changed = copy.deepcopy(family)
    with torch.no_grad():
        changed.model.head.bias.add_(1)
    changed.forget_calibrations()
    save(changed, folder)
    again = load(folder, another())
    assert again.statistics == {}
    assert torch.equal(again.model.head.bias, changed.model.head.bias)


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("place", [0.0, 0.3, 0.6, 0.999])
def test_a_flipped_bit_is_found_and_leaves_the_model(folder: Path, name: str, place: float) -> None:
    data = bytearray((folder / name).read_bytes())
    data[int(place * len(data))] ^= 1
    (folder / name).write_bytes(data)
    model = another()
    before = copy.deepcopy(model.state_dict())
    with pytest.raises(SuppleError):
        load(folder, model)
    assert all(torch.equal(before[key], tensor) for key, tensor in model.state_dict().items())


@pytest.mark.parametrize("name", FILES)
def test_a_truncated_or_missing_file_is_found(folder: Path, name: str) -> None:
    content = (folder / name).read_bytes()
    (folder / name).write_bytes(content[: len(content) // 2])
    with pytest.raises(SuppleError):
        load(folder, another())
    (folder / name).unlink()
    with pytest.raises(SuppleError):
        load(folder, another())


def test_a_missing_folder_is_named(tmp_path: Path) -> None:
    with pytest.raises(SuppleError, match="nowhere"):
        load(tmp_path / "nowhere", another())


def test_a_folder_that_cannot_be_made_is_named(family: Family, tmp_path: Path) -> None:
    (tmp_path / "taken").write_text("a file")
    with pytest.raises(SuppleError, match=r'The folder ".*taken.*" cannot be made: '):
        save(family, tmp_path / "taken" / "family")


def wider(model: nn.Module) -> None:
    model.head = nn.Linear(32, 7)


def more(model: nn.Module) -> None:
    model.heads = nn.Linear(32, 5)


def fewer(model: nn.Module) -> None:
    del model.norm


def double(model: nn.Module) -> None:
    model.left.double()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            wider,
            r'Tensor "head\.(bias|weight)" is torch\.float32 \[5.*\] in the saved family, but .* \[7.*\] in',
        ),
        (more, r'The model has a tensor "heads\.bias", the saved family has none; did you mean "head\.bias"\?'),
        (fewer, r'The saved family has a tensor "norm\.bias", the model has none'),
        (double, r'Tensor "left\.(bias|weight)" is torch\.float32 .* but torch\.float64'),
    ],
)
def test_another_model_is_refused_by_the_name_of_the_tensor(
    folder: Path, change: Callable[[nn.Module], None], message: str
) -> None:
    model = another()
    change(model)
    before = copy.deepcopy(model.state_dict())
    with pytest.raises(SuppleError, match=message):
        load(folder, model)
    assert all(torch.equal(before[key], tensor) for key, tensor in model.state_dict().items())


def test_a_model_of_other_attributes_is_refused(folder: Path) -> None:
    model = another()
    # The same tensors, but a dense convolution of one group is another network.
    model.depthwise = nn.Conv2d(1, 82, 3)
    with pytest.raises(SuppleError, match="does not fit the model: it was made of another one"):
        load(folder, model)


def rewrite(folder: Path, name: str, change: Callable[[object], object]) -> None:
    """Change the content of a JSON file and seal the folder anew, as a forger would."""
    path = folder / name
    path.write_text(json.dumps(change(json.loads(path.read_text()))))
    (folder / "manifest.json").unlink()
    seal(folder, "family", {})


def with_module(content: dict[str, list[dict[str, object]]]) -> object:
    content["attributes"][0]["module"] = "nowhere"
    return content


def with_attribute(content: dict[str, list[dict[str, object]]]) -> object:
    content["attributes"][0]["name"] = "_modules"
    return content


def with_block(content: dict[str, object]) -> object:
    content["blocks"] = [{"path": "nowhere", "dimension": "left.width", "at_least": 1, "at_most": None}]
    return content


def without_axes(content: dict[str, dict[str, object]]) -> object:
    content["axes"].popitem()
    return content


@pytest.mark.parametrize("change", [with_module, with_attribute, with_block, without_axes])
def test_a_forged_structure_is_refused(folder: Path, change: Callable[[object], object]) -> None:
    rewrite(folder, "structure.json", change)
    with pytest.raises(SuppleError, match="does not fit the model"):
        load(folder, another())


@pytest.mark.parametrize("content", [7, {}, [7], ["{}"], [], ['{"space": "abc", "values": {}}']])
def test_forged_configs_are_refused(folder: Path, content: object) -> None:
    rewrite(folder, "calibrated.json", lambda _: content)
    with pytest.raises(SuppleError):
        load(folder, another())


@pytest.mark.parametrize(
    ("key", "size"), [("0.norm.running_mean", 3), ("9.norm.running_mean", 41), ("x.norm", 1), ("norm", 1), ("0.no", 1)]
)
def test_forged_statistics_are_refused(folder: Path, key: str, size: int) -> None:
    save_file({key: torch.ones(size)}, folder / "statistics.safetensors")
    (folder / "manifest.json").unlink()
    seal(folder, "family", {})
    with pytest.raises(SuppleError, match=f'Tensor "{key}" in .* belongs to no calibrated member'):
        load(folder, another())
