"""Sorted nested members."""

from sampler_cases import plan

from supple.training.nested import Nested, NestedConfig


def test_only_members_of_the_chain_train_and_all_of_them_do():
    sampler = Nested(plan(), NestedConfig(models=6))
    drawn = {draw.config for step in range(100) for draw in sampler.step(step)}
    assert drawn == set(sampler.chain)
    assert len(sampler.chain) == 6


def test_members_of_a_step_differ():
    sampler = Nested(plan(), NestedConfig(models=4, members_per_step=3))
    assert all(len(sampler.step(step)) == 3 for step in range(50))


def test_a_step_trains_no_more_members_than_the_chain_has():
    sampler = Nested(plan(), NestedConfig(models=2, members_per_step=5))
    assert len(sampler.step(0)) == 2
