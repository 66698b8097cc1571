"""Example inputs from their shapes: what a user writes for `--input`, and what a source knows of its models."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

from supple.errors import SuppleError
from supple.trace import ModelInputs

BATCH = 2
_DTYPES = ("float32", "float16", "bfloat16", "int64", "int32", "bool")
_SPEC = re.compile(r"(?:(?P<name>[^\W\d]\w*)=)?(?P<shape>\d+(?:,\d+)*)(?::(?P<dtype>\w+))?(?::(?P<below>\d+))?")
_EXPECTED = 'expected SHAPE or NAME=SHAPE, as "3,224,224" or "input_ids=16:int64" (no batch: it is added)'


@dataclass(frozen=True)
class InputSpec:
    """One input of a model: its name (None where it is positional) and the shape of one sample.

    Without a `dtype` it has that of the model's parameters. Integers are drawn `below` a bound: by default the number
    of entries of the model's smallest embedding.
    """

    name: str | None
    shape: tuple[int, ...]
    dtype: str | None = None
    below: int | None = None


def parse_input(text: str) -> InputSpec:
    """Read `[NAME=]SHAPE[:DTYPE[:BELOW]]`. Raises `SuppleError` where the text is anything else."""
    match = _SPEC.fullmatch(text.strip())
    if match is None:
        raise SuppleError(f'"{text}" is no input: {_EXPECTED}')
    shape = tuple(int(size) for size in match["shape"].split(","))
    if 0 in shape:
        raise SuppleError(f'"{text}" is no input: a size of 0 leaves nothing to run on')
    if match["dtype"] not in (None, *_DTYPES):
        raise SuppleError(f'"{text}" has an unknown type: it can be {", ".join(_DTYPES)}')
    below = None if match["below"] is None else int(match["below"])
    if below == 0:
        raise SuppleError(f'"{text}" is no input: no integer lies between 0 and 0')
    return InputSpec(match["name"], shape, match["dtype"], below)


def random_inputs(model: nn.Module, specs: Iterable[InputSpec], constants: Mapping[str, Any] = {}) -> ModelInputs:
    """Return a batch of two random samples, the same ones each time; `constants` are passed by name as they are."""
    generator = torch.Generator().manual_seed(0)
    args: list[torch.Tensor] = []
    kwargs: dict[str, Any] = dict(constants)
    for spec in specs:
        tensor = _draw(model, spec, generator)
        if spec.name is None:
            args.append(tensor)
        elif spec.name in kwargs:
            raise SuppleError(f'The input "{spec.name}" is given twice.')
        else:
            kwargs[spec.name] = tensor
    return ModelInputs(tuple(args), kwargs)


def _draw(model: nn.Module, spec: InputSpec, generator: torch.Generator) -> torch.Tensor:
    shape = (BATCH, *spec.shape)
    dtype = _dtype(model) if spec.dtype is None else getattr(torch, spec.dtype)
    if dtype == torch.bool:
        return torch.ones(shape, dtype=dtype)
    if dtype.is_floating_point:
        return torch.randn(shape, generator=generator).to(dtype)
    return torch.randint(spec.below or _smallest_embedding(model), shape, generator=generator, dtype=dtype)


def _dtype(model: nn.Module) -> torch.dtype:
    types = (parameter.dtype for parameter in model.parameters() if parameter.dtype.is_floating_point)
    return next(types, torch.float32)


def _smallest_embedding(model: nn.Module) -> int:
    return min((module.num_embeddings for module in model.modules() if isinstance(module, nn.Embedding)), default=2)
