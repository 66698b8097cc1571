"""Dropout that is weaker for a while, as the early stages of progressive learning have it."""

from collections.abc import Iterator
from contextlib import contextmanager

from torch import nn

# PyTorch and torchvision call the probability `p`, the DropPath of timm and transformers `drop_prob`.
_PROBABILITIES = ("p", "drop_prob")


@contextmanager
def weaker_dropout(model: nn.Module, strength: float) -> Iterator[None]:
    """Scale the probability of everything that drops by `strength` (0 to 1) while the context lasts.

    That is: modules with "drop" or "stochastic" in their class name (Dropout, AlphaDropout, DropPath, StochasticDepth)
    by their `p` or `drop_prob`, and the `dropout` of recurrent layers and of multi-head attention.
    """
    before = [(module, name, getattr(module, name)) for module in model.modules() for name in _attributes(module)]
    for module, name, probability in before:
        setattr(module, name, strength * probability)
    try:
        yield
    finally:
        for module, name, probability in before:
            setattr(module, name, probability)


def _attributes(module: nn.Module) -> list[str]:
    """Return the names of the attributes that hold a probability of dropping."""
    kind = type(module).__name__.lower()
    if isinstance(module, nn.RNNBase | nn.MultiheadAttention):
        names: tuple[str, ...] = ("dropout",)
    elif "drop" in kind or "stochastic" in kind:
        names = _PROBABILITIES
    else:
        names = ()
    return [name for name in names if isinstance(getattr(module, name, None), float | int)]
