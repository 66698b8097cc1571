"""The benchmark of latency predictors: its tables and formulas, its parts, and how trials are summed up."""

import csv

import numpy as np
import pytest
from typer.testing import CliRunner

from supple.bench import latency
from supple.bench.__main__ import app
from supple.bench.form import Options
from supple.bench.latency_costs import hat_costs, nb201_macs, ofa_costs
from supple.bench.latency_spaces import run_hat, run_ofa
from supple.bench.latency_tables import FOLDER, TablesMissingError, hat_tables, nb201_tables, ofa_tables
from supple.bench.latency_trials import Trials
from supple.bench.timing import Spread
from supple.cost.predictors import HeldOut
from supple.errors import SuppleError
from supple.progress import Silent

QUICK = Options(quick=True, seed=0)
with_tables = pytest.mark.skipif(not FOLDER.is_dir(), reason="the published tables are not beside the repository")


def test_macs_of_a_cell_of_convolutions_are_those_published():
    # NAS-Bench-201 gives 220.12 M for the cell of six convolutions 3x3, batch norm included.
    assert nb201_macs(np.full((1, 6), 3))[0] == pytest.approx(220.12e6, rel=1e-3)
    # Skips, poolings and nothing have none of their own.
    assert len(set(nb201_macs(np.array([[0] * 6, [1] * 6, [4] * 6])))) == 1


@with_tables
def test_macs_of_ofa_are_those_published():
    with (FOLDER / "ofa_mbv3_imagenet.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))[:300]
    encodings = [
        np.array([[int(number) for number in row[name].split()] for row in rows])
        for name in ("kernel_sizes", "expand_ratios", "depths")
    ]
    found = ofa_costs(*encodings, np.array([int(row["resolution"]) for row in rows]))[:, 0]
    assert found == pytest.approx([float(row["macs"]) for row in rows], rel=1e-5)


def test_weights_of_a_transformer_are_counted_by_hand():
    features = np.array([[512, 6, 1024, 4, 640, 2, 2048, 8, 8, 2]], dtype=float)
    encoder = 6 * (4 * 512 * 512 + 2 * 512 * 1024)
    decoder = 2 * (4 * 640 * 512 + 2 * 640 * 512 + 2 * 512 * 512 + 2 * 640 * 2048)
    assert hat_costs(features).tolist() == [[encoder + decoder, encoder, decoder]]


@with_tables
def test_settings_of_one_device_are_known_as_such():
    devices = {table.setting: table.device for table in nb201_tables()}
    assert len(devices) == 21
    assert devices["titan_rtx_32"] == devices["titan_rtx_1"] == "titan_rtx"
    assert devices["silver_4114"] == "silver_4114"
    assert {table.device for table in ofa_tables()} == {"2080ti", "titan_rtx", "v100"}
    assert {table.device for table in hat_tables()} == {"gpu_titanxp", "cpu_raspberrypi", "cpu_xeon"}


@with_tables
@pytest.mark.parametrize("run", [run_ofa, run_hat])
def test_each_part_compares_transfer_with_the_regression_alone(run):
    outcome = run(QUICK, Silent())
    assert {row["method"] for row in outcome.rows} == {"regression alone", "transfer from other devices"}
    assert all(isinstance(row["in_interval_%"], Spread) for row in outcome.rows)


@pytest.mark.parametrize("read", [nb201_tables, ofa_tables, hat_tables])
def test_a_missing_table_is_named(read, tmp_path):
    with pytest.raises(TablesMissingError, match=rf'^there is no "{tmp_path}/.*": the published tables lie'):
        read(tmp_path)


def test_parts_without_tables_are_left_out_unless_they_are_asked_for(monkeypatch, tmp_path):
    monkeypatch.setitem(latency.PARTS, "nb201", lambda options, progress: nb201_tables(tmp_path))
    outcome = latency.run(QUICK, Silent())
    assert [str(row["method"]).partition(":")[0] for row in outcome.rows] == ["left out"]
    with pytest.raises(SuppleError, match=r"^there is no "):
        latency.run(Options(quick=True, seed=0, models=("nb201",)), Silent())


def test_an_unknown_part_is_answered_with_the_nearest():
    result = CliRunner().invoke(app, ["latency", "--models", "nb202"])
    assert result.exit_code == 2
    assert result.stderr == (
        'Error: The benchmark has no part "nb202"; did you mean "nb201"? It has nb201, ofa, hat, measured, repeated.\n'
    )


def test_trials_are_summed_up_over_settings_and_seeds():
    found = [[HeldOut(5, 0.1, 0.3, spearman, 0.5) for spearman in row] for row in ([0.8, 1.0], [0.4, 0.6])]
    cells = Trials(found).cells()
    assert cells["mean_spearman"] == pytest.approx(0.7)
    assert cells["lowest"] == pytest.approx(0.5)
    assert cells["seeds"] == "0.6000 to 0.8000"
    assert cells["error_%"] == Spread.of([10.0])
    assert cells["error_90_%"] == Spread.of([30.0])
