"""Random numbers that are a pure function of what they are for."""

import hashlib

import torch


def derived_seed(*parts: int | str) -> int:
    """Return the 32-bit seed that stands for these parts, such as a run's seed, a purpose and an epoch."""
    # PyTorch's CPU generator keeps only the low 32 bits of a seed: sums and shifts of parts would collide.
    return int.from_bytes(hashlib.sha256(repr(parts).encode()).digest()[:4], "big")


def generator(*parts: int | str) -> torch.Generator:
    """Return a CPU generator seeded with `derived_seed(*parts)`."""
    return torch.Generator().manual_seed(derived_seed(*parts))
