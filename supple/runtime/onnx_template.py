"""Cut members out of one ONNX export of the full network, in milliseconds instead of an export each."""

import random
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property, partial

import onnx
import torch
from onnx import numpy_helper

from supple.errors import SuppleError, first_line
from supple.family import Family
from supple.progress import Progress, Silent
from supple.runtime.onnx_export import exported_model, file_content, onnx_model, remove_notes
from supple.runtime.onnx_graph import block_ends, needed_nodes, rewired, simplified
from supple.runtime.onnx_quantizing import quantized
from supple.runtime.onnx_session import OnnxSession
from supple.runtime.onnx_sizes import (
    Place,
    Size,
    choose_probe,
    elastic_axes,
    kernel_dimensions,
    match_sizes,
    shifted_attributes,
    with_sizes,
)
from supple.runtime.parity import check_export
from supple.space import Config, Kind, Space
from supple.trace import Inputs, ModelInputs

# A probe takes as long as exporting one member by itself, and searches measure many: probing goes on while that makes
# anything clear.
LEAST_PROBES = 4
MAX_PROBES = 8
RANDOM_CONFIGS = 4


@dataclass(frozen=True)
class Outline:
    """A member's graph for one batch size with the shape of every value, but of the weights the shapes only.

    `weights` are names of inputs; `block_values` those of what blocks take and give, whether the member has them or
    not.
    """

    model: onnx.ModelProto
    weights: frozenset[str]
    block_values: frozenset[str]


