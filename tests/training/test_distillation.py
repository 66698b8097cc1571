"""The settings of distillation."""

import re

import pytest
from pydantic import ValidationError

from supple.training.distillation import DistillationConfig, TeacherKind


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"alpha_min": 1.0, "alpha_max": -1.0}, "alpha_min (1) must be less than alpha_max (-1)"),
        ({"alpha_min": 0.0}, "must not be 0, where the divergence is not defined"),
        ({"teacher": "none", "feature_weight": 0.5}, "feature_weight is 0.5, but teacher is none"),
        ({"weight": 1.5}, "less than or equal to 1"),
        ({"alpha_clip": 1.0}, "greater than 1"),
        ({"teacher": "ensemble"}, "'in-place' or 'none'"),
        ({"temprature": 2.0}, "Extra inputs are not permitted"),
    ],
)
def test_settings_that_make_no_sense_are_refused(settings, message):
    with pytest.raises(ValidationError, match=re.escape(message)):
        DistillationConfig(**settings)


def test_they_are_read_back_from_json():
    config = DistillationConfig(teacher="none", temperature=2, feature_modules=())
    assert DistillationConfig.model_validate_json(config.model_dump_json()) == config
    assert config.teacher is TeacherKind.NONE
