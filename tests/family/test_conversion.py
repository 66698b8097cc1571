"""From a model to a family: what is found, what is frozen by the proof, and what is refused."""

import copy
import random

import pytest
import torch
from family_cases import HARD, REFERENCE, snapshot
from torch import nn

from supple import convert
from supple.errors import SuppleError
from supple.trace import Frozen

X = torch.randn(4, 12)


def test_the_users_model_is_not_changed() -> None:
    model = REFERENCE["mobilenet_small"].model().train()
    model.stem.eval()
    before = snapshot(model)
    family = convert(model, torch.randn(2, 3, 16, 16))
    family.train()(torch.randn(2, 3, 16, 16), config=family.space.min()).sum().backward()
    family(torch.randn(2, 3, 16, 16))
    assert snapshot(model) == before
    assert all(parameter.grad is None for parameter in model.parameters())


def test_the_family_has_the_models_mode() -> None:
    assert not convert(HARD["flattened"].model().eval(), HARD["flattened"].inputs(2)).training
    assert convert(HARD["flattened"].model().train(), HARD["flattened"].inputs(2)).training


def test_the_proof_leaves_statistics_and_buffers() -> None:
    model = HARD["buffered"].model()
    before = {key: tensor.clone() for key, tensor in model.state_dict().items()}
    family = convert(model, HARD["buffered"].inputs(2))
    assert all(torch.equal(before[key], tensor) for key, tensor in family.model.state_dict().items())


def test_the_proof_leaves_the_random_numbers() -> None:
    model = nn.Sequential(nn.Linear(12, 16), nn.Dropout(0.5), nn.Linear(16, 5))
    before = torch.get_rng_state()
    convert(model, torch.ones(2, 12))
    assert torch.equal(torch.get_rng_state(), before)


def test_a_small_family_is_proved_without_touching_the_full_network() -> None:
    # With two members, the random configs of the proof hold the full one.
    model = nn.Sequential(nn.Linear(12, 16), nn.BatchNorm1d(16), nn.Linear(16, 5)).train()
    family = convert(model, X)
    assert family.space.count() == 2
    assert torch.equal(family.model[1].running_mean, torch.zeros(16))


@pytest.mark.parametrize(
    ("name", "dimensions"),
    [
        ("tied layers", {"first.width"}),
        ("tied table", {"out.width", "hidden.width"}),
        ("flattened", {"conv.width", "channels_first.width"}),
        ("concatenated", {"left.width", "right.width", "reader.width"}),
        ("grouped", {"stem.width", "grouped.width"}),
        ("buffered", {"first.width"}),
    ],
)
def test_hard_models_are_elastic(name: str, dimensions: set[str]) -> None:
    found = {entry.name for entry in convert(HARD[name].model(), HARD[name].inputs(2)).space.dimensions}
    assert found == dimensions


def test_a_single_tensor_or_a_tuple_are_example_inputs() -> None:
    model = nn.Sequential(nn.Linear(12, 16), nn.Linear(16, 5))
    assert convert(model, X).space == convert(model, (X,)).space


def test_what_is_no_module_is_refused() -> None:
    with pytest.raises(SuppleError, match=r"takes a torch\.nn\.Module, not function"):
        convert(lambda x: x, X)  # type: ignore[arg-type]


def test_example_inputs_that_are_no_tensors_are_refused() -> None:
    with pytest.raises(SuppleError, match="must be a tensor, a tuple"):
        convert(nn.Linear(12, 16), [X])  # type: ignore[arg-type]


def test_a_model_without_anything_elastic_is_refused_with_reasons() -> None:
    model = nn.Sequential(nn.Linear(12, 6), nn.ReLU(), nn.Linear(6, 5))
    with pytest.raises(SuppleError, match=r"Nothing in Sequential can be elastic \(0\.width: of 6, no quarter or more"):
        convert(model, X)


def test_a_model_without_parameters_is_refused() -> None:
    with pytest.raises(SuppleError, match="Nothing in ReLU can be elastic"):
        convert(nn.ReLU(), X)


