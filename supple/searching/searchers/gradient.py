"""Gradient search: what the family's own weights say of each choice, against what it costs.

Sources: Sukthanker et al., Weight-Entanglement Meets Gradient-Based Neural Architecture Search, 2023 (TangleNAS); Cai
et al., ProxylessNAS, 2019.
"""

import random
from collections.abc import Iterator
from functools import cached_property
from itertools import chain, count, islice
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from pydantic import Field, model_validator

from supple.errors import SuppleError
from supple.searching.history import History
from supple.searching.problem import PROXIES, Floats, KnownFigure, Problem, Values
from supple.searching.searcher import Searcher, SearcherConfig
from supple.searching.searchers.ends import ENDS
from supple.searching.wishes import Direction
from supple.space import Config

if TYPE_CHECKING:
    from supple.searching.relaxation import Relaxation

_GAP_BATCHES = 4
_TRIED_SAMPLES = 4
_TRIES = 8
_PASSES = 3
"""A forward pass and a backward one, which takes twice as long."""


class GradientConfig(SearcherConfig):
    """How long a sweep is, over which costs, and how many members come of it."""

    kind: Literal["gradient"] = "gradient"
    steps: int = Field(default=80, ge=1, description="training batches of a sweep, from large members to small ones")
    stages: int = Field(default=8, ge=1, description="places on the way at which a sweep sends members")
    draws: int = Field(default=4, ge=0, description="members drawn at each place, besides the most likely one")
    learning_rate: float = Field(default=0.2, gt=0, description="step size of Adam on the logits")
    temperature: float = Field(default=0.5, gt=0, description="of the Gumbel-softmax: less is closer to one member")
    lightest: float = Field(default=0.05, gt=0, description="weight of the cost in the first step")
    heaviest: float = Field(
        default=100.0, gt=0, description="weight in the last; at 1 all of the cost is worth what the smallest loses"
    )

    @model_validator(mode="after")
    def _refuse_other_orders(self) -> "GradientConfig":
        if self.lightest > self.heaviest:
            raise ValueError(f"the weight of the cost grows: {self.lightest} cannot come before {self.heaviest}")
        if self.stages > self.steps:
            raise ValueError(f"{self.steps} steps have no place for {self.stages} stages")
        return self


