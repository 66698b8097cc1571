"""Tests of exporting for a target: its own form, judged in its own runtime, or nowhere."""

import pytest
import torch
from torch import nn

from supple.errors import SuppleError
from supple.runtime import BACKENDS, Runtime, Target, backend_for, export, judging_target, parse_target

IMAGES = torch.randn(20, 1, 4, 4, generator=torch.Generator().manual_seed(3))


def small_net():
    torch.manual_seed(0)
    return nn.Sequential(nn.Conv2d(1, 4, 3), nn.ReLU(), nn.Flatten(), nn.Linear(16, 3))


def test_a_module_is_exported_in_the_form_of_the_target(tmp_path):
    target = parse_target("torch:cpu?batch=8")
    parity = export(small_net(), IMAGES[:2], tmp_path / "net.safetensors", IMAGES, target)
    assert parity.agrees
    assert parity.images == 20
    session = backend_for(target).open(tmp_path / "net.safetensors", target)
    assert [entry.shape for entry in session.inputs] == [(8, 1, 4, 4)]


def test_a_name_that_ends_otherwise_is_refused(tmp_path):
    with pytest.raises(
        SuppleError, match=r'net.onnx": the name of a program for "torch:cpu\?.*" ends in ".safetensors"'
    ):
        export(small_net(), IMAGES[:2], tmp_path / "net.onnx", target="torch:cpu")
    assert list(tmp_path.iterdir()) == []


def test_a_runtime_that_is_not_there_is_told_before_anything_is_exported(tmp_path, monkeypatch):
    monkeypatch.setattr(type(BACKENDS[Runtime.OPENVINO]), "missing", lambda *_: "it is not installed")
    with pytest.raises(SuppleError, match=r'Target "openvino:cpu.*cannot be used here: it is not installed'):
        export(None, IMAGES[:2], tmp_path / "net.onnx", target="openvino:cpu")


def test_a_target_of_this_machine_judges_itself():
    assert judging_target(parse_target("torch:cpu?batch=4")) == parse_target("torch:cpu?batch=4")
    assert judging_target(parse_target("remote+torch:cpu@board:80?batch=4")) == parse_target("torch:cpu?batch=4")


def test_onnx_for_a_runtime_of_another_machine_is_judged_in_onnx_runtime(monkeypatch):
    monkeypatch.setattr(type(BACKENDS[Runtime.OPENVINO]), "missing", lambda *_: "it is not installed")
    assert judging_target(parse_target("remote+openvino:cpu@board:80?batch=4&threads=2")) == Target(batch=4)


def test_other_forms_for_a_runtime_of_another_machine_cannot_be_judged(monkeypatch):
    monkeypatch.setattr(type(BACKENDS[Runtime.EXECUTORCH]), "missing", lambda *_: "it is not installed")
    with pytest.raises(SuppleError, match=r"executorch:xnnpack.*cannot be used here: it is not installed"):
        judging_target(parse_target("remote+executorch:xnnpack@board:80"))
