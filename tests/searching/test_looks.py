"""Looks at a part of the validation data."""

import pytest
import torch
from family_snapshot import snapshot_of
from network_cases import family_of, problem_of, quantized_family

from supple.searching.looks import EvaluationSize, Part, look
from supple.training import evaluate


@pytest.fixture
def networks():
    return problem_of(family_of("resnet")).networks


def test_a_part_is_every_so_many_th_batch_again_and_again():
    part = Part(3, 1).of(list("abcdefgh"))
    assert list(part) == list(part) == ["b", "e", "h"]


def test_a_look_is_an_evaluation_on_its_part(networks):
    config = networks.family.space.min()
    (found,) = look(networks, [config], Part(2, 1))
    expected = evaluate(networks.family, config, networks.valid_data[1::2], networks.task, networks.calibration[::2])
    assert found == expected


@pytest.mark.parametrize("training", [False, True])
def test_a_look_leaves_the_family_as_it_was(networks, training):
    family, config = networks.family, networks.family.space.min()
    family.train(training)
    if not training:
        family.calibrate(config, [torch.randn(8, 1, 8, 8)])
    before = snapshot_of(family)
    look(networks, [config, networks.family.space.max()], Part(2))
    assert snapshot_of(family) == before


def test_a_look_leaves_the_ranges_of_a_shape_as_they_were():
    networks = problem_of(quantized_family()).networks
    family = networks.family
    smallest = family.space.min()
    family.calibrate(smallest, [torch.randn(8, 1, 8, 8)])
    before = snapshot_of(family)
    looked = look(networks, [smallest, family.space.config({"head.bits": 8})], Part(2))
    assert snapshot_of(family) == before
    assert list(family.ranges) == [family.full_precision(smallest)]
    expected = evaluate(family, smallest, networks.valid_data[::2], networks.task, networks.calibration[::2])
    assert looked[0] == expected


def test_the_share_of_a_look_is_that_of_its_samples():
    size = EvaluationSize((8, 8, 8, 4), (16, 16))
    assert size.samples == 60
    # One batch in four, and the first of calibration.
    assert size.share(Part(4, 3)) == (4 + 16) / 60
    assert size.share(Part(1)) == 1


def test_an_evaluation_is_all_validation_and_calibration_samples(networks):
    assert EvaluationSize.of(networks) == EvaluationSize((8, 8, 8, 8), (8, 8))


def test_numbers_take_different_parts_as_far_as_there_are_any():
    size = EvaluationSize((8, 8, 8), (8,))
    assert [size.part(2, number) for number in range(3)] == [Part(2, 0), Part(2, 1), Part(2, 0)]
    # Sixteen parts of three batches: each still holds one.
    parts = [size.part(16, number) for number in range(6)]
    assert {len(list(part.of([1, 2, 3]))) for part in parts} == {1}


def test_members_are_looked_at_together_as_one_by_one(networks):
    space = networks.family.space
    both = look(networks, [space.min(), space.max()], Part(2))
    assert both == [look(networks, [config], Part(2))[0] for config in (space.min(), space.max())]
