"""Searching: which members are best on a target."""

from supple.searching.choosing import choose_members
from supple.searching.config import SearchConfig
from supple.searching.evaluation import Evaluation, Failure, Outcome
from supple.searching.history import History
from supple.searching.problem import Problem
from supple.searching.result import SearchResult, SeedResult
from supple.searching.search import search
from supple.searching.searcher import Searcher, SearcherConfig
from supple.searching.searchers import SearcherChoice, build_searcher
from supple.searching.target_check import check_target
from supple.searching.wishes import Constraint, Direction, Objective

__all__ = [
    "Constraint",
    "Direction",
    "Evaluation",
    "Failure",
    "History",
    "Objective",
    "Outcome",
    "Problem",
    "SearchConfig",
    "SearchResult",
    "Searcher",
    "SearcherChoice",
    "SearcherConfig",
    "SeedResult",
    "build_searcher",
    "check_target",
    "choose_members",
    "search",
]
