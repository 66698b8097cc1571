"""Members that run together: bit for bit what each of them does alone, and each shared operator once."""

import random
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import pytest
import torch
from architecture_cases import Dense, Gated, LanguageModel, Shuffled, UNet, VisionTransformer
from family_cases import CASES, Choices, Dropped
from other_architecture_cases import (
    CachedBias,
    DenseGraph,
    EdgeList,
    ListedExperts,
    Mixture,
    PointNet,
    StackedExperts,
    Tagger,
    Translator,
)
from torch import nn
from torch.nn import functional

from supple import Config, Family, convert
from supple.family.notes import Notes
from supple.family.run_recording import same
from supple.family.sharing import SharedRuns
from supple.trace import ModelInputs

Inputs = tuple[torch.Tensor, ...]


class InPlace(nn.Module):
    """A residual block as many networks write it: its activations and its sum change what they are given."""

    def __init__(self) -> None:
        super().__init__()
        self.stem, self.norm0 = nn.Conv2d(3, 16, 3, padding=1), nn.BatchNorm2d(16)
        self.conv1, self.norm1 = nn.Conv2d(16, 24, 3, padding=1), nn.BatchNorm2d(24)
        self.conv2, self.norm2 = nn.Conv2d(24, 16, 3, padding=1), nn.BatchNorm2d(16)
        self.relu, self.act = nn.ReLU(inplace=True), nn.Hardswish(inplace=True)
        self.head = nn.Linear(16, 5)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.act(self.norm0(self.stem(x)))
        y = self.norm2(self.conv2(self.relu(self.norm1(self.conv1(x)))))
        y += x
        return self.head(self.relu(y).mean((2, 3)))  # type: ignore[no-any-return]


class Rewritten(nn.Module):
    """Reads a tensor before and after it is changed, through views too, and fills a new one part by part."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.second, self.last = nn.Linear(12, 32), nn.Linear(32, 32), nn.Linear(32, 5)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        a = self.first(x)
        before = a.relu()
        view = a.view(len(x), -1)
        view[:, 0] = 1
        view.mul_(2)
        after = a.relu()
        b = self.second(before + after)
        filled = torch.zeros_like(b)
        filled[:, 1:] = b[:, 1:]
        b.clamp_(0)
        twice = b.add_(filled).sigmoid_()
        return self.last(twice + b)  # type: ignore[no-any-return]


class Equal(nn.Module):
    """Computes the same twice, and changes one of the two."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.last = nn.Linear(12, 32), nn.Linear(32, 5)

    def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, dict[str, Any]]:
        y = self.first(x)
        one, other = y.relu(), y.relu()
        one.add_(other)
        return self.last(one), {"other": other, "number": 3}


def image() -> Inputs:
    return (torch.randn(4, 3, 8, 8),)


def rows() -> Inputs:
    return (torch.randn(4, 12),)


def words() -> Inputs:
    return (torch.randint(20, (4, 6)),)


def sequences() -> Inputs:
    return (torch.randn(4, 6, 12),)


MODELS: dict[str, tuple[Callable[[], nn.Module], Callable[[], Inputs]]] = {
    **{name: (case.model, lambda case=case: (case.inputs(4),)) for name, case in CASES.items()},
    "vision transformer": (VisionTransformer, lambda: (torch.randn(4, 3, 16, 16),)),
    "language model": (LanguageModel, words),
    "u-net": (UNet, image),
    "dense": (Dense, image),
    "shuffled": (Shuffled, image),
    "gated": (Gated, rows),
    "lstm": (lambda: Tagger(nn.LSTM), words),
    "gru": (lambda: Tagger(nn.GRU), words),
    "points": (PointNet, lambda: (torch.randn(4, 3, 9),)),
    "dense graph": (DenseGraph, lambda: (torch.randn(7, 12), torch.rand(7, 7))),
    "edge list": (EdgeList, lambda: (torch.randn(7, 12), torch.randint(7, (2, 12)))),
    "experts": (lambda: Mixture(StackedExperts, best=3), sequences),
    "listed experts": (lambda: Mixture(ListedExperts), sequences),
    "translator": (Translator, lambda: (torch.randint(20, (2, 6)), torch.randint(20, (2, 4)))),
    "cached": (CachedBias, sequences),
    "in place": (InPlace, image),
    "rewritten": (Rewritten, rows),
    "equal": (Equal, rows),
}


