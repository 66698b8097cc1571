"""Published networks as spaces: their sizes, their free costs, their accuracies."""

import csv
import random

import numpy as np
import pytest
from scipy.stats import kendalltau

from supple.bench.latency_tables import FOLDER, TablesMissingError
from supple.bench.published_spaces import (
    macro_space,
    macro_table,
    ofa_free_costs,
    ofa_oracle,
    ofa_space,
    ofa_table,
)
from supple.cost.config_arrays import random_values, values_of
from supple.errors import SuppleError

with_tables = pytest.mark.skipif(not FOLDER.is_dir(), reason="the published tables are not beside the repository")


def test_spaces_have_as_many_members_as_published():
    assert ofa_space().count() == (9**2 + 9**3 + 9**4) ** 5
    assert macro_space().count() == 3**8


@with_tables
def test_members_of_ofa_are_distinct_and_all_there():
    table = ofa_table()
    assert len(table) == len(set(table.configs)) == len(table.rows) == 2162


@with_tables
def test_repeated_evaluations_count_as_their_mean():
    with (FOLDER / "ofa_mbv3_imagenet.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    table = ofa_table()
    found = {}
    for row in rows:
        kernels, expands, depths = (
            [int(number) for number in row[name].split()] for name in ("kernel_sizes", "expand_ratios", "depths")
        )
        values = {f"unit{unit}.depth": depth for unit, depth in enumerate(depths)}
        for position, (kernel, expand) in enumerate(zip(kernels, expands, strict=True)):
            block = f"unit{position // 4}.block{position % 4}"
            values |= {f"{block}.kernel": kernel, f"{block}.expand": expand}
        found.setdefault(table.space.config(values), []).append(float(row["top1_percent"]))
    assert any(len(set(repeated)) > 1 for repeated in found.values())
    means = [table.top1_percent[table.rows[config]] for config in found]
    assert means == pytest.approx([np.mean(repeated) for repeated in found.values()], abs=1e-9)


@with_tables
def test_costs_of_ofa_are_counted_exactly():
    table = ofa_table()
    counted = ofa_free_costs(table.values)
    assert (counted[:, 0] == table.macs).all()
    assert (counted[:, 1] == table.parameters).all()


def test_blocks_that_are_dropped_cost_nothing():
    space = ofa_space()
    values = random_values(space, 200, np.random.default_rng(0))
    proper = values_of(space, [space.config(dict(zip(space.max(), map(int, row), strict=True))) for row in values])
    assert (values != proper).any()
    assert (ofa_free_costs(values) == ofa_free_costs(proper)).all()


@with_tables
def test_the_oracle_ranks_members_as_imagenet_does():
    table = ofa_table()
    predicted = ofa_oracle().top1_percent(table.values)
    # As stated with the table: tau 0.883 (over the rows), 5.9 points above.
    assert kendalltau(predicted, table.top1_percent).statistic == pytest.approx(0.883, abs=0.003)
    assert np.mean(predicted - table.top1_percent) == pytest.approx(5.9, abs=0.1)


@with_tables
def test_the_oracle_answers_for_one_config_as_for_many():
    oracle = ofa_oracle()
    rng = random.Random(0)
    configs = [oracle.space.sample(rng) for _ in range(20)]
    together = oracle.top1_percent(values_of(oracle.space, configs))
    assert [oracle(config) for config in configs] == pytest.approx(together, abs=1e-3)


@with_tables
def test_the_oracle_does_not_read_what_is_dropped():
    oracle = ofa_oracle()
    values = random_values(oracle.space, 50, np.random.default_rng(1))
    values[:, 0] = 2
    other = values.copy()
    other[:, 5:9] = (3, 3, 3, 3)
    assert (values != other).any()
    assert (oracle.top1_percent(values) == oracle.top1_percent(other)).all()


@with_tables
def test_the_oracle_refuses_configs_of_other_spaces():
    with pytest.raises(SuppleError, match=r"^The config belongs to space "):
        ofa_oracle()(macro_space().max())


@with_tables
def test_the_best_network_of_macro_is_the_one_published():
    table = macro_table()
    assert len(table) == 6561
    published = {f"block{block}": 2 - int(digit) for block, digit in enumerate("22212220")}
    best = table.top1_percent[table.rows[table.space.config(published)]]
    assert best == table.top1_percent.max() == pytest.approx(93.13, abs=0.005)


@with_tables
def test_the_largest_network_of_macro_is_the_users_own():
    table = macro_table()
    assert table.macs[table.rows[table.space.max()]] == table.macs.max()


@pytest.mark.parametrize("read", [ofa_table, ofa_oracle, macro_table])
def test_a_missing_table_is_named(read, tmp_path):
    with pytest.raises(TablesMissingError, match=rf'^there is no "{tmp_path}/.*"'):
        read(tmp_path)
