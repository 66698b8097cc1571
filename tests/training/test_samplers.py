"""What every sampler of the catalogue must do."""

import json
import math
import random

import pytest
from pydantic import TypeAdapter, ValidationError
from sampler_cases import ALONE, SPACE, plan, report

from supple.space import Space
from supple.training import Draw, Plan, Sampler, Sandwich, build_sampler
from supple.training.attentive import AttentiveConfig, Pick
from supple.training.complexity_aware import ComplexityAwareConfig
from supple.training.delayed import DelayedConfig
from supple.training.drawing import Over
from supple.training.mix_n_match import MixNMatchConfig
from supple.training.nested import NestedConfig
from supple.training.path_importance import PathImportanceConfig
from supple.training.probability_shift import ProbabilityShiftConfig
from supple.training.progressive import ProgressiveConfig
from supple.training.sampler import SamplerConfig
from supple.training.samplers import SamplerChoice
from supple.training.sandwich import SandwichConfig
from supple.training.uniform import UniformConfig

# A new sampler adds itself here: its defaults, and settings under which it does anything else.
SETTINGS: dict[str, SamplerConfig] = {
    "attentive": AttentiveConfig(),
    "attentive to the worst": AttentiveConfig(pick=Pick.WORST, over=Over.COST, remembered=20, cost_exponent=0.5),
    "complexity aware": ComplexityAwareConfig(),
    "complexity and performance aware": ComplexityAwareConfig(remembered=4, full_member=True, anchors=0),
    "delayed": DelayedConfig(),
    "delayed without the smallest": DelayedConfig(start=0, warmup_share=0.5, smallest=False, over=Over.COST),
    "mix'n'match": MixNMatchConfig(),
    "mix'n'match of all": MixNMatchConfig(all_at_once=True, cost_exponent=-1),
    "nested": NestedConfig(),
    "nested in one": NestedConfig(models=3, members_per_step=1),
    "path importance": PathImportanceConfig(),
    "probability shift": ProbabilityShiftConfig(interval=5),
    "probability shift without ends": ProbabilityShiftConfig(interval=3, ends=False, regions=3),
    "progressive": ProgressiveConfig(),
    "progressive over cost": ProgressiveConfig(over=Over.COST, full_member=False, cost_exponent=1),
    "sandwich": SandwichConfig(),
    "sandwich of the two ends": SandwichConfig(random_members=0, cost_exponent=2),
    "uniform": UniformConfig(),
    "uniform over cost": UniformConfig(random_members=3, over=Over.COST),
}
STEPS = 50

every_sampler = pytest.mark.parametrize("config", SETTINGS.values(), ids=SETTINGS)


def trained(sampler: Sampler, steps: range) -> list[tuple[Draw, ...]]:
    """Return what a sampler draws that sees what each step comes to."""
    drawn = []
    for step in steps:
        drawn.append(sampler.step(step))
        sampler.observe(report(sampler, step))
    return drawn


def test_the_whole_catalogue_is_tested():
    kinds = TypeAdapter(SamplerChoice).json_schema()["discriminator"]["mapping"]
    assert set(kinds) == {config.model_dump()["kind"] for config in SETTINGS.values()}


@every_sampler
def test_every_step_has_members_of_the_space(config):
    for draws in trained(build_sampler(config, plan(STEPS)), range(STEPS)):
        assert draws
        for draw in draws:
            SPACE.check(draw.config)


@every_sampler
def test_weights_are_positive_and_finite(config):
    for draws in trained(build_sampler(config, plan(STEPS)), range(STEPS)):
        assert all(0 < draw.weight < math.inf for draw in draws)


@every_sampler
def test_the_largest_member_stands_first_where_it_teaches(config):
    for draws in trained(build_sampler(config, plan(STEPS)), range(STEPS)):
        assert SPACE.max() not in [draw.config for draw in draws[1:]]


@every_sampler
def test_members_depend_on_the_seed_the_step_and_what_was_seen(config):
    random.seed(1)
    first = trained(build_sampler(config, plan(STEPS)), range(STEPS))
    random.seed(2)
    assert trained(build_sampler(config, plan(STEPS)), range(STEPS)) == first


@every_sampler
def test_asked_twice_for_a_step_a_sampler_says_the_same(config):
    sampler = build_sampler(config, plan(STEPS))
    for step in range(STEPS):
        assert sampler.step(step) == sampler.step(step)
        sampler.observe(report(sampler, step))


@every_sampler
@pytest.mark.parametrize("cut", [0, 1, 17, 33])
def test_a_restored_sampler_goes_on_where_the_first_one_was(config, cut):
    whole = trained(build_sampler(config, plan(STEPS)), range(STEPS))
    interrupted = build_sampler(config, plan(STEPS))
    trained(interrupted, range(cut))
    restored = build_sampler(config, plan(STEPS))
    restored.load_state(json.loads(json.dumps(interrupted.state())))
    assert trained(restored, range(cut, STEPS)) == whole[cut:]


@every_sampler
def test_a_state_is_a_copy(config):
    sampler = build_sampler(config, plan(STEPS))
    trained(sampler, range(20))
    state = sampler.state()
    before = json.dumps(state)
    restored = build_sampler(config, plan(STEPS))
    restored.load_state(state)
    trained(sampler, range(20, STEPS))
    trained(restored, range(20, STEPS))
    assert json.dumps(state) == before


@every_sampler
@pytest.mark.parametrize("space", [ALONE, Space([])], ids=["one value", "no dimension"])
def test_a_space_of_one_member_trains_that_one(config, space):
    sampler = build_sampler(config, Plan(space, STEPS, lambda config: 64.0))
    for draws in trained(sampler, range(STEPS)):
        assert [draw.config for draw in draws] == [space.max()]


@every_sampler
def test_a_run_may_be_one_step_long(config):
    assert len(trained(build_sampler(config, plan(steps=1)), range(1))) == 1


@every_sampler
def test_settings_are_read_back_from_what_they_write(config):
    assert TypeAdapter(SamplerChoice).validate_json(config.model_dump_json()) == config


@every_sampler
def test_settings_refuse_unknown_keys(config):
    with pytest.raises(ValidationError, match="Extra inputs are not permitted"):
        TypeAdapter(SamplerChoice).validate_python({**config.model_dump(), "randon_members": 3})


def test_a_kind_that_is_not_in_the_catalogue_is_refused():
    with pytest.raises(ValidationError, match="sandwhich"):
        TypeAdapter(SamplerChoice).validate_python({"kind": "sandwhich"})


def test_a_member_that_is_drawn_twice_counts_twice():
    alone = Plan(Space([]), steps=1, cost=lambda config: 1.0)
    assert Sandwich(alone).step(0) == (Draw(alone.space.max(), weight=3.0),)
