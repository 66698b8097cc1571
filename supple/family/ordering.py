"""Order a family by importance, so that the first indices and blocks, which every member keeps, matter most."""

import warnings
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from itertools import islice
from typing import Any

import torch
from torch import nn
from torch.nn import functional
from torch.utils._pytree import tree_leaves, tree_map_only

from supple.errors import SuppleError
from supple.family.activity import by_activation
from supple.family.family import Family
from supple.family.importance import Batch, Importance, ImportanceMethod, Loss
from supple.family.magnitude import by_all_weights, by_magnitude
from supple.family.permutation import inverse, reorder
from supple.family.taylor import by_taylor
from supple.space import Kind
from supple.trace import ModelInputs, Structure
from supple.trace.block_order import with_block_order
from supple.trace.modes import in_mode

METHODS: Mapping[ImportanceMethod, Callable[[nn.Module, Structure, Sequence[Batch], Loss], Importance]] = {
    ImportanceMethod.L1: by_magnitude,
    ImportanceMethod.TAYLOR: by_taylor,
    ImportanceMethod.ACTIVATION: by_activation,
}
# How far outputs may move, as a share of the largest, because sums are added up in another order.
TOLERANCE = 1e-5
# Scores that differ by less, as a share of the largest, keep their order: so a second ordering changes nothing.
TIE = 1e-5


@dataclass(frozen=True)
class OrderConfig:
    """How a family is ordered.

    `method` says what importance is; None moves no channel, and only `blocks` counts. `keep` are patterns of dimensions
    whose order stays (`"stem.*"`). At most the first `batches` of the data are looked at. Depth dimensions drop the
    least important block first, unless `by_depth` is False; `blocks` gives the order of a depth dimension by hand: the
    paths of all its blocks, the one that is kept longest first.
    """

    method: ImportanceMethod | None = ImportanceMethod.ACTIVATION
    keep: tuple[str, ...] = ()
    batches: int = 16
    by_depth: bool = True
    blocks: Mapping[str, Sequence[str]] = field(default_factory=dict)


def order(
    family: Family,
    config: OrderConfig | None = None,
    data: Iterable[tuple[Any, Any]] | None = None,
    loss: Loss = functional.cross_entropy,
) -> Family:
    """Order the channels, heads and blocks of a family by importance; do it before training.

    Channels and heads are permuted in the shared weights, **in place**: the full network's outputs stay (up to the
    rounding of sums), and each prefix, so each member, holds the most important ones. Blocks stay where they are, but
    depth dimensions drop the least important first, which makes another space: go on with the family that is returned,
    on the same model; calibrations are forgotten.

    `data`: batches of `(inputs, targets)`, as a data loader gives them; `inputs` as the model takes them. Only
    `ImportanceMethod.TAYLOR` looks at targets, through `loss(outputs, targets)`. The first batch also proves that the
    outputs stay: a dimension whose order the network depends on gets its old order back, with a warning. Raises
    `SuppleError` where data are missing or unfit, or the config names what is not there.
    """
    config = OrderConfig() if config is None else config
    structure = family.structure
    for dimension, paths in config.blocks.items():
        structure = with_block_order(structure, dimension, paths)
    if config.method is not None:
        batches = _read(data, config, family.model)
        with in_mode(family.model, training=False):
            importance = measure_importance(family, config.method, batches, loss)
            orders = {
                name: descending(scores)
                for name, scores in importance.indices.items()
                if not any(fnmatchcase(name, pattern) for pattern in config.keep)
            }
            _reorder_what_allows_it(family, orders, batches[0].inputs)
        if config.by_depth:
            structure = _with_important_blocks_first(structure, importance.blocks, config.blocks)
    family.forget_calibrations()
    return family if structure == family.structure else family.with_structure(structure)


def measure_importance(
    family: Family, method: ImportanceMethod, batches: Sequence[Batch], loss: Loss = functional.cross_entropy
) -> Importance:
    """Return the scores of every index and block, with the model in the mode that it is in.

    What no reader known to the methods takes in is scored by its weights.
    """
    found = METHODS[method](family.model, family.structure, batches, loss)
    for name, scores in found.indices.items():
        if not bool(scores.isfinite().all()):
            raise SuppleError(f'The importance of "{name}" is not finite: look at the weights and the data.')
    return Importance({**by_all_weights(family.model, family.structure).indices, **found.indices}, found.blocks)