@pytest.fixture(scope="module")
def families() -> dict[str, Family]:
    """Families of all models, converted when they are first asked for."""
    return {}


@pytest.fixture(params=MODELS)
def case(request: pytest.FixtureRequest, families: dict[str, Family]) -> tuple[Family, list[Inputs]]:
    """A family in eval mode, and batches of one form, the last of another where the model takes that."""
    build, draw = MODELS[request.param]
    torch.manual_seed(0)
    batches = [draw() for _ in range(3)]
    if request.param not in families:
        families[request.param] = convert(build(), batches[0]).eval()
    graphs = request.param in ("dense graph", "edge list")
    shorter = [] if graphs else [tuple(tensor[:2] for tensor in batches[0])] * 2
    return families[request.param], [*batches, *shorter]


def population(family: Family) -> list[Config]:
    """Random members, and siblings of one of them."""
    rng = random.Random(0)
    drawn = [family.space.sample(rng) for _ in range(4)]
    siblings = [
        family.space.config({**drawn[0], entry.name: rng.choice(entry.values)}) for entry in family.space.dimensions
    ]
    return list(dict.fromkeys([*drawn, *siblings[:4], *siblings[-4:], family.space.max(), family.space.min()]))


def run_member(config: Config, member: nn.Module, batch: ModelInputs, notes: Notes) -> Any:
    return batch.run(member)


@torch.inference_mode()
def test_outputs_are_those_of_each_member_bit_for_bit(case: tuple[Family, list[Inputs]]) -> None:
    family, batches = case
    configs = population(family)
    runs = SharedRuns(family.activate, run_member, configs)
    count = 0
    for run in runs.run((batch, ModelInputs.of(batch)) for batch in batches):
        assert same(run.outputs, family(*run.batch, config=run.config))
        count += 1
    assert not runs.alone
    assert count == len(batches) * len(configs)


def test_statistics_are_those_of_each_member_bit_for_bit(case: tuple[Family, list[Inputs]]) -> None:
    family, batches = case
    configs = population(family)
    family.calibrate_together(configs, batches)
    together = dict(family.statistics)
    family.forget_calibrations()
    for config in configs:
        family.calibrate(config, batches)
    assert family.statistics.keys() == together.keys()
    assert all(same(together[config], family.statistics[config]) for config in together)
    family.forget_calibrations()


class Opened:
    """Runs plain modules as members of nothing, by their position."""

    def __init__(self, modules: Sequence[nn.Module]) -> None:
        self.modules = [module.eval() for module in modules]
        self.runs = SharedRuns(self.activate, run_member, range(len(modules)))  # type: ignore[arg-type]

    @contextmanager
    def activate(self, position: Any) -> Iterator[nn.Module]:
        yield self.modules[position]

    @torch.inference_mode()
    def outputs(self, x: torch.Tensor) -> dict[Any, Any]:
        return {run.config: run.outputs for run in self.runs.run([(None, ModelInputs.of(x))])}


class Plain(nn.Module):
    """A layer, then whatever a test wants."""

    def __init__(self, then: Callable[["Plain", torch.Tensor], Any]) -> None:
        super().__init__()
        self.layer, self.then = nn.Linear(12, 12), then
        self.register_buffer("count", torch.zeros(12))
        self.norm = nn.BatchNorm1d(12)
        self.seen = 0

    def forward(self, x: torch.Tensor) -> Any:
        return self.then(self, self.layer(x))


def read(self: Plain, x: torch.Tensor) -> torch.Tensor:
    return x if x.mean().item() > 0 else -x


def drop(self: Plain, x: torch.Tensor) -> torch.Tensor:
    return functional.dropout(x, 0.5, training=True)


def own_dice(self: Plain, x: torch.Tensor) -> torch.Tensor:
    return x + torch.rand(12, generator=torch.Generator().manual_seed(0))


def count(self: Plain, x: torch.Tensor) -> torch.Tensor:
    self.count.add_(1)
    return x + self.count


