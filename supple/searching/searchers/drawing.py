"""Random members for searchers that begin with some, or run out of others."""

import random

from supple.searching.history import History
from supple.searching.searcher import Searcher
from supple.space import Config

_DRAWN = 32


def random_allowed(searcher: Searcher, history: History, rng: random.Random) -> Config:
    """Draw a random member that has no outcome yet and breaks no constraint on a known figure.

    Where such members are rare, it is the one of 32 draws that breaks these constraints least.
    """
    drawn: dict[Config, float] = {}
    for _ in range(_DRAWN):
        config = searcher.random_new(history, rng)
        drawn[config] = known_excess(searcher, config)
        if drawn[config] == 0:
            return config
    return min(drawn, key=drawn.__getitem__)


def known_excess(searcher: Searcher, config: Config) -> float:
    """Return by how much a member breaks those constraints whose figures are known; 0 where it keeps them."""
    return float(searcher.problem.known_excess(searcher.problem.values([config]))[0])
