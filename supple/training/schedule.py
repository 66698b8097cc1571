"""The learning rate at each step: a linear warm-up, then half a cosine down to zero.

Source: Loshchilov & Hutter, SGDR: Stochastic Gradient Descent with Warm Restarts, 2017 (without the restarts); the
warm-up is from Goyal et al., Accurate, Large Minibatch SGD, 2017.
"""

import math


def learning_rate(highest: float, step: int, steps: int, warmup_share: float) -> float:
    """Return the learning rate of a step, counted from 0, of a run of `steps` steps."""
    warmup = round(warmup_share * steps)
    if step < warmup:
        return highest * (step + 1) / warmup
    return highest * (1 + math.cos(math.pi * (step - warmup) / (steps - warmup))) / 2
