"""Tests of exporting to ONNX: the file is valid, silent, free of the machine's traces, and right or not there."""

import logging
from pathlib import Path

import onnx
import pytest
import torch
from torch import nn

import supple
from supple.errors import SuppleError
from supple.runtime import OnnxSession, export, onnx_emitter, onnx_export

IMAGES = torch.randn(20, 1, 4, 4, generator=torch.Generator().manual_seed(3))


def small_net():
    torch.manual_seed(0)
    return nn.Sequential(nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.Flatten(), nn.Linear(16, 3))


@pytest.fixture(scope="module")
def exported(tmp_path_factory):
    """Export the network from a single example; return the file and the parity."""
    path = tmp_path_factory.mktemp("exported") / "net.onnx"
    return path, export(small_net(), IMAGES[:1], path, check_inputs=IMAGES)


def test_an_exported_network_is_valid_and_agrees(exported):
    path, parity = exported
    assert parity.agrees
    assert parity.images == 20
    onnx.checker.check_model(str(path), full_check=True)


def test_the_file_takes_any_batch_size_and_states_its_opset(exported):
    path, _ = exported
    assert OnnxSession(path).run(IMAGES[:7].numpy()).shape == (7, 3)
    assert [entry.version for entry in onnx.load(path).opset_import] == [onnx_export.ONNX_OPSET]


def test_the_file_does_not_tell_where_it_was_made(exported):
    content = exported[0].read_bytes()
    assert b"stack_trace" not in content
    assert b".py" not in content


def test_export_is_silent_and_leaves_logging_as_it_was(tmp_path, capfd):
    disabled_before = logging.root.manager.disable
    export(small_net(), IMAGES[:2], tmp_path / "net.onnx")
    assert capfd.readouterr() == ("", "")
    assert logging.root.manager.disable == disabled_before


def test_training_mode_is_exported_as_eval_mode_and_put_back(tmp_path):
    net = small_net().train()
    net[1].eval()
    assert export(net, IMAGES[:2], tmp_path / "net.onnx").agrees
    assert [part.training for part in net] == [True, False, True, True, True]


def test_inputs_that_do_not_fit_are_named(tmp_path):
    with pytest.raises(SuppleError, match=r"Sequential cannot be exported to ONNX with inputs of shape \[2, 3, 4, 4\]"):
        export(small_net(), torch.randn(2, 3, 4, 4), tmp_path / "net.onnx")


def test_a_model_that_fixes_the_batch_size_is_named(tmp_path):
    class Fixed(nn.Module):
        def forward(self, x):
            return x.reshape(2, 4, 2)

    with pytest.raises(SuppleError, match=r'Fixed fixes the batch size: the first axis of ".*" is 2 whatever'):
        export(Fixed(), torch.randn(2, 8), tmp_path / "net.onnx")


def test_a_folder_that_is_not_there_is_named(exported, tmp_path, monkeypatch):
    right = onnx.load(exported[0])
    monkeypatch.setattr(onnx_emitter, "onnx_model", lambda *_: right)
    with pytest.raises(SuppleError, match=r'Could not write ".*gone/net.onnx"'):
        export(small_net(), IMAGES[:2], tmp_path / "gone" / "net.onnx")


def test_export_is_public():
    assert supple.export is export


def test_named_inputs_in_any_order_are_exported(tmp_path: Path) -> None:
    class Named(nn.Module):
        def forward(self, x: torch.Tensor, *, y: torch.Tensor) -> dict[str, torch.Tensor]:
            return {"difference": x - y}

    parity = export(Named(), {"y": torch.randn(2, 4), "x": torch.randn(2, 4)}, tmp_path / "named.onnx")
    assert parity.max_absolute_difference == 0.0
