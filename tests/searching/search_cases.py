"""A space whose members need no network: accuracy and latency are functions of the config."""

from supple.searching.evaluation import Evaluation
from supple.searching.problem import Problem, as_known
from supple.searching.wishes import Direction, Objective
from supple.space import Condition, Dimension, Kind, Space


def make_space(widths=6):
    return Space(
        [
            Dimension("depth", Kind.DEPTH, (1, 2, 3)),
            Dimension("inner", Kind.HIDDEN, (8, 16, 24), (Condition("depth", 2),)),
            *(Dimension(f"width{number}", Kind.WIDTH, tuple(range(8, 72, 8))) for number in range(widths)),
        ]
    )


def make_problem(space):
    """Return a problem whose accuracy and latency are to be evaluated; the multiply-accumulates are known."""
    objectives = (Objective("accuracy", Direction.MAXIMIZE), Objective("latency_ms", Direction.MINIMIZE))
    return Problem(space, objectives, known={"macs": as_known(space, macs_of)})


def widths_of(config):
    return [value for name, value in config.items() if name.startswith("width")]


def accuracy_of(config):
    # Later widths buy more accuracy for the same time, so there is something to find.
    return sum((number + 1) * width**0.5 for number, width in enumerate(widths_of(config))) / 200 + config["depth"] / 50


def time_ms_of(config):
    return sum((6 - number) * width for number, width in enumerate(widths_of(config))) / 100 + config["depth"]


def macs_of(config):
    return 10.0 * sum(widths_of(config)) * config["depth"]


def evaluation_of(config):
    figures = {"accuracy": accuracy_of(config), "latency_ms": time_ms_of(config), "macs": macs_of(config)}
    return Evaluation(config, figures)
