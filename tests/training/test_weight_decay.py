"""Which parameters decay."""

import torch
from torch import nn

from supple.training.weight_decay import decaying_parameters


class Tokens(nn.Module):
    """A vision transformer's own parameters beside its layers."""

    def __init__(self) -> None:
        super().__init__()
        self.cls_token = nn.Parameter(torch.zeros(1, 1, 4))
        self.pos_embed = nn.Parameter(torch.zeros(1, 5, 4))
        self.relative_position_bias_table = nn.Parameter(torch.zeros(9, 2))
        self.experts_down_proj = nn.Parameter(torch.zeros(3, 4, 4))
        self.attention = nn.MultiheadAttention(4, 2)


class Scaled(nn.Module):
    """A module that names what must not decay itself, as models of timm do."""

    def __init__(self) -> None:
        super().__init__()
        self.table = nn.Parameter(torch.zeros(2, 2))
        self.layers = nn.Sequential(nn.Linear(2, 2), nn.Linear(2, 2))

    def no_weight_decay(self) -> set[str]:
        return {"table", "layers.0.*"}


def decaying_names(model: nn.Module) -> list[str]:
    decaying = {id(parameter) for parameter in decaying_parameters(model)}
    return [name for name, parameter in model.named_parameters() if id(parameter) in decaying]


def test_weights_of_layers_decay_and_norms_and_biases_do_not():
    model = nn.Sequential(nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2), nn.Linear(2, 2), nn.LayerNorm(2), nn.LSTM(2, 2))
    assert decaying_names(model) == ["0.weight", "2.weight", "4.weight_ih_l0", "4.weight_hh_l0"]


def test_a_norm_over_several_axes_does_not_decay():
    assert decaying_names(nn.Sequential(nn.LayerNorm((3, 4, 4)))) == []


def test_a_norm_of_the_users_own_does_not_decay():
    class ChannelRMSNorm(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.weight = nn.Parameter(torch.ones(4, 1, 1))

    assert decaying_names(nn.Sequential(ChannelRMSNorm())) == []


def test_tokens_and_positions_do_not_decay_while_projections_beside_them_do():
    assert decaying_names(Tokens()) == ["experts_down_proj", "attention.in_proj_weight", "attention.out_proj.weight"]


def test_a_table_of_embeddings_decays_only_where_it_is_the_output_layer_too():
    embedding, output = nn.Embedding(7, 4), nn.Linear(4, 7, bias=False)
    model = nn.ModuleDict({"embedding": embedding, "output": output})
    assert decaying_names(model) == ["output.weight"]
    output.weight = embedding.weight
    assert decaying_names(model) == ["embedding.weight"]


def test_what_a_model_exempts_itself_does_not_decay():
    assert decaying_names(nn.Sequential(Scaled())) == ["0.layers.1.weight"]


def test_frozen_parameters_do_not_decay():
    model = nn.Linear(2, 2)
    model.weight.requires_grad_(False)
    assert decaying_parameters(model) == []
