"""TensorBoard gets the same events, as scalars."""

import builtins
import math
import sys

import pytest

from supple.errors import MissingExtraError
from supple.training.log import Event, EventKind
from supple.training.tensorboard import TensorBoard


def scalars(folder):
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    found = EventAccumulator(str(folder))
    found.Reload()
    return {tag: [(entry.step, entry.value) for entry in found.Scalars(tag)] for tag in found.Tags()["scalars"]}


def test_figures_become_scalars(tmp_path):
    pytest.importorskip("tensorboard")
    board = TensorBoard(tmp_path)
    board.write(Event(EventKind.STEP, 1, 1, {"loss_largest": 0.5, "loss_smallest": math.nan}))
    board.write(Event(EventKind.STEP, 2, 1, {"loss_largest": 0.25, "loss_smallest": None}, "text"))
    board.write(Event(EventKind.EPOCH, 2, 1, {"accuracy_largest": 0.75}))
    board.close()
    assert scalars(tmp_path) == {"step/loss_largest": [(1, 0.5), (2, 0.25)], "epoch/accuracy_largest": [(2, 0.75)]}


def test_a_resumed_run_hides_what_came_after_its_checkpoint(tmp_path):
    pytest.importorskip("tensorboard")
    for resumed, steps in ((0, (1, 2, 3)), (1, (2,))):
        board = TensorBoard(tmp_path, step=resumed)
        for step in steps:
            board.write(Event(EventKind.STEP, step, 1, {"loss": float(step + 10 * resumed)}))
        board.close()
    assert scalars(tmp_path) == {"step/loss": [(1, 1.0), (2, 12.0)]}


def test_without_the_package_one_line_says_what_to_install(tmp_path, monkeypatch):
    real_import = builtins.__import__

    def without_tensorboard(name, *arguments, **named):
        if name.partition(".")[0] == "tensorboard":
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)
        return real_import(name, *arguments, **named)

    for name in [name for name in sys.modules if name.startswith(("tensorboard", "torch.utils.tensorboard"))]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setattr(builtins, "__import__", without_tensorboard)
    with pytest.raises(
        MissingExtraError, match=r'A log for TensorBoard needs .*run  pip install "supple\[tensorboard\]"'
    ):
        TensorBoard(tmp_path)
