"""Quantized members as ExecuTorch programs: XNNPACK's integer operators, in the chosen layers alone."""

import pytest
import torch
from quantized_cases import PICTURES, bits_everywhere, corners, data, taken_out, with_precision
from torch import nn

from supple.errors import SuppleError
from supple.family import QuantizationConfig
from supple.family.quantized.quantizers import precisions_of
from supple.runtime import BACKENDS, Runtime, check_export, parse_target
from supple.runtime.torch_quantizing import quantized_program
from supple.trace import ModelInputs
from supple.trace.silence import silenced

BACKEND = BACKENDS[Runtime.EXECUTORCH]
TARGET = parse_target("executorch:xnnpack?batch=8")

needs_executorch = pytest.mark.skipif(BACKEND.missing(TARGET.device) is not None, reason="ExecuTorch is not installed")


def readers_of_integers(program):
    """Return the layers, by the parameter that they read, whose weights are integers; and those of the others."""
    layers = [node for node in program.graph.nodes if str(node.target).startswith(("aten.conv", "aten.linear"))]
    return [node for node in layers if "dequantize_per_channel" in str(node.args[1].target)], layers


@pytest.mark.parametrize(
    "settings", [{}, {"per_channel": False}, {"signed_activations": True}, {"reduced_range": True}]
)
def test_a_quantized_graph_computes_what_the_imitation_does(settings):
    member = corners(**settings)
    program = quantized_program(member, precisions_of(member), ModelInputs.of(PICTURES), torch.int8)
    with torch.no_grad(), silenced():
        expected, found = member(PICTURES), program.module()(PICTURES)
    # A sum in another order may end on the other side of a rounding step.
    step = precisions_of(member)["last"].output.scale
    assert (expected - found).abs().max() <= 1.01 * step
    assert ((expected - found).abs() > step / 2).float().mean() < 0.01


def test_only_chosen_layers_hold_integers():
    family = with_precision("cnn", QuantizationConfig(formats={"blocks.0.*": ["int8"]}))
    member = taken_out(family, bits_everywhere(family))
    program = quantized_program(member, precisions_of(member), ModelInputs.of(data().test[:2]), torch.int8)
    chosen, layers = readers_of_integers(program)
    assert len(chosen) == 3 < len(layers)


def test_integers_are_read_by_one_operator_each_and_cuts_are_gone():
    member = corners()
    program = quantized_program(member, precisions_of(member), ModelInputs.of(PICTURES), torch.int8)
    names = [str(node.target) for node in program.graph.nodes]
    assert not any("hardtanh" in name or "relu" in name or "batch_norm" in name for name in names)
    assert sum("quantize_per_tensor" in name and "dequantize" not in name for name in names) == 3
    for node in program.graph.nodes:
        if "dequantize_per_tensor" in str(node.target):
            assert len(node.users) == 1


def test_other_formats_have_no_form_in_these_graphs():
    member = corners(formats={"*": ["int8-dynamic"]})
    with pytest.raises(SuppleError, match=r'Layer "conv" is int8-dynamic, which has no form in our PyTorch graphs'):
        quantized_program(member, precisions_of(member), ModelInputs.of(PICTURES), torch.int8)


@needs_executorch
def test_weights_alone_have_no_form_in_executorch_programs():
    member = corners(formats={"*": ["int8-weights"]})
    with pytest.raises(SuppleError, match=r'Layer "conv" is int8-weights, which has no form in our ExecuTorch'):
        BACKENDS[Runtime.EXECUTORCH].export(member, ModelInputs.of(PICTURES))


def test_weights_with_a_zero_point_have_no_form_either():
    member = corners(per_channel=False, symmetric_weights=False, formats={"last": ["int8"]})
    with pytest.raises(SuppleError, match=r'weights of layer "last" have a zero point'):
        quantized_program(member, precisions_of(member), ModelInputs.of(PICTURES), torch.int8)


@needs_executorch
def test_a_small_program_computes_what_the_imitation_does():
    member = corners()
    program = BACKEND.export(member, ModelInputs.of(PICTURES[:8]))
    parity = check_export(member, BACKEND.open(program.content, TARGET), PICTURES)
    assert parity.signal_to_noise_db > 40


@needs_executorch
@pytest.mark.slow
@pytest.mark.parametrize("network", ["cnn", "transformer"])
def test_a_program_computes_what_the_imitation_does(network):
    family = with_precision(network, QuantizationConfig(round_linear_results=True))
    member = taken_out(family, bits_everywhere(family))
    program = BACKEND.export(member, ModelInputs.of(data().test[:8]))
    parity = check_export(member, BACKEND.open(program.content, TARGET), data().test[:500])
    assert parity.top1_agreement >= 0.99
    assert parity.signal_to_noise_db > 30


@needs_executorch
@pytest.mark.slow
def test_xnnpack_takes_the_quantized_layers():
    with silenced():
        from executorch.backends.xnnpack.partition.xnnpack_partitioner import XnnpackPartitioner
        from executorch.exir import to_edge_transform_and_lower

    member = corners()
    program = quantized_program(member, precisions_of(member), ModelInputs.of(PICTURES[:8]), torch.int8)
    with silenced():
        graph = to_edge_transform_and_lower(program, partitioner=[XnnpackPartitioner()]).exported_program().graph_module
    assert next(node.name for node in graph.graph.nodes if node.op == "call_function") == "executorch_call_delegate"
    assert not any("convolution" in node.name or "quantize" in node.name for node in graph.graph.nodes)


def test_a_layer_that_pads_in_its_own_way_keeps_it():
    class Padding(nn.Conv2d):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return super().forward(nn.functional.pad(x, (0, 1, 0, 1)))

    member = corners()
    own = Padding(16, 5, 3)
    own.load_state_dict(member.last.state_dict())
    own._forward_pre_hooks, own._forward_hooks = member.last._forward_pre_hooks, member.last._forward_hooks
    member.last = own
    program = quantized_program(member, precisions_of(member), ModelInputs.of(PICTURES), torch.int8)
    with silenced():
        assert program.module()(PICTURES).shape == member(PICTURES).shape
