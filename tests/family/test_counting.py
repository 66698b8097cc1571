"""Tests of counting parameters and multiply-accumulates."""

import pytest
import torch
from torch import nn
from torch.nn import functional
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

from supple.errors import SuppleError
from supple.family.counting import count_macs, count_parameters
from supple.models import mobilenet_small, resnet_demo


class FusedAttention(nn.Module):
    def forward(self, query, key, value):
        return functional.scaled_dot_product_attention(query, key, value, enable_gqa=True)


class Product(nn.Module):
    def forward(self, one, other):
        return one @ other


def test_parameters_of_a_layer():
    assert count_parameters(nn.Linear(3, 4)) == 3 * 4 + 4


def test_a_shared_parameter_counts_once():
    layer = nn.Linear(4, 4, bias=False)
    assert count_parameters(nn.Sequential(layer, layer)) == 16


def test_macs_of_known_layers():
    assert count_macs(nn.Linear(3, 4), torch.zeros(1, 3)) == 3 * 4
    assert count_macs(nn.Conv2d(2, 6, 3, padding=1), torch.zeros(1, 2, 5, 5)) == 5 * 5 * 3 * 3 * 2 * 6
    assert count_macs(nn.Conv2d(6, 6, 3, padding=1, groups=6), torch.zeros(1, 6, 5, 5)) == 5 * 5 * 3 * 3 * 6


def test_the_projections_and_the_attention_of_a_transformer_layer_count():
    layer = nn.TransformerEncoderLayer(8, 2, 16, batch_first=True)
    assert count_macs(layer, torch.zeros(1, 5, 8)) == 5 * (4 * 8 * 8 + 2 * 8 * 16) + 2 * 5 * 5 * 8


def test_fused_attention_counts_as_much_as_its_products_of_matrices():
    # Two query heads share each key head.
    inputs = torch.zeros(1, 4, 7, 6), torch.zeros(1, 2, 9, 6), torch.zeros(1, 2, 9, 3)
    assert count_macs(FusedAttention(), inputs) == 4 * 7 * 9 * (6 + 3)
    with sdpa_kernel(SDPBackend.MATH):
        assert count_macs(FusedAttention(), inputs) == 4 * 7 * 9 * (6 + 3)


@pytest.mark.parametrize(("layer", "gates"), [(nn.LSTM, 4), (nn.GRU, 3), (nn.RNN, 1)])
def test_recurrent_layers_count(layer, gates):
    assert count_macs(layer(6, 8, batch_first=True), torch.zeros(2, 5, 6)) == 5 * gates * 8 * (6 + 8)


def test_macs_are_those_of_one_sample():
    assert count_macs(nn.Linear(3, 4), torch.zeros(7, 3)) == 12


def test_inputs_that_share_no_first_axis_are_one_sample():
    assert count_macs(Product(), (torch.zeros(2, 3), torch.zeros(3, 4))) == 2 * 3 * 4


@pytest.mark.parametrize(("model", "channels"), [(resnet_demo(), 1), (mobilenet_small(), 3)])
def test_macs_are_half_of_what_pytorch_counts(model, channels):
    images = torch.zeros(3, channels, 16, 16)
    with FlopCounterMode(display=False) as counter:
        model(images)
    assert count_macs(model, (images,)) * 2 * 3 == counter.get_total_flops()


def test_counting_changes_neither_mode_nor_statistics():
    model = nn.Sequential(nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2))
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    count_macs(model, torch.randn(2, 1, 4, 4))
    assert model.training
    assert all(torch.equal(before[name], tensor) for name, tensor in model.state_dict().items())


def test_inputs_that_do_not_fit_are_named():
    with pytest.raises(SuppleError, match=r"Linear does not run on inputs of shape \[2, 5\]: "):
        count_macs(nn.Linear(3, 4), torch.zeros(2, 5))
