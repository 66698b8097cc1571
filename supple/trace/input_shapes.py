"""The shapes and types of a model's inputs: what a family remembers of the example inputs that it was made with."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch.utils._pytree import tree_map_only

from supple.trace.inputs import ModelInputs

_CONSTANTS = (str, int, float, bool, type(None))


@dataclass(frozen=True)
class TensorShape:
    """The shape and the type (`float32`) of one tensor."""

    shape: tuple[int, ...]
    dtype: str


@dataclass(frozen=True)
class InputShapes:
    """A batch of inputs with a `TensorShape` in the place of each tensor."""

    args: tuple[Any, ...]
    kwargs: Mapping[str, Any]

    @classmethod
    def of(cls, inputs: ModelInputs) -> "InputShapes | None":
        """Return the shapes of these inputs; None where they hold objects that JSON has no word for."""
        args, kwargs = tree_map_only(torch.Tensor, _shape_of, (inputs.args, dict(inputs.kwargs)))
        shapes = cls(args, kwargs)
        try:
            shapes.to_json()
        except TypeError:
            return None
        return shapes

    def zeros(self, device: torch.device) -> ModelInputs:
        """Return inputs of these shapes that hold zeros."""

        def zeros(entry: TensorShape) -> torch.Tensor:
            return torch.zeros(entry.shape, dtype=getattr(torch, entry.dtype), device=device)

        args, kwargs = tree_map_only(TensorShape, zeros, (self.args, dict(self.kwargs)))
        return ModelInputs(args, kwargs)

    def to_json(self) -> dict[str, Any]:
        """Return the shapes as plain JSON content."""
        return {
            "args": [_to_json(entry) for entry in self.args],
            "kwargs": {name: _to_json(entry) for name, entry in self.kwargs.items()},
        }

    @classmethod
    def from_json(cls, content: Any) -> "InputShapes":
        """Read what `to_json` returned. Raises `ValueError`, `TypeError` or `KeyError` where it is anything else."""
        kwargs = {name: _from_json(entry) for name, entry in content["kwargs"].items()}
        return cls(tuple(_from_json(entry) for entry in content["args"]), kwargs)


def _shape_of(tensor: torch.Tensor) -> TensorShape:
    return TensorShape(tuple(tensor.shape), str(tensor.dtype).removeprefix("torch."))


def _to_json(entry: Any) -> Any:
    if isinstance(entry, TensorShape):
        return {"shape": list(entry.shape), "dtype": entry.dtype}
    if type(entry) is list:
        return [_to_json(part) for part in entry]
    if type(entry) is tuple:
        return {"tuple": [_to_json(part) for part in entry]}
    if type(entry) is dict and all(isinstance(key, str) for key in entry):
        return {"dict": {key: _to_json(part) for key, part in entry.items()}}
    if isinstance(entry, _CONSTANTS):
        return entry
    raise TypeError(f"JSON has no word for {type(entry).__name__}")


def _from_json(entry: Any) -> Any:
    if isinstance(entry, _CONSTANTS):
        return entry
    if isinstance(entry, list):
        return [_from_json(part) for part in entry]
    if "tuple" in entry:
        return tuple(_from_json(part) for part in entry["tuple"])
    if "dict" in entry:
        return {key: _from_json(part) for key, part in entry["dict"].items()}
    shape, dtype = tuple(entry["shape"]), entry["dtype"]
    if not all(type(size) is int and size >= 0 for size in shape):
        raise ValueError(f"{shape!r:.80} is no shape")
    if not isinstance(dtype, str) or not isinstance(getattr(torch, dtype, None), torch.dtype):
        raise ValueError(f"{dtype!r:.80} is no type of a tensor")
    return TensorShape(shape, dtype)
