"""Short names of what figures depend on: the weights of a family, the data, and how members are judged."""

import hashlib
import json
from collections.abc import Iterable
from typing import Any

import torch
from torch.utils._pytree import tree_leaves

from supple.family import Family
from supple.family.quantized.quantization import Quantization
from supple.searching.networks import Networks


def weights_digest(family: Family) -> str:
    """Return a short name of all tensors of a family, made of their names and content."""
    digest = hashlib.sha256()
    for name, value in sorted(family.state_dict().items()):
        digest.update(name.encode())
        _take(digest, value)
    return digest.hexdigest()[:16]


def precision_digest(quantization: Quantization) -> str:
    """Return a short name of what the dimensions of precision choose, and of how numbers are rounded.

    A space tells how many bits a layer may have, not in which format.
    """
    return hashlib.sha256(quantization.to_json().encode()).hexdigest()[:16]


def conditions_of(networks: Networks, weights: str, seconds_per_latency: float, runtimes: dict[str, str]) -> str:
    """Return, as JSON, what figures of members depend on besides the machines; `runtimes` are versions by target.

    The validation data are gone through once for it.
    """
    task, quantization = networks.task, networks.family.quantization
    with torch.random.fork_rng(devices=[]):
        judged = _digest_of(networks.valid_data)
    return json.dumps(
        {
            "weights": weights,
            "calibration": _digest_of(networks.calibration),
            "data": judged,
            "task": f"{type(task).__module__}.{type(task).__qualname__} {sorted(vars(task).items())}",
            "seconds_per_latency": seconds_per_latency,
            "runtimes": dict(sorted(runtimes.items())),
            **({} if quantization is None else {"precision": precision_digest(quantization)}),
        }
    )


def _digest_of(batches: Iterable[Any]) -> str:
    digest = hashlib.sha256()
    for batch in batches:
        for leaf in tree_leaves(batch):
            _take(digest, leaf)
    return digest.hexdigest()[:16]


def _take(digest: "hashlib._Hash", value: Any) -> None:
    if not isinstance(value, torch.Tensor):
        digest.update(repr(value).encode())
        return
    digest.update(f"{value.dtype} {tuple(value.shape)}".encode())
    digest.update(value.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy().tobytes())
