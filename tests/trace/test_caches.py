"""Caches in plain dictionaries of modules: found, and left as they were."""

import torch
from torch import nn

from supple.trace import trace
from supple.trace.caches import emptied_afterwards, empty_dictionaries

X = torch.randn(2, 16)


class Caching(nn.Module):
    """Keeps a product of its parameter, and has a table that is no cache."""

    def __init__(self) -> None:
        super().__init__()
        self.table, self.cache = {"scale": 2.0}, {}
        self.first, self.second = nn.Linear(16, 32), nn.Linear(32, 4)
        self.bias = nn.Parameter(torch.randn(32))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        if "bias" not in self.cache:
            self.cache["bias"] = self.bias * self.table["scale"]
        return self.second(self.first(x) + self.cache["bias"])  # type: ignore[no-any-return]


def test_only_empty_dictionaries_of_the_user_s_own_count() -> None:
    model = nn.Sequential(Caching())
    assert empty_dictionaries(model) == [(vars(model[0]), "cache")]


def test_a_run_leaves_nothing_behind() -> None:
    model = Caching()
    with emptied_afterwards(model):
        model(X)
        assert model.cache
    assert model.cache == {}
    assert model.table == {"scale": 2.0}


def test_what_is_cached_is_no_constant_of_the_graph() -> None:
    model = Caching()
    structure = trace(model, (X,))
    (name,) = structure.axes["bias"][0].dimensions
    assert name == structure.space.dimensions[0].name
    assert model.cache == {}