def descending(scores: torch.Tensor) -> list[int]:
    """Return the indices by descending score; where they stand so already, up to ties, they stay."""
    lowest_before = scores.cummin(0).values[:-1]
    if bool((scores[1:] <= lowest_before + TIE * scores.max()).all()):
        return list(range(len(scores)))
    return scores.argsort(descending=True, stable=True).tolist()


def _read(data: Iterable[tuple[Any, Any]] | None, config: OrderConfig, model: nn.Module) -> list[Batch]:
    if config.batches < 1:
        raise SuppleError(f"OrderConfig.batches must be at least 1, not {config.batches}.")
    device = next((parameter.device for parameter in model.parameters()), torch.device("cpu"))
    batches: list[Batch] = []
    for batch in islice(() if data is None else data, config.batches):
        if not isinstance(batch, tuple | list) or len(batch) != 2:
            kind = type(batch).__name__
            raise SuppleError(f"supple.order takes batches of (inputs, targets), not a {kind}: give (inputs, None).")
        inputs, targets = batch
        if config.method is ImportanceMethod.TAYLOR and targets is None:
            raise SuppleError("ImportanceMethod.TAYLOR needs targets: give batches of (inputs, targets).")
        moved = tree_map_only(torch.Tensor, lambda tensor: tensor.to(device), targets)
        batches.append(Batch(ModelInputs.of(inputs).map(lambda tensor: tensor.to(device)), moved))
    if not batches:
        raise SuppleError("supple.order got no data: give at least one batch of (inputs, targets).")
    return batches


def _reorder_what_allows_it(family: Family, orders: Mapping[str, list[int]], inputs: ModelInputs) -> None:
    """Reorder the dimensions, but for those whose order the network depends on."""
    orders = {name: new for name, new in orders.items() if new != sorted(new)}
    expected = _outputs(family, inputs)

    def stands(tried: Mapping[str, list[int]]) -> bool:
        reorder(family.model, family.structure, tried)
        if _close(_outputs(family, inputs), expected):
            return True
        reorder(family.model, family.structure, {name: inverse(new) for name, new in tried.items()})
        return False

    if stands(orders):
        return
    # One after another: what has been accepted stays while the next is tried.
    refused = [name for name, new in orders.items() if not stands({name: new})]
    names = ", ".join(f'"{name}"' for name in refused)
    warnings.warn(
        f"supple.order leaves {names} as found: the outputs of the full network, or with another option of a choice, "
        "depend on the order of those indices. Members keep the first ones, however important. Name them in "
        "OrderConfig.keep to silence this.",
        stacklevel=3,
    )


def _outputs(family: Family, inputs: ModelInputs) -> list[torch.Tensor]:
    """Run the full network, and with each other option of its choices: what does not run cannot show a mistake."""
    found: list[torch.Tensor] = []
    choices = [entry for entry in family.space.dimensions if entry.kind is Kind.OPERATOR]
    others = [{entry.name: value} for entry in choices for value in entry.values[:-1]]
    for values in ({}, *others):
        with torch.no_grad(), family.activate(family.space.config(values)) as member:
            found.extend(leaf for leaf in tree_leaves(inputs.run(member)) if isinstance(leaf, torch.Tensor))
    return found


def _close(outputs: list[torch.Tensor], expected: list[torch.Tensor]) -> bool:
    return all(
        _distance(one, other) <= _tolerance(other.dtype) * float(other.double().nan_to_num().abs().max())
        for one, other in zip(outputs, expected, strict=True)
        if other.numel()
    )


def _distance(one: torch.Tensor, other: torch.Tensor) -> float:
    return float((one.double().nan_to_num() - other.double().nan_to_num()).abs().max())


def _tolerance(dtype: torch.dtype) -> float:
    # Numbers of half precision hold three digits.
    return max(TOLERANCE, 32 * torch.finfo(dtype).eps) if dtype.is_floating_point else 0.0


def _with_important_blocks_first(
    structure: Structure, scores: Mapping[str, float], by_hand: Mapping[str, Sequence[str]]
) -> Structure:
    for dimension in structure.space.dimensions:
        blocks = sorted(
            (block for block in structure.blocks if block.dimension == dimension.name), key=lambda one: one.at_least
        )
        paths = [block.path for block in blocks]
        if dimension.kind is not Kind.DEPTH or dimension.name in by_hand or not all(path in scores for path in paths):
            continue
        new = descending(torch.tensor([scores[path] for path in paths], dtype=torch.float64))
        structure = with_block_order(structure, dimension.name, [paths[index] for index in new])
    return structure
