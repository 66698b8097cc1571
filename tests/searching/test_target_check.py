"""Tests of asking a target whether it can run a family at all."""

import pytest
import torch
from torch import nn

from supple.errors import SuppleError
from supple.family import convert
from supple.runtime import BACKENDS, Runtime, parse_target
from supple.searching import check_target

IMAGES = torch.randn(2, 3, 8, 8)


@pytest.fixture(scope="module")
def family():
    torch.manual_seed(0)
    return convert(nn.Sequential(nn.Conv2d(3, 16, 3), nn.ReLU(), nn.Flatten(), nn.Linear(576, 4)), IMAGES)


def test_a_target_that_runs_the_full_network_says_nothing(family):
    check_target(family, IMAGES, parse_target("onnxruntime:cpu"))


def test_a_runtime_that_is_not_there_is_told(family, monkeypatch):
    monkeypatch.setattr(type(BACKENDS[Runtime.OPENVINO]), "missing", lambda *_: "it is not installed")
    with pytest.raises(SuppleError, match="cannot be used here: it is not installed"):
        check_target(family, IMAGES, parse_target("openvino:cpu"))


def test_a_resolution_that_is_not_the_data_s_is_told(family):
    with pytest.raises(SuppleError, match="measures latency at a height of 6 pixels, but accuracy is that of data of"):
        check_target(family, IMAGES, parse_target("onnxruntime:cpu?resolution=6"))


def test_what_the_runtime_lacks_is_told_with_the_choices_that_avoid_it(family, monkeypatch):
    backend = type(BACKENDS[Runtime.ONNXRUNTIME])
    right = backend.export

    def export(self, module, inputs):
        if module[0].out_channels == 16:
            raise SuppleError("the runtime lacks Conv of 16 channels.")
        return right(self, module, inputs)

    monkeypatch.setattr(backend, "export", export)
    with pytest.raises(SuppleError, match=r"The full network cannot run there: the runtime lacks Conv.*Any of these"):
        check_target(family, IMAGES, parse_target("onnxruntime:cpu"))


def test_a_worker_that_does_not_answer_is_told(family, monkeypatch, tmp_path):
    token = tmp_path / "token"
    token.write_text("0123456789abcdef")
    token.chmod(0o600)
    monkeypatch.setenv("SUPPLE_WORKER_TOKEN_FILE", str(token))
    with pytest.raises(SuppleError, match="in 3 tries"):
        check_target(family, IMAGES, parse_target("remote+onnxruntime:cpu@127.0.0.1:9"))
