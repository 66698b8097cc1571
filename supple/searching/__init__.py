"""Searching: which members are best on a target."""

from supple.searching.config import SearchConfig
from supple.searching.evaluation import Evaluation, Failure
from supple.searching.nsga2 import Nsga2
from supple.searching.random_members import RandomMembers
from supple.searching.search import SearchResult, choose_members, search
from supple.searching.searcher import Searcher
from supple.searching.target_check import check_target

SEARCHERS: tuple[type[Searcher], ...] = (Nsga2, RandomMembers)

__all__ = [
    "SEARCHERS",
    "Evaluation",
    "Failure",
    "Nsga2",
    "RandomMembers",
    "SearchConfig",
    "SearchResult",
    "Searcher",
    "check_target",
    "choose_members",
    "search",
]
