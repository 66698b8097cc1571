"""Which parameters weight decay pulls towards zero, and which it leaves alone.

The conventions are those of He et al., Bag of Tricks for Image Classification, 2019 (norms and biases), and of the
training code of vision transformers (positions, tokens).
"""

import re
from collections.abc import Iterator
from fnmatch import fnmatchcase

from torch import nn

_EMBEDDINGS = (nn.Embedding, nn.EmbeddingBag)
# Parameters that a module holds itself are known by the words of their names: `cls_token`, `pos_embed`.
_EXEMPT_WORDS = frozenset(
    {"bias", "gamma", "scale", "token", "tokens", "pos", "position", "positions", "positional"}
    | {"embed", "embedding", "embeddings"}
)


def decaying_parameters(model: nn.Module) -> list[nn.Parameter]:
    """Return the trainable parameters that weight decay acts on, each once, in the order of the model.

    Left alone are:

    - parameters of one axis or none: biases and most norms;
    - every parameter of a norm layer, whatever its shape: any module whose class name contains "Norm";
    - the tables of embeddings: a row that a batch does not use would shrink without a gradient to hold it;
    - parameters whose own name has a word such as `bias`, `token`, `position` or `embedding`;
    - what a module's `no_weight_decay()` names, as models of timm have it: names or patterns, relative to the module.

    A parameter that modules share decays where one of them lets it: a table that is the output layer too.
    """
    kept = {id(parameter) for name, parameter in model.named_parameters() if name in set(_named_by_models(model))}
    decaying: dict[int, nn.Parameter] = {}
    for module in model.modules():
        for name, parameter in module.named_parameters(recurse=False):
            if parameter.requires_grad and id(parameter) not in kept and _decays(module, name, parameter):
                decaying[id(parameter)] = parameter
    return [parameter for parameter in model.parameters() if id(parameter) in decaying]


def _decays(module: nn.Module, name: str, parameter: nn.Parameter) -> bool:
    return (
        parameter.dim() > 1
        and "norm" not in type(module).__name__.lower()
        and not isinstance(module, _EMBEDDINGS)
        and _EXEMPT_WORDS.isdisjoint(re.split(r"[_\d]+", name.lower()))
    )


def _named_by_models(model: nn.Module) -> Iterator[str]:
    """Yield the names of the parameters that modules themselves exempt."""
    for path, module in model.named_modules():
        names = getattr(module, "no_weight_decay", None)
        patterns = list(names()) if callable(names) else []
        for name, _ in module.named_parameters() if patterns else ():
            if any(fnmatchcase(name, pattern) for pattern in patterns):
                yield f"{path}.{name}" if path else name
