"""Published tables of latencies: networks of one space, measured on many devices."""

import csv
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from supple.bench.latency_costs import Array, Integers, hat_costs, nb201_macs, ofa_costs
from supple.cost.predictors import Descriptions
from supple.errors import SuppleError

FOLDER = Path(__file__).parents[3] / "shared" / "tables"
"""Beside the repository: measured by others, these are no part of it."""


class TablesMissingError(SuppleError):
    """The tables are not on this machine."""

    def __init__(self, path: Path) -> None:
        super().__init__(f'there is no "{path}": the published tables lie beside the repository.')


@dataclass(frozen=True)
class Table:
    """Networks of a space as they are described, their MACs, and latencies in ms by the setting they were measured in.

    `device` is what a setting runs on; several batch sizes are several settings of one device.
    """

    setting: str
    device: str
    described: Descriptions
    macs: Array
    latency_ms: Array

    def first(self, count: int) -> "Table":
        """Return the table's first networks, for a quick run."""
        described = self.described.take(range(count))
        return Table(self.setting, self.device, described, self.macs[:count], self.latency_ms[:count])


def nb201_tables(folder: Path = FOLDER) -> list[Table]:
    """Return NAS-Bench-201's 15,625 cells in 21 settings (Lee et al., HELP, 2021)."""
    path = folder / "nb201_latency.npz"
    if not path.exists():
        raise TablesMissingError(path)
    with np.load(path, allow_pickle=False) as content:
        columns = {name: content[name] for name in content.files}
    cells = np.array([[int(digit) for digit in cell] for cell in columns.pop("cell")])
    features = np.eye(5)[cells].reshape(len(cells), -1)
    macs = nb201_macs(cells)
    described = Descriptions.of(features, macs[:, None])
    return [
        _table(column, described, macs, latencies.astype(np.float64), batches=("1", "32", "256"))
        for column, latencies in columns.items()
    ]


def ofa_tables(folder: Path = FOLDER) -> list[Table]:
    """Return 5,000 members of OFA-MobileNetV3 on 3 GPUs at 3 batch sizes (Lee et al., HELP, 2021)."""
    rows = _rows(folder / "ofa_mbv3_latency.csv")
    kernels, expands, depths = (_integers(rows, name) for name in ("kernel_sizes", "expand_ratios", "depths"))
    resolutions = _integers(rows, "resolution")[:, 0]
    there = (np.arange(4) < depths[:, :, None]).reshape(len(rows), -1)
    features = np.concatenate([there, there * kernels, there * expands, resolutions[:, None]], axis=1)
    costs = ofa_costs(kernels, expands, depths, resolutions)
    described = Descriptions.of(features, costs)
    return [
        _table(name, described, costs[:, 0], np.array([float(row[name]) for row in rows]), batches=("1", "32", "64"))
        for name in rows[0]
        if name.endswith("_ms")
    ]


def hat_tables(folder: Path = FOLDER) -> list[Table]:
    """Return 8 tables of 2,000 translation Transformers each, on 3 devices: no two tables hold the same networks."""
    paths = sorted((folder / "hat_latency").glob("*.csv"))
    if not paths:
        raise TablesMissingError(folder / "hat_latency")
    tables = []
    for path in paths:
        rows = _rows(path)
        names = [name for name in rows[0] if not name.startswith("latency")]
        features = np.array([[float(row[name]) for name in names] for row in rows])
        latency_ms = [float(row["latency_mean_encoder"]) + float(row["latency_mean_decoder"]) for row in rows]
        costs = hat_costs(features)
        described = Descriptions.of(features, costs)
        tables.append(Table(path.stem, path.stem.split("_", 1)[1], described, costs[:, 0], np.array(latency_ms)))
    return tables


def _table(column: str, described: Descriptions, macs: Array, latency_ms: Array, batches: Sequence[str]) -> Table:
    setting = column.removesuffix("_ms")
    device, _, batch = setting.rpartition("_")
    return Table(setting, device if batch in batches else setting, described, macs, latency_ms)


def _rows(path: Path) -> list[Mapping[str, str]]:
    if not path.exists():
        raise TablesMissingError(path)
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def _integers(rows: Sequence[Mapping[str, str]], name: str) -> Integers:
    return np.array([[int(number) for number in row[name].split()] for row in rows])