def count_silently(self: Plain, x: torch.Tensor) -> torch.Tensor:
    return functional.batch_norm(x, self.norm.running_mean, self.norm.running_var, training=True)


def select(self: Plain, x: torch.Tensor) -> torch.Tensor:
    return x[x[:, 0] > 0].sum(0)


def numpy(self: Plain, x: torch.Tensor) -> torch.Tensor:
    return x + torch.from_numpy(x.numpy().mean(0))


def remember(self: Plain, x: torch.Tensor) -> torch.Tensor:
    self.seen += 1
    return x * self.seen


def fail(self: Plain, x: torch.Tensor) -> torch.Tensor:
    raise ValueError("no such thing")


def wrapped(self: Plain, x: torch.Tensor) -> Any:
    return type("Answer", (), {"logits": x})()


@pytest.mark.parametrize(
    "then",
    [read, drop, own_dice, count, count_silently, select, numpy, remember, fail, wrapped],
    ids=lambda then: then.__name__,
)
def test_what_cannot_be_repeated_is_left_to_run_alone(then: Callable[[Plain, torch.Tensor], Any]) -> None:
    torch.manual_seed(0)
    opened = Opened([Plain(then), Plain(lambda self, x: x.relu())])
    for _ in range(2):
        found = opened.outputs(torch.randn(4, 12))
    assert opened.runs.alone.keys() == {0}
    assert found.keys() == {1}


def test_an_input_that_is_changed_is_left_to_run_alone() -> None:
    opened = Opened([nn.Hardtanh(inplace=True)])
    opened.outputs(torch.randn(4, 12))
    assert opened.runs.alone.keys() == {0}


def test_arguments_that_cannot_be_compared_leave_all_alone() -> None:
    opened = Opened([nn.Identity()])
    batch = ModelInputs((torch.randn(4, 12), object()), {})
    assert not list(opened.runs.run([(None, batch)]))
    assert opened.runs.alone.keys() == {0}


def test_equal_members_share_all_and_others_what_comes_before_they_part() -> None:
    torch.manual_seed(0)
    stem, calls = nn.Linear(12, 12), []
    stem.register_forward_hook(lambda module, inputs, output: calls.append(module))
    heads = [nn.Linear(12, 3) for _ in range(3)]
    opened = Opened([nn.Sequential(stem, nn.ReLU(), head) for head in (*heads, heads[0])])
    for _ in range(2):
        opened.outputs(torch.randn(4, 12))
    assert opened.runs.operators == (2 + 3, 4 * 3)


def test_weights_that_are_equal_by_content_are_one() -> None:
    torch.manual_seed(0)
    one, other = nn.Linear(12, 12), nn.Linear(12, 12)
    other.load_state_dict(one.state_dict())
    opened = Opened([one, other])
    for _ in range(2):
        found = opened.outputs(torch.randn(4, 12))
    assert opened.runs.operators == (1, 2)
    assert found[0] is found[1]


def test_a_change_in_place_is_not_seen_by_members_that_part_before_it() -> None:
    torch.manual_seed(0)
    stem = nn.Linear(12, 12)
    changing = nn.Sequential(stem, nn.ReLU(inplace=True), nn.Linear(12, 3))
    opened = Opened([changing, nn.Sequential(stem, nn.Linear(12, 3)), nn.Sequential(stem, nn.ReLU(inplace=True))])
    for _ in range(3):
        x = torch.randn(4, 12)
        found = opened.outputs(x)
        with torch.inference_mode():
            assert all(same(found[place], module(x)) for place, module in enumerate(opened.modules))
    assert not opened.runs.alone


def test_options_and_depths_that_differ_are_told_apart() -> None:
    """A dropped block leaves no operator behind, and options of a choice have operators of their own."""
    torch.manual_seed(0)
    for build in (Dropped, Choices):
        family = convert(build(), torch.randn(2, 12)).eval()
        configs = list(dict.fromkeys(family.space.sample(random.Random(seed)) for seed in range(20)))
        runs = SharedRuns(family.activate, run_member, configs)
        for _ in range(2):
            x = torch.randn(4, 12)
            with torch.inference_mode():
                found = {run.config: run.outputs for run in runs.run([(None, ModelInputs.of(x))])}
                assert all(same(found[config], family(x, config=config)) for config in configs)
