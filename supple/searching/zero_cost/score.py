"""The one protocol of zero-cost scores."""

from enum import StrEnum
from typing import TYPE_CHECKING, Any, Protocol

from supple.space import Config

if TYPE_CHECKING:
    from supple.family import Family
    from supple.training.task import Task


class ScoreName(StrEnum):
    """The scores that there are."""

    PARAMETERS = "parameters"
    MACS = "macs"
    GRADSIGN = "gradsign"
    SYNFLOW = "synflow"
    JACOBIAN = "jacobian"

    def samples_of_evaluation(self, samples: int) -> int:
        """Return how many samples an evaluation runs in the time that a score takes for so many; 0 for counts.

        As measured on the demo's network: backward passes count as two forward ones, GradSign runs one sample at a
        time, which takes ten times as long, and SynFlow runs one sample alone, whose fixed costs count most.
        """
        match self:
            case ScoreName.PARAMETERS | ScoreName.MACS:
                return 0
            case ScoreName.GRADSIGN:
                return 30 * samples
            case ScoreName.SYNFLOW:
                return 40
            case ScoreName.JACOBIAN:
                return 6 * samples


class ZeroCostScore(Protocol):
    """Guesses how good a member is, without its accuracy: more is better. Only the order of scores means something.

    A pure function of the member's weights and of the batch: nothing of the family changes, neither weights, gradients,
    buffers, calibrations nor its mode, and calibrations do not matter. The weights are those that the family has:
    papers score networks before training, where `Family` holds the same sort of weights only if it was not trained.
    """

    def __call__(self, family: "Family", config: Config, batch: Any, task: "Task", /) -> float:
        """Return the score of a member. `batch`: a training batch as the task takes it, of a few dozen samples.

        Raises `SuppleError` where the member cannot take the batch, or the score has no meaning for such inputs.
        """
