"""Surgery on ONNX graphs: free the weights for the optimizer, find the ends of blocks, drop what nobody needs."""

import ast
from collections.abc import Iterable, Mapping, Sequence

import onnx
from onnxscript import optimizer

from supple.errors import SuppleError

_SCOPES = "pkg.torch.onnx.name_scopes"


def simplified(model: onnx.ModelProto, weights: Iterable[str]) -> onnx.ModelProto:
    """Fold the constants of an exported graph, but leave everything that depends on a weight's values as it is.

    The weights stand in for inputs meanwhile, so that the optimizer cannot fuse batch norm into convolutions: the
    values of both differ between members. The runtime fuses them when it loads the member's file.
    """
    names = set(weights)
    opened = onnx.ModelProto()
    opened.CopyFrom(model)
    held = [entry for entry in model.graph.initializer if entry.name in names]
    kept = [entry for entry in model.graph.initializer if entry.name not in names]
    _replace(opened.graph.initializer, kept)
    opened.graph.input.extend(
        onnx.helper.make_tensor_value_info(entry.name, entry.data_type, list(entry.dims)) for entry in held
    )
    folded = optimizer.optimize(opened)
    _replace(folded.graph.input, [entry for entry in folded.graph.input if entry.name not in names])
    folded.graph.initializer.extend(held)
    _give_each_its_own_numbers(folded.graph, names)
    return folded


def _give_each_its_own_numbers(graph: onnx.GraphProto, weights: set[str]) -> None:
    """Make each node read its constants of whole numbers under names of its own.

    The optimizer lets nodes share equal constants. Which are equal differs between members: two layers with as many
    heads in the full network have other numbers in a member.
    """
    numbers = {
        entry.name: entry
        for entry in graph.initializer
        if entry.name not in weights and entry.data_type == onnx.TensorProto.INT64
    }
    _replace(graph.initializer, [entry for entry in graph.initializer if entry.name not in numbers])
    for node in graph.node:
        for position, name in enumerate(node.input):
            if name in numbers:
                node.input[position] = f"{node.output[0]}.{position}"
                own = graph.initializer.add()
                own.CopyFrom(numbers[name])
                own.name = node.input[position]


def block_ends(model: onnx.ModelProto, path: str) -> tuple[str, str]:
    """Return the values that a block takes and gives, by the block's module path.

    Raises `SuppleError` where the block gives an output of the model, or more than one value, or takes none of the same
    type and shape.
    """
    graph = model.graph
    inside = [node for node in graph.node if path in module_scopes(node)]
    made = {name for node in inside for name in node.output}
    wanted = {name for node in graph.node if path not in module_scopes(node) for name in node.input}
    if made & {entry.name for entry in graph.output}:
        raise SuppleError(f'block "{path}" gives an output of the model')
    given = sorted(made & wanted)
    if len(given) != 1:
        raise SuppleError(f'block "{path}" gives {len(given)} values in the exported graph, not one')
    types = _types(graph)
    weights = {entry.name for entry in graph.initializer}
    taken = [name for node in inside for name in node.input if name not in made and name not in weights]
    fitting = (name for name in taken if name in types and types[name] == types.get(given[0]))
    source = next(fitting, None)
    if source is None:
        raise SuppleError(f'block "{path}" takes no value of the shape that it gives in the exported graph')
    return source, given[0]


def module_scopes(node: onnx.NodeProto) -> tuple[str, ...]:
    """Return the paths of the modules that a node was exported from, the outermost first."""
    for entry in node.metadata_props:
        if entry.key == _SCOPES:
            return tuple(str(scope) for scope in ast.literal_eval(entry.value))
    return ()


def rewired(nodes: Sequence[onnx.NodeProto], sources: Mapping[str, str]) -> list[onnx.NodeProto]:
    """Return nodes that read `sources[value]` instead of `value`; a node that reads no such value is not copied."""
    result: list[onnx.NodeProto] = []
    for node in nodes:
        if any(name in sources for name in node.input):
            copy = onnx.NodeProto()
            copy.CopyFrom(node)
            _replace(copy.input, [_resolve(name, sources) for name in node.input])
            result.append(copy)
        else:
            result.append(node)
    return result


def _resolve(name: str, sources: Mapping[str, str]) -> str:
    """Follow a value back through dropped blocks."""
    while name in sources:
        name = sources[name]
    return name


def needed_nodes(nodes: Sequence[onnx.NodeProto], outputs: Iterable[str]) -> tuple[list[onnx.NodeProto], set[str]]:
    """Return the nodes that the outputs depend on, in their order, and the names of all values that these read."""
    read = set(outputs)
    kept: list[onnx.NodeProto] = []
    for node in reversed(nodes):
        if any(name in read for name in node.output):
            kept.append(node)
            read.update(node.input)
    return kept[::-1], read


def _types(graph: onnx.GraphProto) -> dict[str, tuple[int, tuple[int | str, ...]]]:
    """Return the element type and the shape of every value; a free axis is its name."""
    types: dict[str, tuple[int, tuple[int | str, ...]]] = {}
    for entry in (*graph.input, *graph.value_info, *graph.output):
        tensor = entry.type.tensor_type
        types[entry.name] = (tensor.elem_type, tuple(axis.dim_param or axis.dim_value for axis in tensor.shape.dim))
    return types


def _replace(field: object, entries: Iterable[object]) -> None:
    """Set a repeated field of a protobuf message."""
    kept = list(entries)
    del field[:]  # type: ignore[attr-defined]
    field.extend(kept)  # type: ignore[attr-defined]
