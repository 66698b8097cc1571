"""Saved predictors: loaded they predict the same bits, and damaged they are refused."""

import json
import random
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from supple.cost.predictors import Descriptions, FittedTarget, LatencyPredictor, load, save
from supple.cost.predictors.saving import ARTIFACT_KIND, MEASUREMENTS_FILE, PREDICTOR_FILE
from supple.errors import SuppleError
from supple.storage import seal

HERE = FittedTarget("onnxruntime:cpu?threads=2", "a machine, 2 cores")


def described(count: int) -> Descriptions:
    rng = np.random.default_rng(5)
    features = rng.normal(size=(count, 4))
    return Descriptions.of(features, rng.uniform(1, 9, (count, 2)), rng.uniform(1, 2, (count, 3)))


@pytest.fixture(scope="module")
def predictor() -> LatencyPredictor:
    latency_ms = np.random.default_rng(6).uniform(1, 5, 30)
    return LatencyPredictor.fit(HERE, described(90).take(range(30)), latency_ms)


def test_a_loaded_predictor_predicts_the_same_bits(predictor, tmp_path):
    save(predictor, tmp_path / "deep" / "predictor")
    loaded = load(tmp_path / "deep" / "predictor")
    assert (loaded.target, loaded.held_out, loaded.stretch) == (predictor.target, predictor.held_out, predictor.stretch)
    before, after = predictor.predict(described(90), HERE), loaded.predict(described(90), HERE)
    for name in ("latency_ms", "low_ms", "high_ms"):
        assert getattr(before, name).tobytes() == getattr(after, name).tobytes()


def test_every_changed_bit_is_refused(predictor, tmp_path):
    save(predictor, tmp_path)
    rng = random.Random(8)
    for path in sorted(tmp_path.iterdir()):
        whole = path.read_bytes()
        for _ in range(40):
            position = rng.randrange(len(whole))
            path.write_bytes(
                whole[:position] + bytes([whole[position] ^ 1 << rng.randrange(8)]) + whole[position + 1 :]
            )
            with pytest.raises(SuppleError):
                load(tmp_path)
        path.write_bytes(whole[: len(whole) // 2])
        with pytest.raises(SuppleError):
            load(tmp_path)
        path.write_bytes(whole)
    load(tmp_path)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("kernel", [1.0]),
        ("kernel", "1"),
        ("kernel", [-1.0] * 20),
        ("form", {"scale": "furlongs", "features": True}),
        ("form", None),
        ("held_out", {"count": 3}),
        ("stretch", "wide"),
        ("target", {"address": "x"}),
    ],
)
def test_content_that_is_no_predictor_is_refused(predictor, tmp_path, key, value):
    save(predictor, tmp_path)
    content = json.loads((tmp_path / PREDICTOR_FILE).read_text())
    (tmp_path / PREDICTOR_FILE).write_text(json.dumps({**content, key: value}))
    seal(tmp_path, ARTIFACT_KIND)
    with pytest.raises(SuppleError, match=r"holds no latency predictor that this version of supple reads: "):
        load(tmp_path)


def test_a_missing_file_of_measurements_is_refused(predictor, tmp_path):
    save(predictor, tmp_path)
    (tmp_path / MEASUREMENTS_FILE).unlink()
    seal(tmp_path, ARTIFACT_KIND)
    with pytest.raises(SuppleError, match=r'has no file "measurements\.safetensors"\.$'):
        load(tmp_path)


def test_a_folder_that_cannot_be_made_is_named(predictor, tmp_path: Path):
    (tmp_path / "file").touch()
    with pytest.raises(SuppleError, match=r'^The folder ".*file/predictor" cannot be made: Not a directory\.$'):
        save(predictor, tmp_path / "file" / "predictor")


def test_no_torch_is_needed(predictor, tmp_path):
    save(predictor, tmp_path)
    code = (
        "import sys; from supple.cost.predictors import load\n"
        f"load({str(tmp_path)!r})\n"
        "sys.exit('torch' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
