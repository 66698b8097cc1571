"""The problem of bit policies and the searches that the allocator is compared with."""

import numpy
import pytest

from supple.bench.bit_policies import BITS, BitProblem, load_problem, policy_of, space_of, tables_of
from supple.bench.bit_search import evolution_losses, nsga2_losses
from supple.errors import SuppleError
from supple.searching.allocator import allocate


def problem(correlation):
    latency = numpy.add.outer(numpy.arange(1.0, 9), 2 * numpy.arange(1.0, 9))
    return BitProblem(numpy.stack([latency, 3 * latency, latency + 1]), numpy.full((3, 2), 1 / 3), correlation)


def test_the_layers_are_those_of_mobilenetv2(tmp_path):
    numpy.save(tmp_path / "table.npy", numpy.ones((53, 8, 8)))
    loaded = load_problem(0.0, tmp_path / "table.npy")
    # 3.47 million weights of convolutions and the classifier, whose share is known.
    assert loaded.shares.sum(axis=0) == pytest.approx([1, 1])
    assert loaded.shares[-1, 0] == pytest.approx(1_280_000 / 3_469_760)
    assert loaded.evaluations_of_table == 637


def test_a_missing_or_other_table_is_refused(tmp_path):
    with pytest.raises(SuppleError, match=r'there is no ".*absent.npy": the published tables'):
        load_problem(0.0, tmp_path / "absent.npy")
    (tmp_path / "table.npy").write_bytes(b"no array")
    with pytest.raises(SuppleError, match=r'unreadable: put HAQ\'s "table.npy", an array of NumPy, at'):
        load_problem(0.0, tmp_path / "table.npy")
    numpy.save(tmp_path / "table.npy", numpy.ones((2, 8, 8)))
    with pytest.raises(SuppleError, match=r"holds an array of \(2, 8, 8\), not \(53, 8, 8\)"):
        load_problem(0.0, tmp_path / "table.npy")


def test_tables_say_what_the_problem_does_where_noises_are_independent():
    independent, correlated = problem(0.0), problem(0.5)
    space = space_of(independent)
    config = space.config({"layer00": 24, "layer02": 83})
    assert policy_of(config).tolist() == [[2, 4], [8, 8], [8, 3]]
    sensitivity, cost = tables_of(independent, space)
    assert sensitivity.of(config) == pytest.approx(independent.loss_of(policy_of(config)))
    assert cost.of(config) == independent.latency_of(policy_of(config))
    neighbours = space.config({"layer00": 22, "layer01": 22})
    sums = tables_of(correlated, space)[0].of(neighbours)
    assert sums < 0.9 * correlated.loss_of(policy_of(neighbours))


def test_evolution_keeps_within_the_budget_and_never_beats_the_allocator():
    independent = problem(0.0)
    sensitivity, cost = tables_of(independent, space_of(independent))
    budget = 0.6 * independent.latency_of(independent.full)
    best = allocate(sensitivity, [cost.at_most(budget)]).loss
    least_noise = independent.loss_of(independent.full)
    evolved = evolution_losses(independent, budget, [60, 400], seed=1)
    [bred] = nsga2_losses(independent, [budget], [60, 120], seed=1)
    for losses in (evolved, bred):
        assert all(loss >= best * (1 - 1e-9) for loss in losses)
        assert losses == sorted(losses, reverse=True)
        assert losses[-1] < 2 * 3 * 4.0 ** -BITS[0]
    assert best > least_noise
    assert evolved[-1] < 1.5 * best
