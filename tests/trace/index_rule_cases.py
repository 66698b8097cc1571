"""More cases of the contract of operator rules: reading, writing and finding entries by index."""

from collections.abc import Callable, Iterator

import torch
from rule_cases import Case, after_conv, after_linear
from torch import nn
from torch.nn import functional

ENTRIES = torch.tensor([2, 0])


class Routed(nn.Module):
    """A stack of matrices, of which a router chooses by its scores."""

    def __init__(self, mix: Callable[..., torch.Tensor]) -> None:
        super().__init__()
        self.mix = mix
        self.experts = 4
        self.router = nn.Linear(3, 4)
        self.stack = nn.Parameter(torch.randn(4, 3, 5))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.mix(self, x, self.router(x))  # type: ignore[no-any-return]


class Bag(nn.Module):
    """Sums of rows."""

    def __init__(self) -> None:
        super().__init__()
        self.bag, self.after = nn.EmbeddingBag(7, 6), nn.Linear(6, 3)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.after(self.bag(x))  # type: ignore[no-any-return]


class Codebook(nn.Module):
    """Replaces each position by the nearest row of a table."""

    def __init__(self) -> None:
        super().__init__()
        self.before, self.codes = nn.Linear(3, 5), nn.Parameter(torch.randn(6, 5))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.codes[torch.cdist(self.before(x), self.codes).argmin(-1)]


def weighted(weights: torch.Tensor, module: Routed, x: torch.Tensor) -> torch.Tensor:
    return torch.einsum("bne,bned->bnd", weights, torch.einsum("bnc,ecd->bned", x, module.stack))


def by_one_hot(module: Routed, x: torch.Tensor, scores: torch.Tensor) -> torch.Tensor:
    best, chosen = scores.topk(2, -1)
    return weighted((functional.one_hot(chosen, module.experts) * best.unsqueeze(-1)).sum(-2), module, x)


def by_scatter(module: Routed, x: torch.Tensor, scores: torch.Tensor) -> torch.Tensor:
    best, chosen = scores.topk(2, -1)
    return weighted(torch.zeros_like(scores).scatter(-1, chosen, best), module, x)


def by_index(module: Routed, x: torch.Tensor, scores: torch.Tensor) -> torch.Tensor:
    chosen = scores.max(-1).indices
    return torch.einsum("bnc,bncd->bnd", x, module.stack[chosen])


def by_select(module: Routed, x: torch.Tensor, scores: torch.Tensor) -> torch.Tensor:
    chosen = scores.argmax(-1).flatten()
    return x.flatten(0, 1).unsqueeze(1) @ module.stack.index_select(0, chosen)


def by_gather(module: Routed, x: torch.Tensor, scores: torch.Tensor) -> torch.Tensor:
    return scores.gather(-1, scores.topk(2, -1).indices)


def by_count(module: Routed, x: torch.Tensor, scores: torch.Tensor) -> torch.Tensor:
    chosen = scores.argmax(-1).flatten().sort().values
    counts = torch.histc(chosen.to(x.dtype), bins=module.experts, min=0, max=module.experts - 1)
    return torch.einsum("e,ecd->cd", counts, module.stack)


def routed() -> Iterator[Case]:
    for names, mix in (
        (("topk", "one_hot"), by_one_hot),
        (("topk", "scatter"), by_scatter),
        (("max", "index"), by_index),
        (("argmax", "index_select"), by_select),
        (("argmax", "sort", "histc"), by_count),
        (("topk", "gather"), by_gather),
    ):
        yield Case(names, lambda mix=mix: Routed(mix), (6, 3), exact=False)
    yield Case(("cdist", "argmin", "index"), Codebook, (6, 3), exact=False)


def reading() -> Iterator[Case]:
    at = torch.tensor([[[[2, 0, 1, 3]]]])
    yield Case(("embedding_bag",), Bag, (4,), input=lambda *shape: torch.randint(7, shape))
    yield after_conv("gather", op=lambda x: x.gather(2, at.expand(x.size(0), x.size(1), 2, -1)))
    yield after_conv("take_along_dim", op=lambda x: torch.take_along_dim(x, at.expand_as(x), 3))
    yield after_conv("one_hot", op=lambda x: x * functional.one_hot(ENTRIES, 4).sum(0))


def writing() -> Iterator[Case]:
    edges = torch.tensor([0, 1, 0, 1])
    yield after_conv("scatter", op=lambda x: x.scatter(2, torch.zeros_like(x, dtype=torch.long), 0.0))
    yield after_linear(
        "scatter_add", op=lambda x: torch.zeros_like(x).scatter_add(0, edges[:2].unsqueeze(1).expand(-1, x.size(1)), x)
    )
    yield after_conv(
        "scatter_reduce",
        op=lambda x: torch.zeros_like(x).scatter_reduce(3, torch.zeros_like(x, dtype=torch.long), x, "sum"),
    )
    yield after_conv("index_add", op=lambda x: torch.zeros(x.shape, dtype=x.dtype).index_add(2, edges, x))
    yield after_conv("index_copy", op=lambda x: x.index_copy(3, ENTRIES, x[..., :2] * 2))
    yield after_conv("index_fill", op=lambda x: x.index_fill(3, ENTRIES, 0.0))
    yield after_conv("index_put", op=lambda x: x.index_put((torch.tensor([1]),), x[:1]))


def finding() -> Iterator[Case]:
    yield after_conv("sort", op=lambda x: x.sort(2).values)
    yield after_conv("argsort", op=lambda x: x.argsort(-1))
    yield after_conv("max", op=lambda x: x.max(2).values)
    yield after_conv("max", op=lambda x: torch.max(x, x.mean(2, keepdim=True)))
    yield after_conv("max", op=torch.max, exact=False)
    yield after_conv("min", op=lambda x: x.min(3, keepdim=True)[1])
    yield after_conv("median", op=lambda x: x.median(2).values)
    yield after_conv("mode", op=lambda x: x.mode(2).values)
    yield after_conv("kthvalue", op=lambda x: x.kthvalue(2, 3).values)
    yield after_conv("aminmax", op=lambda x: torch.aminmax(x, dim=2)[1])
    yield after_conv("count_nonzero", op=lambda x: (x > 0).count_nonzero(2))
    yield after_conv("nansum", op=lambda x: x.nansum((2, 3)))
    yield after_conv("var_mean", op=lambda x: torch.var_mean(x, (2, 3)))
    yield after_conv("std_mean", op=lambda x: torch.std_mean(x, 2))


CASES = [*routed(), *reading(), *writing(), *finding()]