class OnnxTemplate:
    """One export of a family's full network, from which members are cut.

    A cut replaces the weights by the member's (with its calibrated batch-norm statistics), drops its blocks, and sets
    the sizes that the graph holds as constants. Batch norm stays apart; ONNX Runtime fuses it when it loads the file,
    so that a cut file and an exported one run the same operators.

    At construction, the full, the smallest and random members are cut, checked by ONNX's strict shape inference, and
    compared with the extracted members in ONNX Runtime. Where anything fails, `reason` says what, and every member is
    exported by itself instead: correct too, but seconds instead of milliseconds.
    """

    def __init__(
        self,
        family: Family,
        example_inputs: Inputs,
        progress: Progress = Silent(),
    ) -> None:
        """Export the full network, and at least one narrower to find the sizes (2 to 5 s each for a small ResNet).

        `progress` is told if members cannot be cut. Raises `SuppleError` where the network cannot be exported at all.
        """
        self.family = family
        self.example_inputs = ModelInputs.of(example_inputs)
        self.reason: str | None = None
        self._model = self._export(family.space.max())
        try:
            _check_can_be_cut(family.space)
            self._sizes = self._find_sizes()
            self._blocks = {block.path: block_ends(self._model, block.path) for block in family.structure.blocks}
            remove_notes(self._model)
            self._verify()
        except SuppleError as error:
            self.reason = str(error).rstrip(".")
            progress.say(
                f"Members cannot be cut out of one ONNX export ({self.reason}): each is exported by itself, which "
                "takes seconds for every member measured."
            )

    def cut(self, config: Config) -> bytes:
        """Return the member of a config as the content of an ONNX file.

        Raises `SuppleError` for a config of another space.
        """
        self.family.space.check(config)
        if self.reason is None:
            return file_content(self._cut(config))
        inputs = self.example_inputs.map(partial(self.family.resize, config))
        return file_content(onnx_model(self.family.extract(config), inputs))

    def outline(self, config: Config, batch: int) -> Outline:
        """Return a member's graph without the values of its weights; it takes a few milliseconds.

        Raises `SuppleError` for a config of another space, and where members cannot be cut (`reason`).
        """
        self.family.space.check(config)
        if self.reason is not None:
            raise SuppleError(f"Members cannot be cut out of one ONNX export: {self.reason}.")
        structure = self.family.structure
        model, weights = self._frame(config)
        graph = model.graph
        for entry in (*graph.input, *graph.output):
            entry.type.tensor_type.shape.dim[0].dim_value = batch
        for entry in weights:
            shape = structure.shape(entry.name, config)
            graph.input.append(onnx.helper.make_tensor_value_info(entry.name, entry.data_type, shape))
        values = frozenset(value for ends in self._blocks.values() for value in ends)
        names = frozenset(entry.name for entry in weights)
        return Outline(onnx.shape_inference.infer_shapes(model, data_prop=True), names, values)

    def _cut(self, config: Config) -> onnx.ModelProto:
        model, weights = self._frame(config)
        with torch.no_grad():
            tensors = self.family.materialize(config)
        for entry in weights:
            _fill(model.graph.initializer.add(), entry, tensors[entry.name])
        precisions = self.family.precisions(config)
        return quantized(model, precisions) if precisions else model

    def _frame(self, config: Config) -> tuple[onnx.ModelProto, list[onnx.TensorProto]]:
        """Return a member's graph without its weights, and the full network's in place of those that it needs."""
        whole = self._model.graph
        dropped = self.family.structure.dropped_blocks(config)
        sources = {given: taken for taken, given in (self._blocks[path] for path in dropped)}
        nodes, read = needed_nodes(rewired(whole.node, sources), [entry.name for entry in whole.output])
        sizes: defaultdict[str, dict[Place, int]] = defaultdict(dict)
        for place, size in self._sizes.items():
            sizes[place.holder][place] = size(config)
        # Filled in place: every message that is put into another is copied, and weights are large.
        model = onnx.ModelProto(
            ir_version=self._model.ir_version, opset_import=self._model.opset_import, producer_name="supple"
        )
        graph = model.graph
        graph.name = whole.name
        graph.input.extend(whole.input)
        graph.output.extend(whole.output)
        graph.node.extend(
            with_sizes(node, sizes[node.output[0]]) if node.output[0] in sizes else node for node in nodes
        )
        weights: list[onnx.TensorProto] = []
        for entry in whole.initializer:
            if entry.name in read:
                if entry.name in self._weights:
                    weights.append(entry)
                else:
                    graph.initializer.append(_with_numbers(entry, sizes[entry.name]) if entry.name in sizes else entry)
        return model, weights

    def _export(self, config: Config) -> onnx.ModelProto:
        member = self.family.extract(self.family.full_precision(config))
        return simplified(exported_model(member, self.example_inputs, optimize=False), self._weights)

    @cached_property
    def _weights(self) -> set[str]:
        """The names of the full network's tensors, which initializers of the export carry."""
        with torch.no_grad():
            return set(self.family.materialize(self.family.space.max()))

    def _find_sizes(self) -> dict[Place, Size]:
        """Probe the sizes until each fits one axis only. Raises `SuppleError` where that needs too many exports."""
        axes, shifted = elastic_axes(self.family.structure), shifted_attributes(self.family.structure)
        kernels = kernel_dimensions(self.family.structure, self._model)
        configs, models = [self.family.space.max()], [self._model]
        unclear: list[Place] = []
        for number in range(1, MAX_PROBES + 1):
            configs.append(choose_probe(self.family.space, axes, configs[1:]))
            models.append(self._export(configs[-1]))
            matches = match_sizes(models, configs, axes, shifted, self._weights, kernels)
            before, unclear = unclear, [place for place, sizes in matches.items() if len(sizes) > 1]
            if not unclear:
                return {place: next(iter(sizes)) for place, sizes in matches.items()}
            if number >= LEAST_PROBES and unclear == before:
                break
        raise SuppleError(f'a size at "{unclear[0].holder}" could be that of several axes')

    def _verify(self) -> None:
        """Raise `SuppleError` where a cut member is not what the family extracts."""
        space, rng = self.family.space, random.Random(0)
        tried = [space.max(), space.min(), *(space.sample(rng) for _ in range(RANDOM_CONFIGS))]
        # Rounded members need calibrated ranges; their graphs differ by what `quantized` puts in.
        for config in dict.fromkeys(map(self.family.full_precision, tried)):
            model = self._cut(config)
            try:
                onnx.checker.check_model(model)
                onnx.shape_inference.infer_shapes(model, check_type=True, strict_mode=True)
            except Exception as error:  # the checker and the shape inference each have errors of their own
                raise SuppleError(f"a cut member is no valid ONNX model: {first_line(error)}") from error
            check_export(self.family.extract(config), OnnxSession(file_content(model)), self.example_inputs)


def _check_can_be_cut(space: Space) -> None:
    """Raise `SuppleError` where members differ in more than sizes and blocks."""
    for dimension in space.dimensions:
        if dimension.kind in (Kind.OPERATOR, Kind.RESOLUTION) and len(dimension.values) > 1:
            raise SuppleError(f'members differ in "{dimension.name}"')


def _fill(empty: onnx.TensorProto, entry: onnx.TensorProto, tensor: torch.Tensor) -> None:
    """Make an empty initializer hold a member's tensor in the place of the full network's."""
    empty.name = entry.name
    empty.data_type = entry.data_type
    empty.dims.extend(tensor.shape)
    # Bytes of any type, also those that NumPy does not have.
    empty.raw_data = tensor.detach().cpu().reshape(-1).view(torch.uint8).numpy().tobytes()


def _with_numbers(entry: onnx.TensorProto, sizes: Mapping[Place, int]) -> onnx.TensorProto:
    """Return a copy of a constant tensor that holds these sizes."""
    numbers = numpy_helper.to_array(entry).copy()
    for place, size in sizes.items():
        numbers.flat[place.position] = size
    return numpy_helper.from_array(numbers, entry.name)
