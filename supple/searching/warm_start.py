"""Beginning where an earlier search ended: its best members come first, and what is still true is not redone."""

import json
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import optuna
from optuna.study import StudyDirection
from optuna.trial import FrozenTrial, TrialState

from supple.cost.config_arrays import values_of
from supple.errors import SuppleError
from supple.machine import Machine
from supple.searching.config import SearchConfig
from supple.searching.dominance import Floats, nondominated
from supple.searching.evaluation import Evaluation
from supple.searching.opening import Opened
from supple.searching.problem import Problem
from supple.searching.study import EVALUATION, EXCESS, MACHINES, close_storage, open_storage, storage_errors
from supple.searching.wishes import target_of
from supple.space import Config, Space
from supple.storage.places import Place

CONDITIONS = "conditions"
FIRSTS = "first members"
SHARE = 4
"""Of the budget at most one member in so many is of the earlier search."""


@dataclass(frozen=True)
class Earlier:
    """What an earlier search evaluated, its baseline included, and its front.

    `conditions` say what its figures depend on, None where that is not known, and `machines` where they were measured.
    """

    place: Place
    evaluations: tuple[Evaluation, ...]
    front: tuple[Evaluation, ...]
    conditions: str | None
    machines: Mapping[str, Machine]

    def firsts(self, problem: Problem, most: int) -> tuple[Config, ...]:
        """Return members of its front, as configs of the problem's space: at most so many, spread over the front.

        Raises `SuppleError` where the earlier space has other dimensions, or members with values that this one has not.
        """
        best = _front(problem, self.evaluations) or self.front
        found = dict.fromkeys(filter(None, (self._translated(entry.config, problem.space) for entry in best)))
        if best and not found:
            raise SuppleError(
                f'The study "{self.place}" cannot start this search: each of its best members has a value that this '
                f"space does not have, as {best[0].config}."
            )
        # The corners come first in every search.
        configs = [config for config in found if config not in (problem.space.max(), problem.space.min())]
        chosen = sorted({round(at) for at in np.linspace(0, len(configs) - 1, min(most, len(configs)))})
        return tuple(configs[index] for index in chosen)

    def still_true(
        self, problem: Problem, conditions: str | None, machines: Mapping[str, Machine]
    ) -> tuple[Evaluation, ...]:
        """Return what need not be evaluated again: nothing, unless all that figures depend on is the same.

        Figures that formulas give are those of the problem's formulas.
        """
        if conditions is None or conditions != self.conditions:
            return ()
        measured = _wanted(problem) - problem.known.keys()
        targets = filter(None, map(target_of, measured))
        same = all(
            {target} <= self.machines.keys() & machines and self.machines[target].identity == machines[target].identity
            for target in targets
        )
        if not same:
            return ()
        whole = [
            entry
            for entry in self.evaluations
            if entry.config.space == problem.space.digest
            and _has_values(problem.space, entry.config)
            and all(math.isfinite(entry.figures.get(name, math.nan)) for name in measured)
        ]
        known = problem.known_figures(values_of(problem.space, [entry.config for entry in whole]))
        return tuple(
            Evaluation(
                entry.config,
                {**entry.figures, **{name: float(column[index]) for name, column in known.items()}},
                entry.latencies,
            )
            for index, entry in enumerate(whole)
        )

    def _translated(self, config: Config, space: Space) -> Config | None:
        """Return the config of the space with the same values by name, None where the space lacks one of them."""
        ours = {entry.name for entry in space.dimensions}
        if ours != set(config):
            name = min(ours ^ set(config))
            has, lacks = ("this one", "the earlier one") if name in ours else ("the earlier one", "this one")
            raise SuppleError(
                f'The study "{self.place}" is of another space and cannot start this search: {has} has a dimension '
                f'"{name}", {lacks} has none. Spaces must have dimensions of the same names.'
            )
        return space.config(config) if _has_values(space, config) else None


def read_earlier(given: Path | str) -> Earlier:
    """Read the study of an earlier search. Raises `SuppleError` where there is none."""
    place = Place.of(given)
    if place.path is not None and not place.path.exists():
        raise SuppleError(f'There is no study "{place}" to start from.')
    storage = open_storage(place)
    try:
        with storage_errors(place):
            return _read(storage, place)
    finally:
        close_storage(storage, place)


