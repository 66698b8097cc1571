"""A family: the user's model, its shared weights and its space of members."""

import copy
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from typing import Any

import torch
from torch import nn

from supple.errors import SuppleError
from supple.family.activation import Activator, buffer_places, parameter_places
from supple.family.calibrating_together import statistics_together
from supple.family.calibration import recomputed_statistics
from supple.family.copying import deepcopy_model
from supple.family.counting import count_macs
from supple.family.kernel_transform import KernelTransforms
from supple.family.pretrained import is_pretrained, make_savable
from supple.family.quantized.quantization import Quantization, full_precision
from supple.family.quantized.quantizers import RoundInput, precisions_of
from supple.family.quantized.ranges import Ranges, measured_ranges
from supple.family.resolution import RESOLUTION, is_images, resized
from supple.family.summary import Summary, summarise
from supple.space import Config, Space
from supple.trace import Inputs, ModelInputs, Structure
from supple.trace.modes import evaluating


class Family(nn.Module):
    """One set of shared weights that holds every member of a space.

    `model` is the user's own module tree; its parameters are the shared weights. Running a member hangs its part of
    the weights into that tree, so a member's forward pass *is* the user's forward pass. `kernel_transforms`, where
    there are any, are shared weights too; `quantization` says what dimensions of precision choose. Make families with
    `supple.convert`, `supple.quantize` or `supple.load`.
    """

    def __init__(
        self,
        model: nn.Module,
        structure: Structure,
        kernel_transform: bool = False,
        quantization: Quantization | None = None,
    ) -> None:
        super().__init__()
        self.model = model
        self.kernel_transforms = KernelTransforms(model, structure) if kernel_transform else None
        self.quantization = quantization
        self.training = model.training
        self.structure = structure
        self._activator = Activator(model, structure, self.kernel_transforms, quantization)
        self._statistics: dict[Config, dict[str, torch.Tensor]] = {}
        self._ranges: dict[Config, Ranges] = {}

    @property
    def space(self) -> Space:
        """The space of the family's configs."""
        return self.structure.space

    def forward(self, *inputs: Any, config: Config | None = None, **named_inputs: Any) -> Any:
        """Run the member of `config` (by default the full network) on inputs as the user's model takes them."""
        with self.activate(self.space.max() if config is None else config) as member:
            return member(*inputs, **named_inputs)

    @contextmanager
    def activate(self, config: Config) -> Iterator[nn.Module]:
        """Make the module tree the member of `config` while the context lasts.

        The weights are taken at the start: after an optimizer's step, activate again. So is the mode: choose training
        or eval mode before. Under autograd, `backward` adds the member's gradients in place into the `.grad` of the
        shared parameters, zero outside the member's part. Raises `SuppleError` for a config of another space, and in
        eval mode for a quantized member whose activation ranges are not calibrated.
        """
        self.space.check(config)
        with self._activator.activated(config, self._statistics_of(config), ranges=self._ranges_of(config)):
            yield self.model

    def materialize(self, config: Config) -> dict[str, torch.Tensor]:
        """Return the member's parameters and buffers under the keys of the user's own state dict.

        Parameters come without holes, as views where the part has none; their gradients flow into the shared ones (see
        `activate`). Buffers are copies; those that the state dict leaves out are there too.
        """
        with self._standing(config):
            parameters = {place.key: place.tensor for place in parameter_places(self.model)}
            buffers = {place.key: place.tensor.clone() for place in buffer_places(self.model)}
        if not torch.is_grad_enabled():
            parameters = {key: parameter.detach() for key, parameter in parameters.items()}
        return parameters | buffers

    def extract(self, config: Config) -> nn.Module:
        """Return the member as an ordinary, independent module of the user's own class and state-dict keys.

        It carries the member's calibrated batch-norm statistics where `calibrate` has been called for the config.
        """
        return self._taken_out(config, _own)

    def borrow(self, config: Config) -> nn.Module:
        """Return the member as `extract` does, but on the shared weights' own memory wherever it holds them whole.

        It costs less memory and is there to be run, not to be changed.
        """
        return self._taken_out(config, _whole_or_own)

    def _taken_out(self, config: Config, take: Callable[[torch.Tensor], torch.Tensor]) -> nn.Module:
        trained = {place.key: place.tensor.requires_grad for place in parameter_places(self.model)}
        with torch.no_grad(), self._standing(config):
            # deepcopy takes what its memo holds: of a part that is a view it would copy the whole.
            copies: dict[int, Any] = {}
            for place in buffer_places(self.model):
                copies[id(place.tensor)] = place.tensor.clone()
            for place in parameter_places(self.model):
                copies[id(place.tensor)] = nn.Parameter(take(place.tensor), trained[place.key])
            member = deepcopy_model(self.model, copies)
        if is_pretrained(member):
            make_savable(member, self.model)
        return member

    def precisions(self, config: Config) -> dict[str, RoundInput]:
        """Return the precision of the layers that a member quantizes, with their grids, by module path."""
        if self.full_precision(config) == config:
            return {}
        with torch.no_grad(), self._standing(config):
            return precisions_of(self.model)

    def resize(self, config: Config, inputs: torch.Tensor) -> torch.Tensor:
        """Return images (batch, channels, height, width) at the member's resolution; other tensors as they are.

        A member of another resolution is the same network on smaller images: `forward` does not resize them.
        """
        if RESOLUTION not in self.space or not is_images(inputs):
            return inputs
        resolution, full = config[RESOLUTION], self.space[RESOLUTION].largest
        return inputs if resolution == full else resized(inputs, resolution / full)

    @contextmanager
    def whole(self) -> Iterator[nn.Module]:
        """Make the module tree the user's own while the context lasts, with every option of its choices."""
        with self._activator.activated(None):
            yield self.model

    def make_parameters_late(self, units: Sequence[nn.Module]) -> None:
        """Make a member's parameters from now on only while those of these modules run that hold them.

        For parameters that are whole only meanwhile, as sharded ones. `units`: modules of the model whose parameters
        nobody else has, each before those around it, the model last. Call it once, before a member runs; afterwards
        members are there to be run, and cannot be taken out.
        """
        self._activator.make_parameters_late(units)

    @contextmanager
    def _standing(self, config: Config) -> Iterator[None]:
        """Make the module tree the member of `config`, with its batch-norm statistics also in training mode."""
        self.space.check(config)
        statistics, ranges = self._statistics_of(config), self._ranges_of(config)
        with self._activator.activated(config, statistics, keep_statistics=True, ranges=ranges):
            yield

    def full_precision(self, config: Config) -> Config:
        """Return the config of the same shape in which every layer is as the user made it, in 32 bits."""
        return config if self.quantization is None else full_precision(self.space, self.space.check(config))

    def _statistics_of(self, config: Config) -> dict[str, torch.Tensor]:
        found = self._statistics.get(config)
        return self._statistics.get(self.full_precision(config), {}) if found is None else found

    def _ranges_of(self, config: Config) -> Ranges | None:
        """Return the ranges of a member's activations; None in training mode, where each batch has its own."""
        if self.quantization is None or not self.quantization.needs_ranges(config):
            return None
        found = self._ranges.get(self.full_precision(config))
        if found is None and not self.model.training:
            raise SuppleError(
                "The ranges of this quantized member's activations are not known: run family.calibrate(config, inputs) "
                "first."
            )
        return None if self.model.training else found

    def calibrate(self, config: Config, inputs: Iterable[Inputs]) -> None:
        """Recompute the batch-norm statistics of a member on data; later eval runs and `extract` use them.

        `inputs`: batches as the model takes them, without labels, and of full resolution. The full member keeps the
        model's own statistics, which training keeps true. Source: Yu & Huang, Universally Slimmable Networks, 2019.
        A quantized member has the statistics of the one of its shape in full precision, and the ranges of what that
        one's layers compute; members of one shape share both. Raises `SuppleError` where there are no data, or where
        they, or what layers make of them, are not finite.
        """
        shape = self.full_precision(self.space.check(config))
        batches = [ModelInputs.of(batch) for batch in inputs] if self._lacks_ranges(config) else inputs
        if shape != self.space.max():
            self._statistics.pop(shape, None)
            with evaluating(self.model), self.activate(shape) as member:
                resized = (ModelInputs.of(batch).map(partial(self.resize, shape)) for batch in batches)
                self._statistics[shape] = recomputed_statistics(member, resized)
        self._calibrate_ranges([config], batches)

    def _lacks_ranges(self, config: Config) -> bool:
        return self.quantization is not None and self.quantization.needs_ranges(config)

    def _calibrate_ranges(self, configs: Iterable[Config], inputs: Iterable[Inputs]) -> None:
        """Find the ranges of quantized members' activations, once for each shape."""
        quantization = self.quantization
        if quantization is None:
            return
        for shape in dict.fromkeys(self.full_precision(one) for one in configs if quantization.needs_ranges(one)):
            with evaluating(self.model), self.activate(shape) as member:
                batches = (ModelInputs.of(batch).map(partial(self.resize, shape)) for batch in inputs)
                self._ranges[shape] = measured_ranges(member, quantization.layers, batches, quantization.config)

    def calibrate_together(self, configs: Iterable[Config], inputs: Sequence[Inputs]) -> None:
        """Recompute the batch-norm statistics of several members, exactly as `calibrate` does of one after the other.

        Faster where members share their choices in early layers: what several compute alike is computed once. `inputs`:
        batches as `calibrate` takes them.
        """
        given = [self.space.check(config) for config in configs]
        distinct = [shape for shape in dict.fromkeys(map(self.full_precision, given)) if shape != self.space.max()]
        for config in distinct:
            self._statistics.pop(config, None)
        with evaluating(self.model):
            found = statistics_together(
                self.activate,
                lambda config, batch: batch.map(partial(self.resize, config)),
                distinct,
                map(ModelInputs.of, inputs),
            )
        self._statistics.update(found)
        for config in distinct:
            if config not in found:
                self.calibrate(config, inputs)
        self._calibrate_ranges(given, inputs)

    def refresh_statistics(self, inputs: Iterable[Inputs]) -> None:
        """Recompute the model's own batch-norm statistics, those of the full member, on data as `calibrate` takes them.

        Training keeps them true only while it trains the full member often.
        """
        with evaluating(self.model), self.activate(self.space.max()) as member:
            found = recomputed_statistics(member, (ModelInputs.of(batch) for batch in inputs))
        buffers = dict(self.model.named_buffers(remove_duplicate=False))
        for key, statistic in found.items():
            buffers[key].copy_(statistic)

    @property
    def statistics(self) -> dict[Config, dict[str, torch.Tensor]]:
        """The batch-norm statistics of the members that have been calibrated, by state-dict key."""
        return self._statistics

    def forget_calibrations(self) -> None:
        """Forget all recomputed statistics and ranges: after the shared weights have changed they are wrong."""
        self._statistics.clear()
        self._ranges.clear()

    @property
    def ranges(self) -> dict[Config, Ranges]:
        """The ranges of activations that have been calibrated, by the config of the shape in full precision."""
        return self._ranges

    def with_structure(self, structure: Structure, quantization: Quantization | None = None) -> "Family":
        """Return a family of another structure, and another precision, on the same model, without calibrations."""
        family = Family(self.model, structure, self.kernel_transforms is not None, quantization)
        if family.kernel_transforms is not None and self.kernel_transforms is not None:
            family.kernel_transforms.load_state_dict(self.kernel_transforms.state_dict())
        return family

    def __deepcopy__(self, memo: dict[int, Any]) -> "Family":
        """Return a family of copied weights; it keeps the calibrations and the mode."""
        model = copy.deepcopy(self.model, memo)
        family = Family(model, self.structure, self.kernel_transforms is not None, self.quantization)
        if family.kernel_transforms is not None and self.kernel_transforms is not None:
            family.kernel_transforms.load_state_dict(self.kernel_transforms.state_dict())
        family._statistics = copy.deepcopy(self._statistics, memo)
        family._ranges = copy.deepcopy(self._ranges, memo)
        return family

    def train(self, mode: bool = True) -> "Family":
        """Set the training mode; entering it forgets all calibrations."""
        if mode:
            self.forget_calibrations()
        return super().train(mode)

    def summary(self) -> Summary:
        """Return the dimensions, the number of members, the range of sizes, and what is frozen and why.

        Printed, it is a table; `to_json` gives all of it to a program.
        """
        return summarise(self)

    def count_parameters(self, config: Config) -> int:
        """Return the number of parameters of a member; a tensor that modules share counts once."""
        sizes = {
            id(place.tensor): torch.Size(self.structure.shape(place.key, config)).numel()
            for place in parameter_places(self.model)
            if self.structure.keeps(place.key, config)
        }
        return sum(sizes.values())

    def count_macs(self, config: Config) -> int:
        """Return the multiply-accumulates of a member for one sample, as PyTorch's own counter counts them.

        The member runs once, on zeros in the shapes of the example inputs, at its own resolution; precision does not
        count. Raises `SuppleError` where it does not run.
        """
        zeros = self.example_zeros(config)
        with self.activate(self.full_precision(config)) as member:
            return count_macs(member, zeros)

    def example_zeros(self, config: Config) -> ModelInputs:
        """Return one batch of zeros in the shapes of the example inputs, at the member's resolution.

        Raises `SuppleError` where those shapes could not be written down.
        """
        shapes = self.structure.inputs
        if shapes is None:
            raise SuppleError(
                "The shapes of the example inputs cannot be written down, so nothing can be counted on them."
            )
        device = next(self.model.parameters()).device
        return shapes.zeros(device).map(partial(self.resize, config))


def _own(part: torch.Tensor) -> torch.Tensor:
    """Return a tensor that shares no memory with the shared weights: most parts are such copies already."""
    return part.detach().clone() if isinstance(part, nn.Parameter) else _whole_or_own(part)


def _whole_or_own(part: torch.Tensor) -> torch.Tensor:
    """Return a tensor that fills its memory: that of the shared weight where the part is all of it."""
    fills_its_memory = part.untyped_storage().nbytes() == part.numel() * part.element_size()
    return part.detach() if fills_its_memory else part.detach().clone()
