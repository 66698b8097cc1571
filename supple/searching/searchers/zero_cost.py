"""Zero-cost search: random members of every cost, of which those are evaluated that a score thinks best.

Source: Abdelfattah et al., Zero-Cost Proxies for Lightweight NAS, 2021 (scores decide what is worth an evaluation).
"""

import random
from functools import cached_property
from itertools import pairwise
from typing import Any, Literal

from pydantic import Field, model_validator

from supple.searching.history import History
from supple.searching.problem import Problem
from supple.searching.searcher import Searcher, SearcherConfig
from supple.searching.searchers.ends import ENDS
from supple.searching.zero_cost.score import ScoreName
from supple.space import Config

_DRAWS_FOR_CONSTRAINTS = 8
_CLOSE_ENOUGH = 0.25


class ZeroCostConfig(SearcherConfig):
    """Which score it is, how many members it sees, and how many of those are evaluated."""

    kind: Literal["zero_cost"] = "zero_cost"
    score: ScoreName = Field(default=ScoreName.SYNFLOW, description="what members are ranked by")
    pool: int = Field(default=64, ge=1, description="random members that are scored at a time")
    strata: int = Field(default=8, ge=1, description="ranges of cost in a pool, the best member of each is evaluated")
    samples: int = Field(default=16, ge=2, description="training samples that a score sees")

    @model_validator(mode="after")
    def _refuse_empty_strata(self) -> "ZeroCostConfig":
        if self.pool < self.strata:
            raise ValueError(f"a pool of {self.pool} members has none for some of {self.strata} strata")
        return self


class ZeroCost(Searcher):
    """Draws pools of random members, spread over what they cost, and proposes the best of each stratum by a score.

    Pools depend on the seed alone, and are scored stratum by stratum when it is their turn. Where the cost of no member
    is known beforehand, strata are random parts of the pool.
    """

    def __init__(self, problem: Problem, seed: int, config: ZeroCostConfig = ZeroCostConfig()) -> None:
        """Raise `SuppleError` where the members are no networks."""
        super().__init__(problem, seed)
        self._networks = problem.networks_for('The searcher "zero_cost" looks at the gradients of networks')
        self.config = config
        self.together = config.strata
        self._cost = problem.cost_proxy()
        self._pools: dict[int, list[list[Config]]] = {}
        self._best_first: dict[tuple[int, int], list[Config]] = {}

    def propose(self, history: History) -> Config:
        """Return the best member by the score of the stratum whose turn it is, among those that have no outcome yet."""
        pool, turn = divmod(max(self.number(history) - ENDS, 0), self.config.strata)
        strata = self._strata(pool)
        for stratum in range(turn, turn + len(strata)):
            # A stratum that has nothing new gives its turn to the next.
            for config in self._ranked(pool, stratum % len(strata)):
                if config not in history.seen:
                    return config
        return self.random_new(history, self.rng(history))

    def spent(self, history: History) -> float:
        """Return what scoring took so far, its time set against that of an evaluation."""
        scored = max(history.told - ENDS, 0) * self.config.pool / self.config.strata
        return scored * self.config.score.samples_of_evaluation(self.config.samples) / self._samples_of_evaluation

    def _strata(self, pool: int) -> list[list[Config]]:
        if pool not in self._pools:
            drawn = self._pool(random.Random(f"{self.seed}/pool {pool}"))
            if self._cost is not None:
                drawn.sort(key=self._cost)
            ends = [number * len(drawn) // self.config.strata for number in range(self.config.strata + 1)]
            self._pools[pool] = [drawn[start:end] for start, end in pairwise(ends)]
        return self._pools[pool]

    def _pool(self, rng: random.Random) -> list[Config]:
        """Draw members over what they cost; those that break constraints on known figures only where no others are."""
        size = self.config.pool * (_DRAWS_FOR_CONSTRAINTS if self.problem.constraints else 1)
        distinct = dict.fromkeys(self._drawn(rng) for _ in range(size))
        drawn = [config for config in distinct if config not in (self.space.min(), self.space.max())]
        excess = self.problem.known_excess(self.problem.values(drawn))
        allowed = [config for config, beyond in zip(drawn, excess, strict=True) if beyond == 0]
        return (allowed or [drawn[index] for index in excess.argsort(kind="stable")])[: self.config.pool]

    def _drawn(self, rng: random.Random) -> Config:
        if self._cost is None:
            return self.space.sample(rng)
        low, high = self._ends
        near = _CLOSE_ENOUGH * abs(high - low) / self.config.strata
        return self.space.sample_near(rng, self._cost, rng.uniform(low, high), near)

    def _ranked(self, pool: int, stratum: int) -> list[Config]:
        """Return the members of a stratum, the best by the score first."""
        from supple.searching.zero_cost import score_of

        if (pool, stratum) not in self._best_first:
            score = score_of(self.config.score)
            family, task = self._networks.family, self._networks.task
            members = self._strata(pool)[stratum]
            scores = {config: score(family, config, self._batch, task) for config in members}
            self._best_first[pool, stratum] = sorted(scores, key=lambda config: -scores[config])
        return self._best_first[pool, stratum]

    @cached_property
    def _ends(self) -> tuple[float, float]:
        assert self._cost is not None
        return self._cost(self.space.min()), self._cost(self.space.max())

    @cached_property
    def _samples_of_evaluation(self) -> int:
        from supple.searching.looks import EvaluationSize

        return EvaluationSize.of(self._networks).samples

    @cached_property
    def _batch(self) -> Any:
        from supple.searching.zero_cost.members import first_samples
        from supple.training.batches import batches_of_epoch

        batch = next(batches_of_epoch(self._networks.train_data, self.seed, 0))
        return first_samples(batch, self.config.samples, self._networks.task)
