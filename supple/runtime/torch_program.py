"""PyTorch programs as files that hold nothing but numbers and names: safetensors with the graph as JSON in its notes.

`torch.export.load` (of PyTorch 2.13) unpickles example inputs and constants without limits, and reads operators as
paths into the module `torch`, where `os` is to be found too. Here a file names operators of `torch.ops.aten`, and those
that turn numbers into integers and back, and nothing in it is unpickled. Shapes are fixed: sizes are numbers.
"""

import json
import math
import operator
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import torch

# It defines the operators that turn numbers into integers and back.
import torch.ao.quantization.fx._decomposed
from torch import fx, nn
from torch.export.graph_signature import InputKind, OutputKind

from supple.errors import SuppleError, first_line
from supple.runtime.session import ModelInput
from supple.storage.json_files import MAX_BYTES, parse_json

_NOTE = "supple_program"
_GETITEM = "getitem"
# Operators whose names begin with an underscore are PyTorch's own affair: some trust the indices that they are given.
_PRIVATE = {
    "_log_softmax", "_native_batch_norm_legit_no_training", "_native_multi_head_attention", "_softmax", "_to_copy",
    "_transformer_encoder_layer_fwd", "_unsafe_view", "_weight_norm", "_weight_norm_interface",
}  # fmt: skip
_OF_FILES = {"from_file"}
_INTEGERS = "quantized_decomposed"
_OF_INTEGERS = {"quantize_per_tensor", "dequantize_per_tensor", "dequantize_per_channel"}
_OBJECTS = {"dtype": torch.dtype, "layout": torch.layout, "memory_format": torch.memory_format}


@dataclass(frozen=True)
class TorchProgram:
    """A program that has been read: the module to run, and its inputs in their order. It returns a tuple of tensors."""

    module: fx.GraphModule
    inputs: tuple[ModelInput, ...]


def written(program: torch.export.ExportedProgram) -> bytes:
    """Return an exported program as the content of a file; the same program always gives the same bytes.

    Raises `SuppleError` where it holds what the file has no form for, as operators of a user's own.
    """
    import safetensors.torch

    signature = program.graph_signature
    tensors: dict[str, torch.Tensor] = {}
    inputs: list[dict[str, Any]] = []
    nodes: list[dict[str, Any]] = []
    outputs: list[Any] = []
    specs = {entry.arg.name: entry for entry in signature.input_specs}
    if any(entry.kind is not OutputKind.USER_OUTPUT for entry in signature.output_specs):
        raise SuppleError("The member cannot be written as a PyTorch program: it changes its own buffers or inputs.")
    for node in program.graph.nodes:
        if node.op == "placeholder":
            spec = specs[node.name]
            if spec.kind is InputKind.USER_INPUT:
                value = node.meta["val"]
                if isinstance(value, torch.Tensor):
                    inputs.append({"name": node.name, "dtype": _name(value.dtype), "shape": list(value.shape)})
            elif node.users:
                tensors[node.name] = _tensor(program, spec.target or "")
        elif node.op == "call_function":
            if not node.users and _is_assertion(node.target):
                continue
            nodes.append(
                {
                    "name": node.name,
                    "operator": _operator_name(node.target),
                    "args": [_packed(argument) for argument in node.args],
                    "kwargs": {name: _packed(argument) for name, argument in node.kwargs.items()},
                }
            )
        elif node.op == "output":
            outputs = [_packed(argument) for argument in node.args[0]]
        else:
            raise SuppleError(
                f"The member cannot be written as a PyTorch program: it holds a {node.op} ({node.target})."
            )
    text = json.dumps({"inputs": inputs, "nodes": nodes, "outputs": outputs}, allow_nan=False)
    content: bytes = safetensors.torch.save(tensors, {_NOTE: text})
    return content


def read(content: bytes, device: torch.device, source: str) -> TorchProgram:
    """Return the program in a file, on a device. `source` names it in the `SuppleError` raised where it is none."""
    import safetensors.torch

    graph = _graph_note(content, source)
    try:
        tensors = safetensors.torch.load(content)
        return _built(graph, {name: tensor.to(device) for name, tensor in tensors.items()}, device)
    except SuppleError as error:
        raise SuppleError(f"{source} is no PyTorch program that supple wrote: {error}") from error
    except (safetensors.SafetensorError, ArithmeticError, LookupError, TypeError, ValueError, AttributeError) as error:
        raise SuppleError(f"{source} is no PyTorch program that supple wrote: {first_line(error)}") from error


def _graph_note(content: bytes, source: str) -> Any:
    """Read the header before anything trusts the length that it claims."""
    length = int.from_bytes(content[:8], "little")
    if len(content) < 8 or length > min(len(content) - 8, MAX_BYTES):
        raise SuppleError(f"{source} is no PyTorch program that supple wrote: it is damaged or cut off.")
    header = parse_json(content[8 : 8 + length], f"The header of {source}")
    notes = header.get("__metadata__") if isinstance(header, dict) else None
    if not isinstance(notes, dict) or not isinstance(notes.get(_NOTE), str):
        raise SuppleError(f"{source} is no PyTorch program that supple wrote: it holds no graph.")
    return parse_json(notes[_NOTE].encode(), f"The graph of {source}")


