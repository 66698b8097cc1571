"""The catalogue of searchers: the settings of each, told apart by `kind`, and the searcher that they describe."""

from typing import Annotated, Any, assert_never

from pydantic import BeforeValidator, Field

from supple.searching.problem import Problem
from supple.searching.searcher import Searcher
from supple.searching.searchers.aging import Aging, AgingConfig
from supple.searching.searchers.allocator import Allocator, AllocatorConfig
from supple.searching.searchers.bayesian import Bayesian, BayesianConfig
from supple.searching.searchers.gradient import Gradient, GradientConfig
from supple.searching.searchers.halving import Halving, HalvingConfig
from supple.searching.searchers.linas import Linas, LinasConfig
from supple.searching.searchers.local import LocalConfig, LocalSearch
from supple.searching.searchers.nsga2 import Nsga2, Nsga2Config
from supple.searching.searchers.nsga3 import Nsga3, Nsga3Config
from supple.searching.searchers.optuna_bayesian import OptunaBayesian, OptunaBayesianConfig
from supple.searching.searchers.random_members import RandomConfig, RandomMembers
from supple.searching.searchers.seeded import Seeded
from supple.searching.searchers.stratified import StratifiedConfig, StratifiedMembers
from supple.searching.searchers.tpe import Tpe, TpeConfig
from supple.searching.searchers.zero_cost import ZeroCost, ZeroCostConfig


def _kind_alone(value: Any) -> Any:
    """Let `searcher: nsga2` stand for `searcher: {kind: nsga2}`."""
    return {"kind": value} if isinstance(value, str) else value


SearcherChoice = Annotated[
    AgingConfig
    | AllocatorConfig
    | BayesianConfig
    | GradientConfig
    | HalvingConfig
    | LinasConfig
    | LocalConfig
    | Nsga2Config
    | Nsga3Config
    | OptunaBayesianConfig
    | RandomConfig
    | StratifiedConfig
    | TpeConfig
    | ZeroCostConfig,
    Field(discriminator="kind"),
    BeforeValidator(_kind_alone),
]


def build_searcher(config: SearcherChoice, problem: Problem, seed: int) -> Searcher:  # noqa: PLR0912 (a case each)
    """Return the searcher that the settings describe. Raises `SuppleError` where it does not suit the problem."""
    searcher: Searcher
    match config:
        case AgingConfig():
            searcher = Aging(problem, seed, config)
        case AllocatorConfig():
            searcher = Allocator(problem, seed, config)
        case BayesianConfig():
            searcher = Bayesian(problem, seed, config)
        case GradientConfig():
            searcher = Gradient(problem, seed, config)
        case HalvingConfig():
            searcher = Halving(problem, seed, config)
        case LinasConfig():
            searcher = Linas(problem, seed, config)
        case LocalConfig():
            searcher = LocalSearch(problem, seed, config)
        case Nsga2Config():
            searcher = Nsga2(problem, seed, config)
        case Nsga3Config():
            searcher = Nsga3(problem, seed, config)
        case OptunaBayesianConfig():
            searcher = OptunaBayesian(problem, seed, config)
        case RandomConfig():
            searcher = RandomMembers(problem, seed, config)
        case StratifiedConfig():
            searcher = StratifiedMembers(problem, seed, config)
        case TpeConfig():
            searcher = Tpe(problem, seed, config)
        case ZeroCostConfig():
            searcher = ZeroCost(problem, seed, config)
        case _:
            assert_never(config)
    return searcher


def seeded_searcher(config: SearcherChoice, allocated: int, problem: Problem, seed: int) -> Searcher:
    """Return the searcher, after the allocator where it is to propose `allocated` members first."""
    searcher = build_searcher(config, problem, seed)
    return Seeded(Allocator(problem, seed), searcher, allocated) if allocated else searcher
