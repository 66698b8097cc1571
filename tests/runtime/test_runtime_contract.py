"""What every runtime promises: its export is done only where its outputs agree, and says so where they do not."""

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import pytest
import torch
from torch import nn

from supple.errors import SuppleError
from supple.runtime import OnnxSession, Parity, compare, export


class Exporter(NamedTuple):
    """How one runtime writes a member's file and opens it."""

    export: Callable[..., Parity]
    open: Callable[[Path], OnnxSession]
    suffix: str


every_runtime = pytest.mark.parametrize(
    "runtime", [Exporter(export, OnnxSession, "onnx")], ids=lambda entry: entry.suffix
)

IMAGES = torch.randn(256, 1, 6, 6, generator=torch.Generator().manual_seed(2))


class Net(nn.Module):
    """A convolution and a head. `lie` changes what an exporter sees of it, not what it computes."""

    def __init__(self, lie: float = 0.0) -> None:
        super().__init__()
        torch.manual_seed(4)
        self.conv = nn.Conv2d(1, 8, 3)
        self.head = nn.Linear(8, 5)
        self.lie = lie

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        logits = self.head(torch.relu(self.conv(x)).mean((2, 3)))
        return logits + self.lie if torch.compiler.is_exporting() else logits


@every_runtime
def test_an_export_agrees_on_256_images(runtime, tmp_path):
    path = tmp_path / f"net.{runtime.suffix}"
    assert runtime.export(Net(), IMAGES[:2], path, check_inputs=IMAGES).agrees
    parity = compare(Net(), runtime.open(path), IMAGES)
    assert parity.agrees
    assert (parity.images, parity.top1_agreement) == (256, 1.0)


@every_runtime
def test_a_seeded_wrong_export_fails_and_leaves_nothing(runtime, tmp_path):
    with pytest.raises(SuppleError, match=r"The export of Net is wrong: on 256 inputs its outputs differ"):
        runtime.export(Net(lie=0.01), IMAGES[:2], tmp_path / f"net.{runtime.suffix}", check_inputs=IMAGES)
    assert list(tmp_path.iterdir()) == []


@every_runtime
def test_a_damaged_file_is_refused(runtime, tmp_path):
    path = tmp_path / f"net.{runtime.suffix}"
    path.write_bytes(b"\x08\x0a damaged")
    with pytest.raises(SuppleError, match=f"net.{runtime.suffix}"):
        runtime.open(path)
