"""A family's choices blended: the full network in which each choice is a mixture of its values, for gradients to see.

Sources: Sukthanker et al., Weight-Entanglement Meets Gradient-Based Neural Architecture Search, 2023 (TangleNAS: the
mixture of slices of one weight is the sum of the slices, filled up with zeros, each times its share, so that one
forward pass is enough); Liu et al., DARTS: Differentiable Architecture Search, 2019 (mixtures of operators' outputs).
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, nullcontext
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.modules.batchnorm import _NormBase
from torch.overrides import TorchFunctionMode
from torch.utils._pytree import tree_leaves

from supple.family import Family
from supple.family.activation import Change, Place, parameter_places, places_by_tensor, recurrent_changes
from supple.space import Config, Dimension, Kind, Space
from supple.trace import Axis, Block, ModelInputs, Structure
from supple.trace.choice import all_options
from supple.trace.modes import in_mode

Shares = Mapping[str, Tensor]
"""The share of each value of each blended dimension, (values,), in the order of the dimension; they add up to 1."""

_TOLERANCE = 1e-3


class Relaxation:
    """The full network of a family with its choices blended.

    Each weight is the sum of what its values keep of it, times their shares; a block gives its output times the share
    of the depths that have it, and passes on its input for the rest; the options of a choice run all, and their outputs
    add up by their shares. Layer norms take their means over the channels by the shares of these. So where every share
    is 0 or 1 the network is the member, but for rounding: `Relaxation.of` tries every dimension, and those for which it
    is not so are in `sampled`: they can have one value at a time only. Such are resolutions, kernels that are
    transformed, and what the user's own code computes from sizes. Shared weights take no gradients; the shares do.
    """

    def __init__(self, family: Family, blended: Sequence[str], space: Space | None = None) -> None:
        """`space`: the part of the family's space whose values there are to choose from; all of it for None."""
        self.family = family
        self.space = family.space if space is None else space
        self.blended = tuple(blended)
        self.sampled = tuple(entry.name for entry in family.space.dimensions if entry.name not in set(blended))
        operators = [entry.name for entry in family.space.dimensions if entry.kind is Kind.OPERATOR]
        self._runs_all_options = bool(operators) and set(operators) <= set(blended)
        # Of choices that are not blended, one option is there.
        structure = family.structure
        all_there = self._runs_all_options
        self._base = family.with_structure(structure.with_all_options(), family.quantization) if all_there else family
        self._blocks = [block for block in structure.blocks if block.dimension in set(blended)]
        self._kept = _KeptIndices(self.space, blended)
        self._weights = places_by_tensor(parameter_places(family.model))
        self._recurrent = [module for module in family.model.modules() if isinstance(module, nn.RNNBase)]

    @classmethod
    def of(cls, family: Family, inputs: ModelInputs, space: Space | None = None) -> "Relaxation":
        """Return the relaxation that blends every dimension for which shares of 0 and 1 give the member.

        `space` is as for the constructor; what has one value there is not blended. `inputs`: a few samples; the network
        runs about twice per dimension on them, in eval mode.
        """
        with in_mode(family, training=False):
            space = family.space if space is None else space
            accepted = _accepted_operators(family, inputs, space)
            config = space.max()
            # Blocks last: what is inside them is tried while they are there.
            for entry in sorted(space.dimensions, key=lambda entry: entry.kind is Kind.DEPTH):
                if entry.name in accepted or not _can_blend(entry, family.structure):
                    continue
                tried = space.config({**config, entry.name: entry.smallest})
                if cls(family, [*accepted, entry.name], space)._is_true(tried, inputs):
                    accepted.append(entry.name)
                    config = tried
        return cls(family, accepted, space)

    @contextmanager
    def blend(self, shares: Shares, values: Mapping[str, int] = {}) -> Iterator[nn.Module]:
        """Make the module tree the blended network while the context lasts.

        `shares` of every blended dimension; `values` of the sampled ones, which otherwise have their largest. Layers
        that are quantized round over what each batch holds: a blend has no calibrated ranges.
        """
        base = self._base.space.config({name: values[name] for name in self.sampled if name in values})
        is_rounded = self._base.full_precision(base) != base
        with ExitStack() as stack:
            # The mode at the start decides which ranges those are.
            with in_mode(self._base.model, training=True) if is_rounded else nullcontext():
                model = stack.enter_context(self._base.activate(base))
            if self._runs_all_options:
                stack.enter_context(all_options(model))
            changes, masks = self._blended_weights(shares, base)
            stack.enter_context(_hung([*changes, *recurrent_changes(self._recurrent, changes)]))
            for block in self._blocks:
                stack.callback(self._blend_block(block, shares[block.dimension]).remove)
            stack.enter_context(_MaskedNorms(masks))
            yield model

    def shares_of(self, config: Mapping[str, int]) -> dict[str, Tensor]:
        """Return the shares that stand for one member: 1 for its values, 0 for all others."""
        device = next(self.family.parameters()).device
        return {
            name: torch.tensor([float(value == config[name]) for value in self.space[name].values], device=device)
            for name in self.blended
        }

    def _blended_weights(self, shares: Shares, base: Config) -> tuple[list[Change], dict[int, Tensor]]:
        """Return where weights hang, and of each blended one, by its id, how much of every element there is."""
        changes: list[Change] = []
        masks: dict[int, Tensor] = {}
        made: dict[tuple[Axis, ...], Tensor] = {}
        for places in self._weights:
            if not self._is_present(places, base):
                continue
            axes = self.family.structure.axes[places[0].key]
            # Without a gradient of its own, even where nothing of it is blended.
            weight = places[0].tensor.detach()
            if self._kept.is_blended(axes):
                if axes not in made:
                    made[axes] = self._kept.mask(axes, shares, base)
                weight = weight * made[axes]
                masks[id(weight)] = made[axes]
            changes.extend((place.holder, place.name, weight) for place in places)
        return changes, masks

    def _is_present(self, places: Sequence[Place], base: Config) -> bool:
        dropped = self._base.structure.dropped_blocks(base)
        return not all(any(place.key.startswith(path + ".") for path in dropped) for place in places)

    def _blend_block(self, block: Block, shares: Tensor) -> torch.utils.hooks.RemovableHandle:
        values = self.space[block.dimension].values
        present = torch.tensor([float(block.is_present({block.dimension: value})) for value in values])
        share = (shares * present.to(shares)).sum()
        hook = _weighed if self.family.space[block.dimension].kind is Kind.OPERATOR else _passing_on
        return self.family.model.get_submodule(block.path).register_forward_hook(partial(hook, share), with_kwargs=True)

    def _is_true(self, config: Config, inputs: ModelInputs) -> bool:
        """Say whether the blended network is the member where all shares are those of the member."""
        # Transformers of PyTorch's own take another path where no gradient is wanted.
        shares = {name: share.requires_grad_() for name, share in self.shares_of(config).items()}
        try:
            with self.blend(shares, config) as blended:
                found = _numbers(inputs.run(blended))
        except Exception:  # whatever the user's code raises where sizes are others than it thinks
            return False
        with torch.no_grad(), self.family.activate(config) as member:
            expected = _numbers(inputs.run(member))
        if [tensor.shape for tensor in found] != [tensor.shape for tensor in expected]:
            return False
        return all(
            bool((one - other).abs().max() <= _TOLERANCE * other.abs().max()) if other.numel() else True
            for one, other in zip(found, expected, strict=True)
        )


