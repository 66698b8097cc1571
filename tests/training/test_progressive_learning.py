"""Images and regularisation that grow over a run: the stages, the sizes, the dropout."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from supple.errors import SuppleError
from supple.training.dropout import weaker_dropout
from supple.training.progressive_learning import ProgressiveLearningConfig, Stage, all_stages, stage_of
from supple.training.resizing import check_sizes, scaled

LABELS = torch.zeros(2, dtype=torch.int64)


def size_of(height: int, width: int, scale: float, divisor: int = 1) -> list[int]:
    images, _ = scaled((torch.zeros(2, 1, height, width), LABELS), scale, divisor)
    return list(images.shape[2:])


def test_stages_grow_in_equal_steps():
    config = ProgressiveLearningConfig(stages=3, from_scale=0.5, from_strength=0.25)
    assert all_stages(config) == [Stage(0, 0.5, 0.25), Stage(1, 0.75, 0.625), Stage(2, 1.0, 1.0)]
    assert [stage_of(config, step, 9).number for step in range(9)] == [0, 0, 0, 1, 1, 1, 2, 2, 2]


@given(steps=st.integers(1, 300), stages=st.integers(2, 12))
def test_every_run_ends_in_the_last_stage_where_it_has_a_step_for_each(steps, stages):
    config = ProgressiveLearningConfig(stages=stages)
    numbers = [stage_of(config, step, steps).number for step in range(steps)]
    assert numbers == sorted(numbers)
    if steps >= stages:
        assert sorted(set(numbers)) == list(range(stages))
    assert stage_of(config, steps, steps).number == stages - 1


@pytest.mark.parametrize(
    ("height", "width", "scale", "divisor", "expected"),
    [
        (28, 28, 0.5, 1, [14, 14]),
        (28, 20, 0.5, 4, [16, 8]),
        (224, 224, 0.6, 16, [128, 128]),
        (28, 28, 0.1, 16, [16, 16]),
        (28, 28, 0.5, 32, [28, 28]),
        (28, 28, 1.0, 12, [28, 28]),
    ],
)
def test_sizes_are_multiples_and_never_larger(height, width, scale, divisor, expected):
    assert size_of(height, width, scale, divisor) == expected


def test_a_batch_at_full_size_is_returned_as_it_is():
    batch = (torch.zeros(2, 1, 8, 8), LABELS)
    assert scaled(batch, 1.0) is batch


def test_a_mapping_stays_one():
    batch = {"pixel_values": torch.zeros(2, 1, 8, 8), "labels": LABELS}
    smaller = scaled(batch, 0.5)
    assert smaller["pixel_values"].shape == (2, 1, 4, 4)
    assert smaller["labels"] is LABELS


def test_images_are_smoothed_and_keep_their_type():
    stripes = torch.tensor([1.0, -1.0]).repeat(8).expand(2, 1, 16, 16).to(torch.bfloat16)
    smaller, _ = scaled((stripes, LABELS), 0.5)
    assert smaller.dtype == torch.bfloat16
    assert smaller[..., 2:-2].abs().max() < 0.3  # sampled alone, they would be stripes or all of one sign


def test_labels_of_pixels_are_refused():
    batch = (torch.zeros(2, 1, 8, 8), torch.zeros(2, 8, 8, dtype=torch.int64))
    with pytest.raises(SuppleError, match="Progressive learning resizes images, not the labels of their pixels"):
        scaled(batch, 0.5)


def test_inputs_that_are_no_images_are_refused():
    with pytest.raises(SuppleError, match="Progressive learning needs one input of images"):
        scaled((torch.zeros(2, 8), LABELS), 0.5)


def test_a_model_that_takes_every_size_is_let_through_and_stays_as_it_was():
    model = nn.Sequential(nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4), nn.AdaptiveAvgPool2d(1), nn.Flatten())
    buffers = {name: buffer.clone() for name, buffer in model.named_buffers()}
    check_sizes(model, (torch.randn(2, 1, 16, 16), LABELS), ProgressiveLearningConfig())
    assert model.training
    assert all(torch.equal(buffer, buffers[name]) for name, buffer in model.named_buffers())


def test_a_model_of_one_size_is_refused_with_the_size_that_it_does_not_take():
    model = nn.Sequential(nn.Flatten(), nn.Linear(256, 3))
    with pytest.raises(SuppleError) as caught:
        check_sizes(model, (torch.randn(2, 1, 16, 16), LABELS), ProgressiveLearningConfig())
    assert str(caught.value).startswith(
        "Progressive learning resizes images to 8 x 8, which the model cannot take (Run"
    )
    assert str(caught.value).endswith("set its divisor to the model's patch or stride, or leave it out.")


class DropPath(nn.Module):
    """As timm has it."""

    def __init__(self, drop_prob: float | None) -> None:
        super().__init__()
        self.drop_prob = drop_prob


def test_dropout_is_weaker_for_a_while():
    layers = [nn.Dropout(0.4), nn.Dropout2d(0.2), nn.AlphaDropout(0.1), DropPath(0.3), DropPath(None), nn.PReLU()]
    layers += [nn.LSTM(2, 2, num_layers=2, dropout=0.2), nn.MultiheadAttention(2, 1, dropout=0.6)]
    model = nn.ModuleList(layers)

    def probabilities() -> list[float | None]:
        return [
            *(layer.p for layer in layers[:3]),
            *(layer.drop_prob for layer in layers[3:5]),
            *(layer.dropout for layer in layers[6:]),
        ]

    with weaker_dropout(model, 0.5):
        assert probabilities() == [0.2, 0.1, 0.05, 0.15, None, 0.1, 0.3]
    assert probabilities() == [0.4, 0.2, 0.1, 0.3, None, 0.2, 0.6]
    with pytest.raises(ZeroDivisionError), weaker_dropout(model, 0.5):
        raise ZeroDivisionError
    assert probabilities() == [0.4, 0.2, 0.1, 0.3, None, 0.2, 0.6]


def test_dropout_of_no_strength_drops_nothing():
    model = nn.Sequential(nn.Dropout(0.9))
    with weaker_dropout(model, 0.0):
        assert torch.equal(model(torch.ones(50)), torch.ones(50))