def test_a_model_that_cannot_be_captured_is_refused_in_one_line() -> None:
    class Counting(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layer = nn.Linear(12, 16)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.layer(x)[: int(x.sum())]  # type: ignore[no-any-return]

    with pytest.raises(SuppleError, match="Counting cannot be captured") as caught:
        convert(Counting(), torch.ones(4, 12))
    assert "\n" not in str(caught.value)


def test_a_model_that_cannot_be_copied_is_refused() -> None:
    model = nn.Sequential(nn.Linear(12, 16), nn.Linear(16, 5))
    model.generator = (number for number in range(3))  # type: ignore[assignment]
    with pytest.raises(SuppleError, match="Sequential cannot be copied: cannot pickle 'generator' object"):
        convert(model, X)


class Noisy(nn.Module):
    """Draws random numbers also in eval mode."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.last = nn.Linear(12, 16), nn.Linear(16, 5)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.last(self.first(x) + torch.randn_like(x[:, :1]))  # type: ignore[no-any-return]


def test_a_model_that_is_not_deterministic_is_refused() -> None:
    with pytest.raises(SuppleError, match="Noisy gives another output when it is run again on the same inputs"):
        convert(Noisy(), X)


class HardCoded(nn.Module):
    """Its code holds a size that tracing cannot tell from one that it computes."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.second, self.last = nn.Linear(12, 32), nn.Linear(32, 64), nn.Linear(64, 5)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.first(x).view(-1, 32).relu()
        return self.last(self.second(x).relu())  # type: ignore[no-any-return]


def test_a_size_written_into_the_code_is_frozen_by_the_proof_with_the_reason() -> None:
    family = convert(HardCoded(), X)
    assert [entry.name for entry in family.space.dimensions] == ["second.width"]
    (frozen,) = family.structure.frozen
    assert frozen.what == "first.width"
    assert frozen.reason.startswith("the model does not run with it smaller: ")
    assert family.structure.shape("first.weight", family.space.min()) == (32, 12)


class InTraining(nn.Module):
    """A head that only training uses, on a width that would otherwise be elastic."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.second, self.last = nn.Linear(12, 32), nn.Linear(32, 64), nn.Linear(64, 5)
        self.auxiliary = nn.Linear(32, 5)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.first(x).relu()
        y = self.last(self.second(x).relu())
        return y + self.auxiliary(x) if self.training else y  # type: ignore[no-any-return]


def test_what_fails_in_training_mode_only_is_frozen_too() -> None:
    family = convert(InTraining(), X)
    assert [entry.name for entry in family.space.dimensions] == ["second.width"]
    assert any(entry.what == "first.width" and "does not run" in entry.reason for entry in family.structure.frozen)


def test_a_model_that_wants_more_in_training_mode_is_proved_in_eval_mode() -> None:
    class Wanting(InTraining):
        def forward(self, x: torch.Tensor, labels: torch.Tensor | None = None) -> torch.Tensor:
            if self.training and labels is None:
                raise ValueError("labels are missing")
            return self.last(self.second(self.first(x)))  # type: ignore[no-any-return]

    assert len(convert(Wanting(), X).space) == 2


class OnlyTogether(nn.Module):
    """Two widths that work alone, but not together."""

    def __init__(self) -> None:
        super().__init__()
        self.left, self.right = nn.Linear(12, 32), nn.Linear(12, 32)
        self.last_left, self.last_right = nn.Linear(32, 5), nn.Linear(32, 5)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        left, right = self.left(x), self.right(x)
        if left.shape[1] < 32 and right.shape[1] < 32:
            raise ValueError("one of them must be whole")
        return self.last_left(left) + self.last_right(right)  # type: ignore[no-any-return]


def test_dimensions_that_fail_only_together_lose_one() -> None:
    family = convert(OnlyTogether(), X)
    assert len(family.space) == 1
    (frozen,) = family.structure.frozen
    assert frozen.reason == "together with others: the model does not run with it smaller: one of them must be whole"


class Indexed(nn.Module):
    """Its blocks cannot be left out: the code names them by number."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Linear(12, 32)
        self.blocks = nn.ModuleList(copy.deepcopy(HARD["dropped"].model().blocks))
        self.head = nn.Linear(32, 5)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.stem(x)
        for number in range(3):
            x = self.blocks[number](x)
        return self.head(x)  # type: ignore[no-any-return]


def test_blocks_that_the_code_names_by_number_stay() -> None:
    family = convert(Indexed(), X)
    assert not family.structure.blocks
    assert any(entry.what == "blocks.depth" for entry in family.structure.frozen)
    assert all(not entry.conditions for entry in family.space.dimensions)


def test_the_extracted_network_is_part_of_the_proof() -> None:
    class Weighed(nn.Module):
        """Its output depends on the storage of its weight, which a member shares and an extracted network does not."""

        def __init__(self) -> None:
            super().__init__()
            self.first, self.last = nn.Linear(12, 32, bias=False), nn.Linear(32, 5)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.last(self.first(x)) + self.first.weight.untyped_storage().nbytes()  # type: ignore[no-any-return]

    with pytest.raises(SuppleError, match="the extracted network gives another output"):
        convert(Weighed(), X)


def test_members_beyond_those_proved_run_too() -> None:
    for case in HARD.values():
        family = convert(case.model(), case.inputs(2))
        rng = random.Random(11)
        for _ in range(5):
            family(case.inputs(), config=family.space.sample(rng))


def test_frozen_things_of_the_trace_are_kept() -> None:
    model = nn.Sequential(nn.Linear(12, 6), nn.Linear(6, 32), nn.Linear(32, 5))
    frozen = convert(model, X).structure.frozen
    assert Frozen("0.width", "of 6, no quarter or more is a smaller multiple of 8") in frozen


class Named(nn.Module):
    """Takes named inputs and returns a dictionary."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Linear(12, 32)
        self.second = nn.Linear(4, 32)
        self.head = nn.Linear(32, 5)

    def forward(self, *, x: torch.Tensor, y: torch.Tensor) -> dict[str, torch.Tensor]:
        return {"logits": self.head(torch.relu(self.first(x) + self.second(y)))}


def test_a_model_of_named_inputs_and_outputs_becomes_a_family() -> None:
    inputs = {"y": torch.randn(4, 4), "x": X}
    family = convert(Named().eval(), inputs)
    config = family.space.min()
    inside, outside = family(config=config, **inputs), family.extract(config)(**inputs)
    assert torch.equal(inside["logits"], outside["logits"])
    assert {entry.name for entry in family.space.dimensions} == {"first.width"}