def _built(graph: Any, tensors: Mapping[str, torch.Tensor], device: torch.device) -> TorchProgram:
    root = nn.Module()
    built = fx.Graph()
    values: dict[str, fx.Node] = {}
    inputs = []
    # What fx generates code from is either made here or checked: a name out of the file could hold code.
    for index, entry in enumerate(graph["inputs"]):
        values[entry["name"]] = built.placeholder(f"input_{index}")
        inputs.append(ModelInput(str(entry["name"]), tuple(map(int, entry["shape"])), _numpy_type(entry["dtype"])))
    for index, (name, tensor) in enumerate(tensors.items()):
        root.register_buffer(f"tensor_{index}", tensor)
        values[name] = built.get_attr(f"tensor_{index}")
    for entry in graph["nodes"]:
        target = _operator(entry["operator"])
        kwargs = {name: _unpacked(argument, values, device) for name, argument in entry["kwargs"].items()}
        _check_names(target, kwargs)
        args = tuple(_unpacked(argument, values, device) for argument in entry["args"])
        values[entry["name"]] = built.call_function(target, args, kwargs)
    built.output(tuple(_unpacked(argument, values, device) for argument in graph["outputs"]))
    return TorchProgram(fx.GraphModule(root, built), tuple(inputs))


def _tensor(program: torch.export.ExportedProgram, target: str) -> torch.Tensor:
    tensor = program.state_dict[target] if target in program.state_dict else program.constants[target]
    if not isinstance(tensor, torch.Tensor):
        raise SuppleError(f'The member cannot be written as a PyTorch program: "{target}" is no tensor.')
    # Tied tensors share memory, which safetensors does not hold.
    return tensor.detach().cpu().clone(memory_format=torch.contiguous_format)


def _is_assertion(target: Any) -> bool:
    """Say whether an operator only checks something, such as the device that the member was exported on."""
    return isinstance(target, torch._ops.OpOverload) and target._schema.name.startswith("aten::_assert")


def _operator_name(target: Any) -> str:
    if target is operator.getitem:
        return _GETITEM
    name = str(target)
    if not isinstance(target, torch._ops.OpOverload) or not name.startswith(("aten.", f"{_INTEGERS}.")):
        raise SuppleError(f'PyTorch programs hold operators of PyTorch\'s own "aten" only, not "{name}".')
    _operator(name)
    return name


def _operator(name: str) -> Callable[..., Any]:
    if name == _GETITEM:
        return operator.getitem
    namespace, _, rest = name.partition(".")
    packet, _, overload = rest.partition(".")
    is_known = packet in _OF_INTEGERS if namespace == _INTEGERS else namespace == "aten" and _is_public(packet)
    if not is_known or not (packet.isidentifier() and overload.isidentifier()):
        raise SuppleError(f'PyTorch programs hold no operator "{name}".')
    found = getattr(getattr(getattr(torch.ops, namespace), packet, None), overload, None)
    if not isinstance(found, torch._ops.OpOverload):
        raise SuppleError(f'this PyTorch has no operator "{name}".')
    return found


def _is_public(packet: str) -> bool:
    return packet in _PRIVATE or not (packet in _OF_FILES or packet.startswith("_"))


def _check_names(target: Callable[..., Any], kwargs: Mapping[str, object]) -> None:
    known = (
        {argument.name for argument in target._schema.arguments} if isinstance(target, torch._ops.OpOverload) else {}
    )
    for name in kwargs:
        if name not in known:
            raise SuppleError(f'operator "{target}" has no argument "{name}".')


def _packed(argument: Any) -> Any:
    """Return an argument as JSON content: values by name, what JSON lacks as an object of one key."""
    if argument is None or isinstance(argument, bool | int | str):
        return argument
    if isinstance(argument, float):
        return argument if math.isfinite(argument) else {"float": str(argument)}
    if isinstance(argument, fx.Node):
        return {"value": argument.name}
    if isinstance(argument, list | tuple):
        return [_packed(entry) for entry in argument]
    if isinstance(argument, torch.device):
        # The program runs on the device that it is opened for.
        return {"device": None}
    for kind, of_type in _OBJECTS.items():
        if isinstance(argument, of_type):
            return {kind: _name(argument)}
    raise SuppleError(f"The member cannot be written as a PyTorch program: it holds a {type(argument).__name__}.")


def _unpacked(packed: Any, values: Mapping[str, fx.Node], device: torch.device) -> Any:
    if isinstance(packed, list):
        return [_unpacked(entry, values, device) for entry in packed]
    if not isinstance(packed, dict):
        return packed
    ((kind, content),) = packed.items()
    if kind == "value":
        return values[content]
    if kind == "float":
        return float(content)
    if kind == "device":
        return device
    if kind not in _OBJECTS:
        raise SuppleError(f'an argument is of the unknown kind "{kind}".')
    found = getattr(torch, content)
    if not isinstance(found, _OBJECTS[kind]):
        raise SuppleError(f'"{content}" is no {kind}.')
    return found


def _name(thing: object) -> str:
    return str(thing).removeprefix("torch.")


def _numpy_type(name: str) -> Any:
    dtype = _unpacked({"dtype": name}, {}, torch.device("cpu"))
    return torch.empty(0, dtype=dtype).numpy().dtype
