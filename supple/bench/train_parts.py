"""The pieces of work of the training benchmark: a family under a scheme, or a network alone; each kept once done."""

import random
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from itertools import islice
from pathlib import Path

import torch
from torch import Tensor, nn

from supple.bench.form import Options
from supple.bench.kept import Kept
from supple.bench.overhead_networks import ViT
from supple.data import Batches, FashionMnistConfig, ImageBatches, Splits, load_splits
from supple.errors import SuppleError, nearest
from supple.family import Family, LayerMacs, convert
from supple.models import ResNet
from supple.space import Config, Space
from supple.trace import ModelInputs, Structure
from supple.trace.input_shapes import InputShapes
from supple.trace.structure import Axis, Factor
from supple.training import Precision, TrainConfig, UniformConfig, accuracy, calibration_inputs, train
from supple.training.tensors import tensors_of

# The widely mirrored package of the full set installs it here.
FULL_SET = Path("/usr/share/datasets/fashion-mnist")
SHARES = {"25 %": 0.25, "50 %": 0.5, "75 %": 0.75}
SEEDS = 3
_CALIBRATION_IMAGES = 1024


@dataclass(frozen=True)
class Setting:
    """What all trainings of one network share: the data, the length, and the recipe but for the scheme."""

    build: Callable[[], nn.Module]
    splits: Splits
    recipe: TrainConfig


@dataclass(frozen=True)
class Trained:
    """What came of one training: test accuracy by member, the compute, and the curve of validation accuracies.

    `macs` are the multiply-accumulates of all forward passes in training; the curve holds, for each epoch, those so far
    and the accuracy of the largest and the smallest member.
    """

    accuracy: Mapping[str, float]
    macs: float
    seconds: float
    curve: list[list[float]]


class KeptTrainings:
    """Trainings by name, kept in a folder if there is one."""

    def __init__(self, folder: Path | None) -> None:
        self._kept = Kept(folder)

    def get(self, name: str, make: Callable[[], Trained]) -> Trained:
        """Return the training of this name: the one that is kept, else a new one."""
        return Trained(**self._kept.get(name, lambda: asdict(make())))


class Quarters:
    """Data whose epochs are the quarters of the epochs of other data: a short training is validated more often."""

    def __init__(self, data: Batches) -> None:
        self._data = data
        self._epoch = 0

    def set_epoch(self, epoch: int) -> None:
        """Choose the quarter of the following passes."""
        self._epoch = epoch
        if isinstance(self._data, ImageBatches):
            self._data.set_epoch(epoch // 4)

    def __len__(self) -> int:
        return len(self._data) // 4

    def __iter__(self) -> Iterator[tuple[Tensor, Tensor]]:
        start = self._epoch % 4 * len(self)
        return islice(self._data, start, start + len(self))


class FirstBatches:
    """The first batches of each pass over the data: for a quick run."""

    def __init__(self, data: Batches, count: int) -> None:
        self._data = data
        self._count = count

    def __len__(self) -> int:
        return self._count

    def __iter__(self) -> Iterator[tuple[Tensor, Tensor]]:
        return islice(self._data, self._count)


def load_data(path: Path | None, batch_size: int, quick: bool) -> Splits:
    """Return Fashion-MNIST: the full set where it is found, else the shipped subset."""
    full = path if path is not None else FULL_SET if FULL_SET.is_dir() and not quick else None
    splits = load_splits(FashionMnistConfig(path=full, valid_fraction=0.05), batch_size, seed=0)
    if not quick:
        return replace(splits, train=Quarters(splits.train))
    train, valid, test = (FirstBatches(part, 3) for part in (splits.train, splits.valid, splits.test))
    return Splits(train, valid, test, splits.classes, splits.example_inputs)


def fixed_members(family: Family) -> dict[str, Config]:
    """Return the smallest member, the full one, and one each at a quarter, half and three quarters of its compute."""
    space, cost = family.space, LayerMacs(family)
    full, rng = cost(space.max()), random.Random(0)
    between = {name: space.sample_near(rng, cost, share * full, 0.01 * full) for name, share in SHARES.items()}
    return {"smallest": space.min(), **between, "full": space.max()}


def ranked_members(family: Family, count: int) -> dict[str, Config]:
    """Return members of all costs, whose order by accuracy is compared."""
    rng, cost = random.Random(1), LayerMacs(family)
    return {f"ranked {number}": family.space.sample(rng, over=cost) for number in range(1, count + 1)}


def train_family(setting: Setting, config: TrainConfig, seed: int, members: Mapping[str, Config]) -> Trained:
    """Train a fresh family under the config's scheme, and measure its members."""
    torch.manual_seed(seed)
    family = convert(setting.build(), setting.splits.example_inputs)
    return _trained(family, setting.splits, config.model_copy(update={"seed": seed}), members)


def train_alone(setting: Setting, config: Config, seed: int) -> Trained:
    """Train a network of a member's shape by itself, from weights of its own, by the same recipe and as many steps."""
    torch.manual_seed(seed)
    network = convert(setting.build(), setting.splits.example_inputs).extract(config)
    for module in network.modules():
        # A part of a larger layer's initial weights is not how a layer of this size begins.
        if callable(reset := getattr(module, "reset_parameters", None)):
            reset()
    alone = _of_one_member(network, setting.splits.example_inputs)
    recipe = setting.recipe.model_copy(update={"seed": seed, "sampler": UniformConfig()})
    return _trained(alone, setting.splits, recipe, {"alone": alone.space.max()})


def _of_one_member(network: nn.Module, inputs: tuple[Tensor, ...]) -> Family:
    """Return a network as the family that it is the only member of, so that the same code trains it."""
    axes = {
        key: tuple(Axis(((Factor(size),),)) for size in tensor.shape) for key, tensor in tensors_of(network).items()
    }
    return Family(network, Structure(Space([]), axes, (), (), (), InputShapes.of(ModelInputs.of(inputs))))


def _trained(family: Family, splits: Splits, config: TrainConfig, members: Mapping[str, Config]) -> Trained:
    began = time.monotonic()
    history = train(family, splits.train, splits.valid, config)
    seconds = time.monotonic() - began
    inputs = calibration_inputs(splits.train, _CALIBRATION_IMAGES)
    measured = {name: accuracy(family, member, splits.test, inputs) for name, member in members.items()}
    curve = [[row.macs, row.metric_largest, row.metric_smallest] for row in history.rows]
    return Trained(measured, history.rows[-1].macs, seconds, curve)


def recipe(passes: int) -> TrainConfig:
    """Return the recipe of all trainings: the library's own, in float32, which every machine computes alike.

    `passes` are those over the 57,000 training images.
    """
    return TrainConfig(epochs=4 * passes, precision=Precision.FP32)


def chosen_networks(options: Options) -> Sequence[str]:
    """Return the networks that were asked for; where none were, all, or in a quick run one: others have the same form.

    Raises `SuppleError` for one that is unknown.
    """
    for name in options.models:
        if name not in NETWORKS:
            raise SuppleError(f'The benchmark has no network "{name}"{nearest(name, NETWORKS)}')
    return options.models or list(NETWORKS)[: 1 if options.quick else None]


def _cnn() -> nn.Module:
    return ResNet(1, 10, 8, (12, 24, 48), (2, 2, 2))


def _vit() -> nn.Module:
    return ViT(width=48, depth=4, num_heads=4, positions=16, in_channels=1, patch=7)


NETWORKS: Mapping[str, Callable[[], nn.Module]] = {"cnn": _cnn, "vit": _vit}
