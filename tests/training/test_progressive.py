"""Progressive shrinking: what opens when."""

import pytest
from pydantic import ValidationError
from sampler_cases import SPACE, WIDTHS, plan

from supple.space import Dimension, Kind, Space
from supple.training import Draw, Plan
from supple.training.drawing import Over
from supple.training.progressive import PhaseConfig, Progressive, ProgressiveConfig

STEPS = 100
# The whole network, kernels and choices, depths, widths: a quarter of the run each.
CONFIG = ProgressiveConfig(
    whole_share=1,
    phases=(
        PhaseConfig(kinds=(Kind.KERNEL, Kind.OPERATOR), share=1),
        PhaseConfig(kinds=(Kind.DEPTH,), share=1, random_members=2),
        PhaseConfig(kinds=(Kind.WIDTH,), share=1, random_members=3, opening_share=0.8),
    ),
    full_member=False,
)


def open_at(step: int, config: ProgressiveConfig = CONFIG) -> dict[str, tuple[int, ...]]:
    sampler = Progressive(plan(STEPS), config)
    return dict(zip([entry.name for entry in SPACE.dimensions], sampler.open_values(step), strict=True))


def test_the_whole_network_trains_alone_at_first():
    sampler = Progressive(plan(STEPS), CONFIG)
    assert all(sampler.step(step) == (Draw(SPACE.max()),) for step in range(25))


@pytest.mark.parametrize(("step", "kernels", "depths"), [(24, 1, 1), (25, 2, 1), (49, 2, 1), (50, 2, 3), (99, 2, 3)])
def test_each_phase_opens_its_kinds_and_what_is_open_stays_open(step, kernels, depths):
    values = open_at(step)
    assert (len(values["kernel"]), len(values["choice"]), len(values["depth"])) == (kernels, 2 * kernels - 1, depths)
    assert values["0.width"] == (64,) or step >= 75


@pytest.mark.parametrize(("step", "count"), [(74, 1), (75, 2), (78, 2), (79, 3), (94, 7), (95, 8), (99, 8)])
def test_values_open_one_by_one_the_largest_first(step, count):
    # Of seven smaller widths the first opens at step 75, the last 0.8 of 25 steps later.
    assert open_at(step)["0.width"] == WIDTHS[-count:]


def test_kinds_that_no_phase_names_open_with_the_last():
    assert open_at(74)["1.hidden"] == (64,)
    assert open_at(99)["1.hidden"] == WIDTHS


def test_members_hold_open_values_and_in_the_end_all_are_drawn():
    sampler = Progressive(plan(STEPS), CONFIG)
    seen: dict[str, set[int]] = {entry.name: set() for entry in SPACE.dimensions}
    for step in range(STEPS):
        values = sampler.open_values(step)
        for draw in sampler.step(step):
            for entry, allowed in zip(SPACE.dimensions, values, strict=True):
                assert draw.config[entry.name] in allowed
                seen[entry.name].add(draw.config[entry.name])
    assert all(seen[name] == set(SPACE[name].values) for name in ("kernel", "depth", "choice", "0.width"))


@pytest.mark.parametrize(("step", "members"), [(30, 1), (60, 2), (90, 3)])
def test_each_phase_trains_its_own_number_of_members(step, members):
    sampler = Progressive(plan(STEPS), CONFIG)
    assert sum(draw.weight for draw in sampler.step(step)) == members


def test_the_full_network_stands_first_where_it_is_to_teach():
    sampler = Progressive(plan(STEPS), ProgressiveConfig(over=Over.COST))
    assert all(sampler.step(step)[0].config == SPACE.max() for step in range(STEPS))


def test_phases_without_anything_to_open_leave_their_time_to_the_others():
    space = Space([Dimension("width", Kind.WIDTH, (8, 16))])
    sampler = Progressive(Plan(space, STEPS, lambda config: config["width"]), CONFIG)
    opened = [len(sampler.open_values(step)[0]) for step in range(STEPS)]
    assert opened == [1] * 50 + [2] * 50


def test_unknown_kinds_are_refused():
    with pytest.raises(ValidationError, match="'width', 'hidden'"):
        PhaseConfig.model_validate({"kinds": ["widths"], "share": 1})
