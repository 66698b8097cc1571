"""Spaces, plans and settings that the tests of all samplers share."""

from supple.space import Condition, Config, Dimension, Kind, Space
from supple.training import Plan, Sampler, StepReport

WIDTHS = tuple(range(8, 65, 8))
SPACE = Space(
    [
        Dimension("depth", Kind.DEPTH, (1, 2, 3)),
        Dimension("kernel", Kind.KERNEL, (3, 5)),
        Dimension("0.width", Kind.WIDTH, WIDTHS),
        *(Dimension(f"{block}.hidden", Kind.HIDDEN, WIDTHS, (Condition("depth", block),)) for block in (1, 2, 3)),
        Dimension("choice", Kind.OPERATOR, (2, 1, 0)),
        Dimension("option.hidden", Kind.HIDDEN, (8, 16), (Condition("choice", 0, 0),)),
    ]
)
ALONE = Space([Dimension("width", Kind.WIDTH, (8,))])


def cost(config: Config) -> float:
    """Return a cost that does not fall where a dimension of `SPACE` or `ALONE` grows."""
    if "width" in config:
        return 64.0
    blocks = sum(config[f"{block}.hidden"] for block in range(1, config["depth"] + 1))
    option = (0, 100, 50 * config["option.hidden"])[2 - config["choice"]]
    return config["0.width"] * (blocks + config["kernel"] ** 2) + option


def plan(steps: int = 50, space: Space = SPACE, seed: int = 5) -> Plan:
    return Plan(space, steps, cost, seed)


def report(sampler: Sampler, step: int) -> StepReport:
    """Return what a step comes to whose losses fall with the cost and with time, and depend on the config besides."""
    drawn = sampler.step(step)
    losses = {
        draw.config: 5 / (1 + 0.1 * step) - draw.config.get("0.width", 0) / 100 + draw.config.get("kernel", 0) / 50
        for draw in drawn
    }
    return StepReport(step, losses, gradient_norm=sum(draw.weight for draw in drawn) + step % 7)
