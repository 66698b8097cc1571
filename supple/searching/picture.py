"""The front of a search as a picture of characters, for a terminal: quality against the first cost."""

from collections.abc import Iterable, Sequence

import numpy as np

from supple.searching.choosing import quality_of
from supple.searching.dominance import Floats, nondominated
from supple.searching.evaluation import Evaluation
from supple.searching.history import History
from supple.searching.problem import Problem
from supple.searching.wishes import Direction, Objective

ROWS = 10
LEAST_WIDTH = 40
MOST_WIDTH = 100

FRONT, SEARCHED, RANDOM, BROKEN = "*", ".", "o", "x"


def front_picture(history: History, baseline: Sequence[Evaluation], width: int) -> str:
    """Return the members so far as a plot of 14 lines, at most `width` columns wide, in ASCII.

    Upwards is the quality, to the right the first cost: the first other objective, or the first other figure that a
    constraint limits, or the number of the evaluation where there is neither. Empty where there is too little room, or
    nothing to show.
    """
    if width < LEAST_WIDTH or not history.evaluations:
        return ""
    problem = history.problem
    quality, cost = quality_of(problem), _cost_of(problem)
    points = _Points(quality, cost)
    keeps = history.excess == 0
    searched = points.of(history.evaluations)
    rivals = [entry for entry in baseline if problem.excess(entry) == 0]
    # What is drawn later covers what is drawn before.
    layers = [
        (BROKEN, searched[~keeps]),
        (SEARCHED, searched[keeps]),
        (RANDOM, points.of(rivals)),
        (FRONT, points.front(searched[keeps])),
    ]
    legend = {
        FRONT: "front",
        SEARCHED: "searched",
        RANDOM: f"random ({len(rivals)})" if rivals else "",
        BROKEN: "breaks a constraint" if not keeps.all() else "",
    }
    lines = _plot(layers, min(width, MOST_WIDTH))
    title = f"{quality.figure} against {cost.figure if cost else 'evaluations'}"
    told = "   ".join(f"{mark} {what}" for mark, what in legend.items() if what)
    return "\n".join(line[:width] for line in (title, *lines, told))


def _cost_of(problem: Problem) -> Objective | None:
    quality = quality_of(problem)
    limited = [Objective(entry.figure, Direction.MINIMIZE) for entry in problem.constraints]
    return next((entry for entry in (*problem.objectives, *limited) if entry.figure != quality.figure), None)


class _Points:
    """Where members stand in the plane, (members, 2): cost and quality."""

    def __init__(self, quality: Objective, cost: Objective | None) -> None:
        self.quality, self.cost = quality, cost

    def of(self, members: Iterable[Evaluation]) -> Floats:
        """Return the places of members; where there is no cost, their numbers take its place."""
        rows = [
            (number if self.cost is None else entry.figures[self.cost.figure], entry.figures[self.quality.figure])
            for number, entry in enumerate(members, start=1)
        ]
        return np.array(rows, float).reshape(-1, 2)

    def front(self, points: Floats) -> Floats:
        """Return those of the points that no other one dominates."""
        if not len(points):
            return points
        losses = np.array([self.quality.loss(value) for value in points[:, 1]])[:, None]
        if self.cost is not None:
            costs = np.array([self.cost.loss(value) for value in points[:, 0]])
            losses = np.column_stack([costs, losses])
        return points[nondominated(losses)]


def _plot(layers: Sequence[tuple[str, Floats]], width: int) -> list[str]:
    """Return the rows of the plot with its axes and their numbers."""
    points = np.concatenate([places for _, places in layers])
    low, high = points.min(axis=0), points.max(axis=0)
    labels = [f"{value:.4g}" for value in (high[1], (low[1] + high[1]) / 2, low[1])]
    margin = max(map(len, labels))
    columns = width - margin - 3
    spans = np.where(high > low, high - low, 1.0)
    cells = [[" "] * columns for _ in range(ROWS)]
    for mark, places in layers:
        for right, up in (places - low) / spans:
            cells[round((1 - up) * (ROWS - 1))][round(right * (columns - 1))] = mark
    at_rows = {0: labels[0], (ROWS - 1) // 2: labels[1], ROWS - 1: labels[2]}
    rows = [f"{at_rows.get(number, ''):>{margin}} |{''.join(row)}".rstrip() for number, row in enumerate(cells)]
    left, middle, right = (f"{value:.4g}" for value in (low[0], (low[0] + high[0]) / 2, high[0]))
    numbers = f"{left}{middle:^{columns - len(left) - len(right)}}{right}"
    return [*rows, f"{'':{margin}} +{'-' * columns}", f"{'':{margin}}  {numbers}".rstrip()]