class Gradient(Searcher):
    """Learns logits of all choices by gradients through the blended network, while cost weighs more and more.

    One sweep sends the most likely member of each stage, then members drawn from the stages' distributions; the next
    sweep has other batches and other random numbers. The family's weights stay as they are. The cost is the sum of all
    known figures that are to be minimised, each from 0 to 1, or what `Problem.cost_proxy` takes. Choices that cannot be
    blended are sampled, and learn more slowly (`Relaxation`). A sweep is made again after a restart, and counts in the
    budget from its first member on. Differs from the sources: they learn weights and logits together, at one weight of
    the cost a search; a trained family leaves the logits alone to learn, and a sweep passes all weights.
    """

    def __init__(self, problem: Problem, seed: int, config: GradientConfig = GradientConfig()) -> None:
        """Raise `SuppleError` where the members are no networks, or where no cost is known."""
        super().__init__(problem, seed)
        self._networks = problem.networks_for('The searcher "gradient" learns from the gradients of networks')
        if not problem.known:
            raise SuppleError(
                'The searcher "gradient" needs a cost that is known without measuring, as macs: add one to the '
                'problem, or take another searcher, as "nsga2".'
            )
        self.config = config
        self.together = config.stages
        self._sweeps: dict[int, list[Config]] = {}

    def propose(self, history: History) -> Config:
        """Return the first member of the sweep that has no outcome yet."""
        number = max(self.number(history) - ENDS, 0) // self._members
        if number not in self._sweeps:
            self._sweeps = {number: self._sweep(number)}
        for config in self._sweeps[number]:
            if config not in history.seen:
                return config
        return self.random_new(history, self.rng(history))

    def spent(self, history: History) -> float:
        """Return what the sweeps took that have begun, their samples in passes set against those of an evaluation."""
        sweeps = -(-max(history.told - ENDS, 0) // self._members)
        if sweeps == 0:
            return 0.0
        passes = sweeps * _PASSES * self.config.steps + 2 * _GAP_BATCHES
        return passes * self._networks.task.samples(self._first_batch) / self._samples_of_evaluation

    @property
    def _members(self) -> int:
        """How many members a sweep sends."""
        return self.config.stages * (1 + self.config.draws)

    def _sweep(self, number: int) -> list[Config]:
        from supple.searching.learnt_choices import ExpectedCost, Pace, most_likely, sweep

        config = self.config
        weights = self._gap * np.geomspace(config.lightest, config.heaviest, config.steps)
        ends = {(stage + 1) * config.steps // config.stages - 1 for stage in range(config.stages)}
        learnt = sweep(
            self._relaxation,
            self._batches(number),
            self._networks.task,
            ExpectedCost(self.space, self._cost),
            list(weights),
            Pace(config.learning_rate, config.temperature),
            random.Random(f"{self.seed}/sweep {number}").getrandbits(32),
        )
        stages = [distribution for step, distribution in enumerate(learnt) if step in ends]
        found = [most_likely(self.space, stage) for stage in stages]
        rng = np.random.default_rng([self.seed, number])
        for _ in range(config.draws):
            found.extend(self._drawn(stage, rng) for stage in stages)
        excess = self.problem.known_excess(self.problem.values(found))
        # Those that keep the constraints first, as far as it is known.
        return list(dict.fromkeys(found[index] for index in np.argsort(excess > 0, kind="stable")))

    def _drawn(self, distribution: dict[str, Floats], rng: np.random.Generator) -> Config:
        from supple.searching.learnt_choices import drawn_from

        drawn = [drawn_from(self.space, distribution, rng) for _ in range(_TRIES if self.problem.constraints else 1)]
        return drawn[int(self.problem.known_excess(self.problem.values(drawn)).argmin())]

    def _batches(self, sweep: int) -> Iterator[Any]:
        """Yield training batches, epoch after epoch; those of another sweep come in another order."""
        from supple.training.batches import batches_of_epoch

        data, seed = self._networks.train_data, random.Random(f"{self.seed}/batches {sweep}").getrandbits(31)
        return chain.from_iterable(batches_of_epoch(data, seed, epoch) for epoch in count(sweep))

    @cached_property
    def _cost(self) -> KnownFigure:
        known = self.problem.known
        wanted = [entry.figure for entry in self.problem.objectives if entry.direction is Direction.MINIMIZE]
        ends = self.problem.known_figures(self.problem.values([self.space.min(), self.space.max()]))
        proxies = sorted(
            (name for name in (*PROXIES, *known) if name in known), key=lambda name: not np.ptp(ends[name])
        )
        names = [name for name in wanted if name in known] or proxies[:1]

        def cost(values: Values) -> Floats:
            shares = [(known[name](values) - ends[name][0]) / (np.ptp(ends[name]) or 1.0) for name in names]
            return np.asarray(np.mean(shares, axis=0), float)

        return cost

    @cached_property
    def _first_batch(self) -> Any:
        return next(self._batches(0))

    @cached_property
    def _samples_of_evaluation(self) -> int:
        from supple.searching.looks import EvaluationSize

        return EvaluationSize.of(self._networks).samples

    @cached_property
    def _relaxation(self) -> "Relaxation":
        from supple.searching.relaxation import Relaxation
        from supple.searching.zero_cost.members import first_samples, inputs_of

        family, task = self._networks.family, self._networks.task
        few = first_samples(self._first_batch, _TRIED_SAMPLES, task)
        return Relaxation.of(family, inputs_of(family, self.space.max(), few, task), self.space)

    @cached_property
    def _gap(self) -> float:
        from supple.searching.learnt_choices import gap

        return gap(self._relaxation, islice(self._batches(0), _GAP_BATCHES), self._networks.task)
