"""The learning rate at each step: a linear warm-up, then a way down, never below a floor.

Sources: the cosine is from Loshchilov & Hutter, SGDR: Stochastic Gradient Descent with Warm Restarts, 2017 (without the
restarts); the warm-up from Goyal et al., Accurate, Large Minibatch SGD, 2017; the exponential decay to a constant end
from Yu et al., BigNAS, 2020; the steps from He et al., Deep Residual Learning, 2016.
"""

import math
from enum import StrEnum

# BigNAS: times 0.97 every 2.4 of 360 epochs.
_EXPONENTIAL_END = 0.01
# ResNet: a tenth after each third of the run.
_STEPS, _STEP_FACTOR = 3, 0.1


class Schedule(StrEnum):
    """The way of the learning rate after the warm-up, from its highest value (1) down.

    `cosine`: half a cosine to the floor. `linear`: a straight line to the floor. `constant`: 1 to the end.
    `exponential`: towards 0.01 at the end, or the floor from where it is reached (BigNAS: 0.05). `step`: 1, 0.1 and
    0.01 for a third of the run each, or the floor where that is higher.
    """

    COSINE = "cosine"
    LINEAR = "linear"
    CONSTANT = "constant"
    EXPONENTIAL = "exponential"
    STEP = "step"


def learning_rate(
    highest: float,
    step: int,
    steps: int,
    warmup_share: float,
    schedule: Schedule = Schedule.COSINE,
    floor_share: float = 0.0,
) -> float:
    """Return the learning rate of a step, counted from 0, of a run of `steps` steps.

    `warmup_share` is the share of the steps in which it rises to `highest`, `floor_share` the share of `highest` below
    which it does not fall afterwards.
    """
    warmup = round(warmup_share * steps)
    if step < warmup:
        return highest * (step + 1) / warmup
    return highest * _share(schedule, step - warmup, steps - warmup, floor_share)


def _share(schedule: Schedule, done: int, total: int, floor: float) -> float:
    """Return the share of the highest learning rate, `done` of `total` steps after the warm-up."""
    match schedule:
        case Schedule.COSINE:
            return floor + (1 - floor) * (1 + math.cos(math.pi * done / total)) / 2
        case Schedule.LINEAR:
            return floor + (1 - floor) * (1 - done / total)
        case Schedule.CONSTANT:
            return 1.0
        case Schedule.EXPONENTIAL:
            return max(floor, math.pow(_EXPONENTIAL_END, done / total))
        case Schedule.STEP:
            return max(floor, math.pow(_STEP_FACTOR, _STEPS * done // total))
