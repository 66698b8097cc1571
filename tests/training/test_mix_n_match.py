"""Mix'n'Match: granularities that all layers share."""

from sampler_cases import SPACE, plan

from supple.space import Kind
from supple.training.mix_n_match import MixNMatch, MixNMatchConfig


def test_all_layers_of_a_member_have_one_granularity():
    sampler = MixNMatch(plan(), MixNMatchConfig(granularities=4, kinds=(Kind.HIDDEN,)))
    drawn = {draw.config for step in range(60) for draw in sampler.step(step)}
    hidden = {tuple(config[f"{block}.hidden"] for block in (1, 2, 3)) for config in drawn}
    assert hidden == {(8,) * 3, (24,) * 3, (48,) * 3, (64,) * 3}
    assert {(config["depth"], config["0.width"], config["kernel"]) for config in drawn} == {(3, 64, 5)}


def test_granularities_reach_from_the_smallest_to_the_full_network():
    sampler = MixNMatch(plan(), MixNMatchConfig(granularities=3))
    smallest, _, full = sampler.granularities
    assert smallest == SPACE.config({entry.name: entry.smallest for entry in SPACE.dimensions} | {"choice": 0})
    assert full == SPACE.max()


def test_a_step_trains_one_granularity_or_all():
    one, every = MixNMatch(plan()), MixNMatch(plan(), MixNMatchConfig(all_at_once=True))
    assert {len(one.step(step)) for step in range(20)} == {1}
    assert [draw.config for draw in every.step(0)] == [every.granularities[-1], *every.granularities[:-1]]
