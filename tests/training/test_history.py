"""The rows of a training, and where it stands."""

from dataclasses import replace

import pytest

from supple.errors import SuppleError
from supple.training import EpochRow, History
from supple.training.position import Position

ROW = EpochRow(1, 159, 20.5, 0.1 + 0.2, None, 0.9, 1 / 3, 1e12)


def test_a_history_comes_back_from_json():
    history = History((ROW, replace(ROW, epoch=2)))
    assert History.from_json(history.to_json()) == history
    assert History.from_json(history.to_json()).rows[0].seconds == 20.5


def test_the_time_that_it_took_does_not_tell_histories_apart():
    assert History((ROW,)) == History((replace(ROW, seconds=99.0),))
    assert History((ROW,)) != History((replace(ROW, loss_largest=0.3),))


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{}}",
        "7",
        '{"rows": []}',
        '{"metric": "accuracy", "rows": [{"epoch": 1}]}',
        '{"metric": "a", "rows": [["epoch"]]}',
        "[" * 100_000,
    ],
)
def test_anything_else_is_no_history(text):
    with pytest.raises(SuppleError, match="This is no history of a training"):
        History.from_json(text)


def test_losses_are_means_over_the_steps_in_which_the_member_trained():
    position = Position().after_step(1, 1.0, 3.0, 10).after_skipped_step(1).after_step(2, 2.0, None, 5)
    assert (position.step, position.batch) == (3, 4)
    assert (position.mean_largest, position.mean_smallest) == (1.5, 3.0)
    assert position.macs == 15


def test_skipped_steps_are_counted_in_a_row():
    position = Position().after_skipped_step(1).after_skipped_step(1)
    assert position.skipped_in_row == 2
    assert position.after_epoch().skipped_in_row == 2
    assert position.after_step(1, 1.0, 1.0, 0).skipped_in_row == 0


def test_an_epoch_begins_with_nothing_summed():
    position = Position(seconds=4.0).after_step(1, 1.0, 3.0, 10).after_epoch()
    assert position == Position(step=1, epoch=1, macs=10, seconds=4.0)
    assert (position.mean_largest, position.mean_smallest) == (None, None)


def test_a_position_comes_back_from_json():
    position = Position().after_step(1, 0.1, 0.2, 0.5).after_skipped_step(1)
    assert Position.from_json(position.to_json()) == position


@pytest.mark.parametrize("content", [{}, {**Position().to_json(), "step": 1.5}, {**Position().to_json(), "more": 1}])
def test_anything_else_is_no_position(content):
    with pytest.raises(SuppleError, match="This is no position of a training: expected the keys step, epoch, batch"):
        Position.from_json(content)
