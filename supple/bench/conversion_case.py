"""Convert one model in a process of its own, and say how that went: `python -m supple.bench.conversion_case NAME`."""

import contextlib
import json
import math
import random
import resource
import sys
import time
from collections import Counter
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from torch import nn
from torch.utils._pytree import tree_leaves

from supple.bench.conversion_models import build
from supple.errors import SuppleError
from supple.family import Family, convert
from supple.sources import NamedModel, random_inputs
from supple.trace import ModelInputs

RANDOM_MEMBERS = 5
_MEGABYTE = 1e6


@dataclass(frozen=True)
class ConversionCase:
    """How one conversion went.

    `memory_mb` is the most that the conversion held at a time, the model included: beyond what the process held without
    it, and beyond what running the model once leaves there.
    `remainder` says where the parameters of the smallest member are; `frozen` counts what is frozen, by reason.
    """

    parameters: int
    smallest: int
    members: int
    kinds: dict[str, int]
    equal: bool
    seconds: float
    memory_mb: float
    model_mb: float
    remainder: str
    frozen: dict[str, int]


def convert_case(name: str, seed: int) -> ConversionCase:
    """Convert the model of this name, and compare members with their extracted networks on other inputs.

    Raises `SuppleError` where there is no such model, or where it cannot be converted.
    """
    torch.manual_seed(seed)
    _warm_up()
    named = build(name)
    model_mb = _megabytes(named.model)
    inputs = random_inputs(named.model, named.inputs, named.constants)
    _run(named.model, inputs)
    before_mb = _start_of_peak()
    start = time.perf_counter()
    family = convert(named.model, inputs)
    seconds = time.perf_counter() - start
    memory_mb = model_mb + (_peak() - before_mb)
    space = family.space
    return ConversionCase(
        parameters=family.count_parameters(space.max()),
        smallest=family.count_parameters(space.min()),
        members=space.count(),
        kinds=dict(Counter(dimension.kind.value for dimension in space.dimensions)),
        equal=members_are_equal(family, named, seed),
        seconds=seconds,
        memory_mb=memory_mb,
        model_mb=model_mb,
        remainder=_remainder(family),
        frozen=dict(Counter(entry.reason for entry in family.structure.frozen).most_common()),
    )


def members_are_equal(family: Family, named: NamedModel, seed: int) -> bool:
    """Say whether the full member equals the model, and others their extracted networks, bit for bit in eval mode.

    The members are the smallest and random ones; the inputs are others than those of the conversion.
    """
    rng, space = random.Random(seed + 1), family.space
    inputs = random_inputs(named.model, named.inputs, named.constants).map(_shuffled)
    family.eval()
    if not _same(_run(family.model, inputs), _run(named.model.eval(), inputs)):
        return False
    for config in (space.min(), *(space.sample(rng) for _ in range(RANDOM_MEMBERS))):
        with torch.no_grad():
            inside = tree_leaves(inputs.run(family, config=config))
        if not _same(inside, _run(family.extract(config), inputs)):
            return False
    return True


def _shuffled(tensor: torch.Tensor) -> torch.Tensor:
    """Return the same values in another order: as valid as inputs as they were before."""
    return tensor.flatten()[torch.randperm(tensor.numel())].view_as(tensor)


def _run(module: nn.Module, inputs: ModelInputs) -> list[Any]:
    with torch.no_grad():
        return tree_leaves(inputs.run(module))


def _same(one: list[Any], other: list[Any]) -> bool:
    tensors = [leaf for leaf in one if isinstance(leaf, torch.Tensor)]
    others = [leaf for leaf in other if isinstance(leaf, torch.Tensor)]
    return len(tensors) == len(others) > 0 and all(map(torch.equal, tensors, others))


def _remainder(family: Family) -> str:
    structure, smallest, largest = family.structure, family.space.min(), family.space.max()
    shapes = {
        key: structure.shape(key, smallest)
        for key, _ in family.model.named_parameters()
        if structure.keeps(key, smallest)
    }
    sizes = {key: math.prod(shape) for key, shape in shapes.items()}
    never_cut = sum(size for key, size in sizes.items() if shapes[key] == structure.shape(key, largest))
    heaviest = max(sizes, key=sizes.__getitem__)
    total = sum(sizes.values())
    shape = " x ".join(map(str, shapes[heaviest]))
    return (
        f"{100 * never_cut / total:.0f} % in tensors that are never cut, {100 * sizes[heaviest] / total:.0f} % in "
        f"{heaviest} ({shape})"
    )


def _warm_up() -> None:
    """Import what every conversion imports when it is first used, which is no cost of any one model."""
    convert(nn.Sequential(nn.Linear(8, 16), nn.ReLU(), nn.Linear(16, 4)), torch.randn(2, 8))


def _megabytes(model: nn.Module) -> float:
    tensors = (*model.parameters(), *model.buffers())
    return sum(tensor.numel() * tensor.element_size() for tensor in tensors) / _MEGABYTE


def _start_of_peak() -> float:
    """Forget the peak so far, where the system can; return what the process holds, in megabytes."""
    # Elsewhere the peak counts from the start of the process.
    with contextlib.suppress(OSError):
        Path("/proc/self/clear_refs").write_text("5")
    return _peak()


def _peak() -> float:
    """Return the most that the process held at a time, in megabytes."""
    try:
        status = Path("/proc/self/status").read_text()
        return int(status.split("VmHWM:")[1].split()[0]) * 1024 / _MEGABYTE
    except (OSError, IndexError):
        # Bytes on macOS, kilobytes elsewhere.
        unit = 1 if sys.platform == "darwin" else 1024
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / _MEGABYTE


def main(name: str, seed: int) -> None:
    """Print how the conversion went as one line of JSON, the last one."""
    try:
        content: dict[str, Any] = {"case": asdict(convert_case(name, seed))}
    except SuppleError as error:
        content = {"error": str(error)}
    print(f"\n{json.dumps(content)}")


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