def begin(
    opened: Opened,
    config: SearchConfig,
    problem: Problem,
    conditions: Callable[[], str | None],
    machines: Mapping[str, Machine],
) -> tuple[Config, ...]:
    """Return the members that a warm start brings, none without one, and take over what need not be evaluated again.

    Both are settled when a study is made, and stay the same when it is opened again, whatever has become of the earlier
    study. `conditions` returns what figures depend on, for searches that start from this one.
    """
    study = next(iter(opened.studies.values()))
    if study.attribute(FIRSTS) is None:
        depends_on = conditions()
        firsts: tuple[Config, ...] = ()
        if config.warm_start is not None:
            if Place.of(config.warm_start).url == opened.place.url:
                raise SuppleError(f'The search cannot start from its own study, "{opened.place}": name another.')
            earlier = read_earlier(config.warm_start)
            firsts = earlier.firsts(problem, config.budget // SHARE)
            for evaluation in earlier.still_true(problem, depends_on, machines):
                opened.ledger.settle(evaluation)
        with opened.alone():
            if study.attribute(FIRSTS) is None:
                if depends_on is not None:
                    study.claim(CONDITIONS, depends_on, "other conditions")
                # The last: a process that is killed before begins anew.
                study.claim(FIRSTS, json.dumps([first.to_json() for first in firsts]), "other first members")
    return tuple(problem.space.check(Config.from_json(text)) for text in json.loads(study.attribute(FIRSTS) or "[]"))


def _read(storage: optuna.storages.BaseStorage, place: Place) -> Earlier:
    names = optuna.get_all_study_names(storage)
    searches = [optuna.load_study(study_name=name, storage=storage) for name in names if name.startswith("search ")]
    if not searches:
        raise SuppleError(f'There is no search in the study "{place}" to start from.')
    baselines = [optuna.load_study(study_name=name, storage=storage) for name in names if name.startswith("baseline ")]
    found = (_evaluation(trial) for study in (*searches, *baselines) for trial in _finished(study))
    by_config = {entry.config: entry for entry in found}
    machines = searches[0].user_attrs.get(MACHINES, {})
    return Earlier(
        place,
        tuple(by_config.values()),
        _own_front(searches),
        searches[0].user_attrs.get(CONDITIONS),
        {target: Machine.from_json(machine) for target, machine in machines.items()},
    )


def _finished(study: optuna.Study) -> list[FrozenTrial]:
    trials = study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,))
    return [trial for trial in trials if EVALUATION in trial.user_attrs]


def _evaluation(trial: FrozenTrial) -> Evaluation:
    return Evaluation.from_json(trial.user_attrs[EVALUATION])


def _own_front(searches: Sequence[optuna.Study]) -> tuple[Evaluation, ...]:
    """Return the front by the objectives that the earlier search had."""
    trials = [trial for study in searches for trial in _finished(study) if trial.user_attrs.get(EXCESS, 0.0) == 0]
    signs = [-1.0 if direction is StudyDirection.MAXIMIZE else 1.0 for direction in searches[0].directions]
    losses = np.array([trial.values for trial in trials], float).reshape(len(trials), len(signs)) * signs
    return _sorted_front([_evaluation(trial) for trial in trials], losses)


def _front(problem: Problem, evaluations: Sequence[Evaluation]) -> tuple[Evaluation, ...]:
    """Return the front by the problem's objectives, of the members that keep its constraints, as far as they tell."""
    wanted = _wanted(problem)
    told = [entry for entry in evaluations if wanted <= entry.figures.keys() and problem.excess(entry) == 0]
    return _sorted_front(told, problem.losses(told))


def _wanted(problem: Problem) -> set[str]:
    return {entry.figure for entry in problem.objectives} | {entry.figure for entry in problem.constraints}


def _has_values(space: Space, config: Config) -> bool:
    return all(value in space[name].values for name, value in config.items())


def _sorted_front(evaluations: Sequence[Evaluation], losses: Floats) -> tuple[Evaluation, ...]:
    kept = np.flatnonzero(nondominated(losses))
    return tuple(evaluations[index] for index in kept[np.argsort(losses[kept, 0], kind="stable")])
