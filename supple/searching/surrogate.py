"""What is to be expected of members that were not evaluated: known figures as they are, the others predicted."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from scipy.special import ndtr

from supple.searching.breeding import Breeder
from supple.searching.history import History
from supple.searching.predicting import Describer
from supple.searching.predictors.predictor import FittedPredictor, Predictions, Predictor
from supple.searching.problem import Floats, Values
from supple.searching.wishes import Constraint, Sense


@dataclass(frozen=True)
class Expectation:
    """What is expected of configs: losses with their deviations, (configs, objectives) each, and constraints.

    `allowed` is the probability that the constraints on uncertain figures are kept, `excess` by how much those on known
    figures are broken, (configs,) each.
    """

    means: Floats
    deviations: Floats
    allowed: Floats
    excess: Floats

    def penalised(self, optimism: float = 0.0) -> Floats:
        """Return losses that put what breaks constraints behind all else, (configs, objectives).

        `optimism` is the number of deviations by which uncertain losses count as lower.
        """
        losses = self.means - optimism * self.deviations
        spread = np.ptp(losses, axis=0) + 1e-12 if len(losses) else np.ones(losses.shape[1])
        broken = self.excess + np.maximum(0.5 - self.allowed, 0.0)
        behind = np.where(broken > 0, 1.0 + broken, 0.0)
        return np.asarray(losses + 10.0 * spread * behind[:, None])


class Surrogate:
    """Predictors of all figures that an evaluation alone can tell, fitted to a history; `predictors` are by figure.

    `believed` are configs under evaluation: they count as if what is expected of them had come true (the "kriging
    believer" of Ginsbourger et al., Kriging Is Well-Suited to Parallelize Optimization, 2010).
    """

    def __init__(
        self,
        history: History,
        breeder: Breeder,
        predictors: Mapping[str, Predictor],
        believed: "Surrogate | None" = None,
    ) -> None:
        self.problem = history.problem
        self._describe = Describer(self.problem, breeder)
        uncertain = [name for name in self.problem.figures if name not in self.problem.known]
        values = history.values
        figures = {name: history.figures(name) for name in uncertain}
        if believed is not None and history.pending:
            pending = self.problem.values(history.pending)
            expected = believed.predicted(pending)
            values = np.concatenate([values, pending])
            figures = {name: np.concatenate([figures[name], expected[name].mean]) for name in uncertain}
        features = self._describe(values, self.problem.known_figures(values))
        self._fitted: dict[str, FittedPredictor] = {
            name: predictors[name].fit(features, column) for name, column in figures.items()
        }

    def predicted(self, values: Values) -> dict[str, Predictions]:
        """Return what is predicted of each uncertain figure."""
        return self._predicted(values, self.problem.known_figures(values))

    def expect(self, values: Values) -> Expectation:
        """Return what is expected of configs, (configs, dimensions)."""
        known = self.problem.known_figures(values)
        predicted = self._predicted(values, known)
        means, deviations = [], []
        for entry in self.problem.objectives:
            sign = entry.loss(1.0)
            if entry.figure in known:
                means.append(sign * known[entry.figure])
                deviations.append(np.zeros(len(values)))
            else:
                means.append(sign * predicted[entry.figure].mean)
                deviations.append(predicted[entry.figure].std)
        allowed = np.ones(len(values))
        for constraint in self.problem.constraints:
            if constraint.figure not in known:
                allowed *= _probability(constraint, predicted[constraint.figure])
        excess = self.problem.excess_of_known(known, len(values))
        return Expectation(np.stack(means, axis=1), np.stack(deviations, axis=1), allowed, excess)

    def _predicted(self, values: Values, known: Mapping[str, Floats]) -> dict[str, Predictions]:
        features = self._describe(values, known)
        return {name: fitted.predict(features) for name, fitted in self._fitted.items()}


def _probability(constraint: Constraint, predictions: Predictions) -> Floats:
    distance = (constraint.limit - predictions.mean) / np.maximum(predictions.std, 1e-12)
    return np.asarray(ndtr(distance if constraint.sense is Sense.AT_MOST else -distance))


def starting_points(history: History, breeder: Breeder, rng: np.random.Generator, count: int) -> Values:
    """Return configs from which evolution starts: those evaluated, the best first, and as many random ones."""
    order = np.argsort(history.excess, kind="stable")
    best: Sequence[int] = [*order[:count].tolist()]
    front = history.problem.values(entry.config for entry in history.front)
    return np.unique(
        np.concatenate([front, history.values[np.array(best, np.intp)], breeder.random(count, rng)]), axis=0
    )