@contextmanager
def normalised_by_batch(model: nn.Module) -> Iterator[None]:
    """Run a model in eval mode, but let batch norm use the statistics of each batch, which are kept nowhere."""
    with in_mode(model, training=False):
        changes: list[Change] = [
            (module._buffers, name, None)
            for module in model.modules()
            if isinstance(module, _NormBase)
            for name in ("running_mean", "running_var")
        ]
        with _hung(changes):
            yield


def _accepted_operators(family: Family, inputs: ModelInputs, space: Space) -> list[str]:
    """Return the choices, if the outputs of all their options can be blended; else none of them."""
    operators = [entry for entry in space.dimensions if entry.kind is Kind.OPERATOR]
    names = [entry.name for entry in operators]
    relaxation = Relaxation(family, names, space)
    configs = [space.config({entry.name: value}) for entry in operators for value in entry.values]
    return names if all(relaxation._is_true(config, inputs) for config in configs) else []


def _can_blend(entry: Dimension, structure: Structure) -> bool:
    """Say whether there is a choice, and the structure binds it to weights or blocks, and to nothing else."""
    is_bound = any(entry.name in axis.dimensions for axes in structure.axes.values() for axis in axes)
    is_bound = is_bound or any(block.dimension == entry.name for block in structure.blocks)
    return len(entry.values) > 1 and is_bound and entry.kind not in (Kind.OPERATOR, Kind.RESOLUTION)


