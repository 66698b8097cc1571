"""The settings of a training run."""

import pytest
from pydantic import ValidationError

from supple.training import TrainConfig


def test_every_setting_says_what_it_is():
    assert [name for name, field in TrainConfig.model_fields.items() if not field.description] == []


def test_an_unknown_setting_is_refused():
    with pytest.raises(ValidationError, match="learn_rate"):
        TrainConfig(learn_rate=0.1)


def test_settings_do_not_change():
    with pytest.raises(ValidationError, match="frozen"):
        TrainConfig().epochs = 2


def test_what_does_not_change_the_weights_does_not_decide():
    assert TrainConfig(checkpoint_seconds=1, keep_checkpoints=9).decisive() == TrainConfig().decisive()
    assert TrainConfig(learning_rate=0.5).decisive() != TrainConfig().decisive()
