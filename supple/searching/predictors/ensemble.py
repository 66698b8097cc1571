"""How far an ensemble is off: its disagreement, stretched such that it explains errors on what was not seen."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from supple.searching.predictors.encoder import Array

LEAST_DEVIATION = 0.01
"""For figures of deviation 1: models that agree by chance are no surer than this."""
_LEAST_SHARE = 0.5
_MEMBERS_FOR_NO_STRETCH = 5


@dataclass(frozen=True)
class Disagreement:
    """Turns what single models say into a deviation: `stretch` times their spread with a `floor` beneath it."""

    floor: float
    stretch: float

    @classmethod
    def of(cls, single: Array, targets: Array, unseen: NDArray[np.bool_]) -> "Disagreement":
        """Learn from what models say of members that they were not trained on.

        `single` (models, members) is what each says of the evaluated members, `targets` (members,) their figures, of
        deviation 1, and `unseen` (models, members) which ones a model has not seen.
        """
        spread = single.std(axis=0)
        floor = max(_LEAST_SHARE * float(np.sqrt(np.mean(np.square(spread)))), LEAST_DEVIATION)
        judged = unseen.any(axis=0)
        left_out = (single * unseen).sum(axis=0)[judged] / unseen.sum(axis=0)[judged]
        scores = np.square(left_out - targets[judged]) / (np.square(spread[judged]) + floor**2)
        return cls(
            floor, float(np.sqrt((_MEMBERS_FOR_NO_STRETCH + scores.sum()) / (_MEMBERS_FOR_NO_STRETCH + judged.sum())))
        )

    def deviations(self, single: Array) -> Array:
        """Return the deviation of each config, (configs,), from what each model says, (models, configs)."""
        return np.asarray(self.stretch * np.hypot(single.std(axis=0), self.floor))
