"""What the allocator is compared with: evolution over bit policies, as of a user who has no table of sensitivities."""

import collections
import random
from collections.abc import Sequence

import numpy
import optuna
from optuna.distributions import BaseDistribution, IntDistribution

from supple.bench.bit_policies import BITS, BitProblem, Policy

POPULATION = 50
TOURNAMENT = 10


def nsga2_losses(
    problem: BitProblem, budgets: Sequence[float], checkpoints: Sequence[int], seed: int
) -> list[list[float]]:
    """Return the least loss within each budget (row) after so many evaluations each (column), by one search.

    Optuna's NSGA-II minimises loss and latency; the largest and the smallest policy come first.
    """
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    sampler = optuna.samplers.NSGAIISampler(population_size=POPULATION, seed=seed)
    study = optuna.create_study(directions=["minimize", "minimize"], sampler=sampler)
    names = [f"{layer}/{part}" for layer in range(len(problem.latency)) for part in range(2)]
    distributions: dict[str, BaseDistribution] = {name: IntDistribution(BITS[0], BITS[-1]) for name in names}
    for bits in (BITS[-1], BITS[0]):
        study.enqueue_trial(dict.fromkeys(names, bits))
    points: list[tuple[float, float]] = []
    for _ in range(checkpoints[-1]):
        trial = study.ask(distributions)
        bits_of = trial.params
        policy = numpy.array([bits_of[name] for name in names]).reshape(-1, 2)
        points.append((problem.loss_of(policy), problem.latency_of(policy)))
        study.tell(trial, points[-1])
    return [
        [min(loss for loss, latency in points[:checkpoint] if latency <= budget) for checkpoint in checkpoints]
        for budget in budgets
    ]


def evolution_losses(problem: BitProblem, budget: float, checkpoints: Sequence[int], seed: int) -> list[float]:
    """Return the least loss within the budget after so many evaluations each, by a search for this budget alone.

    Real et al., Regularized Evolution for Image Classifier Architecture Search, 2019: the best of a few drawn from the
    population gets a child that differs in one place, and the oldest dies. Latencies come from the table, so that
    children beyond the budget cost no evaluation.
    """
    rng = random.Random(seed)
    alive: collections.deque[tuple[float, Policy]] = collections.deque()
    best, curve = float("inf"), []
    for _ in range(checkpoints[-1]):
        if len(alive) < POPULATION:
            policy = _random_within(problem, budget, rng)
        else:
            parent = min(rng.sample(list(alive), TOURNAMENT), key=lambda entry: entry[0])[1]
            policy = _child_within(problem, budget, parent, rng)
        loss = problem.loss_of(policy)
        alive.append((loss, policy))
        if len(alive) > POPULATION:
            alive.popleft()
        best = min(best, loss)
        curve.append(best)
    return [curve[checkpoint - 1] for checkpoint in checkpoints]


def _random_within(problem: BitProblem, budget: float, rng: random.Random) -> Policy:
    policy = numpy.array([[rng.choice(BITS), rng.choice(BITS)] for _ in problem.latency])
    while problem.latency_of(policy) > budget:
        layer, part = rng.randrange(len(policy)), rng.randrange(2)
        policy[layer, part] = max(policy[layer, part] - 1, BITS[0])
    return policy


def _child_within(problem: BitProblem, budget: float, parent: Policy, rng: random.Random) -> Policy:
    while True:
        child = parent.copy()
        layer, part = rng.randrange(len(child)), rng.randrange(2)
        child[layer, part] = rng.choice([bits for bits in BITS if bits != child[layer, part]])
        if problem.latency_of(child) <= budget:
            return child