class _KeptIndices:
    """Which indices of an axis each value of a dimension keeps, and how much of a weight there is by shares."""

    def __init__(self, space: Space, blended: Sequence[str]) -> None:
        self._space = space
        self._blended = frozenset(blended)
        self._tables: dict[tuple[str, bool], Tensor] = {}

    def is_blended(self, axes: Sequence[Axis]) -> bool:
        """Say whether a weight of these axes follows a blended dimension."""
        return any(not self._blended.isdisjoint(axis.dimensions) for axis in axes)

    def mask(self, axes: Sequence[Axis], shares: Shares, base: Config) -> Tensor:
        """Return the share of each element of a weight: the sum over all values of (share x 1 where they keep it).

        It has the shape of the weight in the base.
        """
        return self._product(axes, shares, base, frozenset())

    def _product(self, axes: Sequence[Axis], shares: Shares, base: Config, fixed: frozenset[str]) -> Tensor:
        repeated = self._repeated(axes, fixed)
        if repeated is not None:
            # The values of one dimension go together: sum over v of share(v) x what there is where it is v.
            one_hot = torch.eye(len(shares[repeated])).to(shares[repeated])
            terms = [
                share * self._product(axes, {**shares, repeated: row}, base, fixed | {repeated})
                for share, row in zip(shares[repeated], one_hot, strict=True)
            ]
            return torch.stack(terms).sum(0)
        found: Tensor | None = None
        for axis in axes:
            along = self._along(axis, shares)[axis.indices(base)]
            found = along if found is None else found[..., None] * along
        assert found is not None
        return found

    def _repeated(self, axes: Sequence[Axis], fixed: frozenset[str]) -> str | None:
        """Return a blended dimension that several factors of one element follow."""
        seen: set[str] = set()
        for axis in axes:
            here: set[str] = set()
            for segment in axis.segments:
                names = [factor.dimension for factor in segment if factor.dimension in self._blended - fixed]
                for name in names:
                    if name is not None and (name in seen or names.count(name) > 1):
                        return name
                    here.add(str(name))
            seen |= here
        return None

    def _along(self, axis: Axis, shares: Shares) -> Tensor:
        """Return the share of each index of an axis."""
        device = next(iter(shares.values())).device
        parts = []
        for segment in axis.segments:
            part = torch.ones(1, device=device)
            for factor in segment:
                if factor.dimension in self._blended and factor.dimension is not None:
                    table = self._table(factor.dimension, factor.centred).to(device)
                    kept = shares[factor.dimension] @ table
                else:
                    kept = torch.ones(factor.full, device=device)
                part = (part[:, None] * kept).flatten()
            parts.append(part)
        return torch.cat(parts)

    def _table(self, dimension: str, centred: bool) -> Tensor:
        """Return 1 for each index that a value of a dimension keeps, (values, indices)."""
        if (dimension, centred) not in self._tables:
            entry = self._space[dimension]
            table = torch.zeros(len(entry.values), entry.largest)
            for row, value in enumerate(entry.values):
                start = (entry.largest - value) // 2 if centred else 0
                table[row, start : start + value] = 1
            self._tables[dimension, centred] = table
        return self._tables[dimension, centred]


class _MaskedNorms(TorchFunctionMode):
    """Lets layer norm and RMS norm take their means over the channels that are there, by their shares.

    `masks` holds the shares by the id of the norm's weight.
    """

    def __init__(self, masks: Mapping[int, Tensor]) -> None:
        super().__init__()
        self._masks = masks

    def __torch_function__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        named = dict(kwargs or {})
        if func is functional.layer_norm:
            return self._layer_norm(*args, **named)
        if func is functional.rms_norm:
            return self._rms_norm(*args, **named)
        return func(*args, **named)

    def _layer_norm(
        self, x: Tensor, shape: Any, weight: Tensor | None = None, bias: Tensor | None = None, eps: float = 1e-5
    ) -> Tensor:
        mask = self._masks.get(id(weight))
        if mask is None or weight is None:
            return functional.layer_norm(x, shape, weight, bias, eps)
        centred = x - _mean(x, mask)
        y = centred * (_mean(centred.square(), mask) + eps).rsqrt() * weight
        return y if bias is None else y + bias

    def _rms_norm(self, x: Tensor, shape: Any, weight: Tensor | None = None, eps: float | None = None) -> Tensor:
        mask = self._masks.get(id(weight))
        if mask is None or weight is None:
            return functional.rms_norm(x, shape, weight, eps)
        least = torch.finfo(x.dtype).eps if eps is None else eps
        return x * (_mean(x.square(), mask) + least).rsqrt() * weight


def _mean(x: Tensor, mask: Tensor) -> Tensor:
    axes = tuple(range(-mask.dim(), 0))
    return (x * mask).sum(axes, keepdim=True) / mask.sum()


def _passing_on(share: Tensor, module: nn.Module, args: Any, kwargs: Any, output: Any) -> Any:
    """Return a block's output by its share, and what went into it for the rest: what a member without it passes on."""
    passed = next(leaf for leaf in tree_leaves((args, kwargs)) if isinstance(leaf, Tensor))
    if isinstance(output, tuple):
        return (torch.lerp(passed, output[0], share), *output[1:])
    return torch.lerp(passed, output, share)


def _weighed(share: Tensor, module: nn.Module, args: Any, kwargs: Any, output: Any) -> Any:
    return output * share


def _numbers(outputs: Any) -> list[Tensor]:
    return [leaf.detach() for leaf in tree_leaves(outputs) if isinstance(leaf, Tensor) and leaf.is_floating_point()]


@contextmanager
def _hung(changes: Sequence[Change]) -> Iterator[None]:
    """Hang other tensors into the module tree, and put back what was there."""
    before = [(holder, name, holder[name]) for holder, name, _ in changes]
    try:
        for holder, name, value in changes:
            holder[name] = value
        yield
    finally:
        for holder, name, value in before:
            holder[name] = value
