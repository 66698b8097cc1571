"""Quantized members as PyTorch programs: small floats, stored weights, and integers where the program is compiled."""

import json

import pytest
import torch
from quantized_cases import PICTURES, bits_everywhere, corners, data, taken_out, with_precision
from torch import nn

from supple.family import QuantizationConfig
from supple.runtime import BACKENDS, check_export, parse_target
from supple.runtime.torch_program import read
from supple.trace import ModelInputs

EAGER, COMPILED = parse_target("torch:cpu?batch=16"), parse_target("torch-compile:cpu?batch=16")

needs_compiler = pytest.mark.skipif(
    BACKENDS[COMPILED.runtime].missing(COMPILED.device) is not None, reason="there is no C++ compiler"
)


def checked(target, member, images):
    backend = BACKENDS[target.runtime]
    program = backend.export(member, ModelInputs.of(images[: target.batch]))
    return check_export(member, backend.open(program.content, target), images)


def types_of_weights(content):
    """Return what types the weights have that layers read, by the operator that hands them on."""
    module = read(content, torch.device("cpu"), "The program").module
    found = []
    for node in module.graph.nodes:
        if str(node.target).startswith(("aten.conv", "aten.linear")):
            found.append(getattr(module, stored(node.args[1]).target).dtype)
    return found


def stored(value):
    """Return the node of the tensor that a value is first made of."""
    while value.op == "call_function":
        value = value.all_input_nodes[0]
    return value


@pytest.mark.parametrize("network", ["cnn", "transformer"])
@pytest.mark.parametrize("name", ["fp16", "bf16"])
def test_floats_of_16_bits_are_those_of_the_imitation(network, name):
    family = with_precision(network, QuantizationConfig(formats={"*": [name]}))
    parity = checked(EAGER, taken_out(family, bits_everywhere(family)), data().test[:512])
    assert parity.top1_agreement >= 0.99
    assert parity.signal_to_noise_db > {"fp16": 65, "bf16": 48}[name]


@pytest.mark.parametrize("network", ["cnn", "transformer"])
@pytest.mark.parametrize("name", ["int8-weights", "int4-weights", "fp8"])
def test_stored_weights_are_those_of_the_imitation_bit_for_bit(network, name):
    family = with_precision(network, QuantizationConfig(formats={"*": [name]}))
    parity = checked(EAGER, taken_out(family, bits_everywhere(family)), data().test[:128])
    assert parity.max_absolute_difference == 0


@pytest.mark.parametrize("settings", [{"per_channel": False}, {"per_channel": False, "symmetric_weights": False}])
def test_one_scale_and_a_zero_point_of_stored_weights_are_those_of_the_imitation(settings):
    member = corners(formats={"*": ["int8-weights"]}, **settings)
    assert checked(EAGER, member, PICTURES).max_absolute_difference == 0


def test_stored_weights_become_float32_once_and_not_at_every_run():
    family = with_precision("transformer", QuantizationConfig(formats={"*": ["int4-weights"]}))
    member = taken_out(family, bits_everywhere(family))
    program = BACKENDS[EAGER.runtime].export(member, ModelInputs.of(data().test[:16]))
    session = BACKENDS[EAGER.runtime].open(program.content, EAGER)
    unpacked = []
    for _ in range(2):
        with torch.profiler.profile() as profile:
            session.run(data().test[:16].numpy())
        unpacked.append(any(event.key == "aten::bitwise_right_shift" for event in profile.key_averages()))
    assert unpacked == [True, False]


class Writing(nn.Module):
    """Adds its input to a tensor that begins as zeros at every run."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return x: (batch, 4) as it is, by a way around."""
        return torch.zeros(x.shape).add_(x)


def test_a_program_that_writes_into_a_tensor_begins_anew_at_every_run():
    x = torch.randn(16, 4)
    program = BACKENDS[EAGER.runtime].export(Writing(), ModelInputs.of(x))
    session = BACKENDS[EAGER.runtime].open(program.content, EAGER)
    for _ in range(2):
        assert (session.run(x.numpy()) == x.numpy()).all()


@pytest.mark.parametrize(
    ("name", "dtype"),
    [
        ("bf16", torch.bfloat16),
        ("int8", torch.int8),
        ("int8-weights", torch.int8),
        ("fp8", torch.float8_e4m3fn),
    ],
)
def test_only_chosen_layers_have_other_weights(name, dtype):
    family = with_precision("cnn", QuantizationConfig(formats={"blocks.0.*": [name]}))
    member = taken_out(family, bits_everywhere(family))
    found = types_of_weights(BACKENDS[EAGER.runtime].export(member, ModelInputs.of(data().test[:2])).content)
    assert found.count(dtype) == 3
    assert found.count(torch.float32) == len(found) - 3 > 0


def test_only_chosen_linear_layers_have_weights_of_4_bits():
    family = with_precision("transformer", QuantizationConfig(formats={"blocks.0.fc*": ["int4-weights"]}))
    member = taken_out(family, bits_everywhere(family))
    found = types_of_weights(BACKENDS[EAGER.runtime].export(member, ModelInputs.of(data().test[:2])).content)
    assert found.count(torch.uint8) == 2
    assert found.count(torch.float32) == len(found) - 2 > 0


@pytest.mark.parametrize(("name", "share"), [("int8", 0.45), ("int8-weights", 0.5), ("int4-weights", 0.4)])
def test_the_file_of_weights_in_fewer_bits_is_smaller(name, share):
    family = with_precision("transformer", QuantizationConfig(formats={"*": [name]}, block_size=16))
    export_one = BACKENDS[COMPILED.runtime].export

    def bytes_of_tensors(config):
        content = export_one(taken_out(family, config), ModelInputs.of(data().test[:2])).content
        header = json.loads(content[8 : 8 + int.from_bytes(content[:8], "little")])
        return sum(
            entry["data_offsets"][1] - entry["data_offsets"][0] for entry in header.values() if "data_offsets" in entry
        )

    assert bytes_of_tensors(bits_everywhere(family)) < share * bytes_of_tensors(family.space.max())


@needs_compiler
@pytest.mark.parametrize("settings", [{}, pytest.param({"signed_activations": True}, marks=pytest.mark.slow)])
def test_a_compiled_program_multiplies_the_integers_of_the_imitation(settings):
    from torch._inductor.utils import run_and_get_code

    member = corners(**settings)
    program = BACKENDS[COMPILED.runtime].export(member, ModelInputs.of(PICTURES))
    session = BACKENDS[COMPILED.runtime].open(program.content, COMPILED)
    _, code = run_and_get_code(session.run, PICTURES.numpy())
    assert "".join(code).count("torch.ops.onednn.qconv_pointwise.tensor(") == 2
    assert check_export(member, session, PICTURES).signal_to_noise_db > 40


@needs_compiler
@pytest.mark.slow
@pytest.mark.parametrize("network", ["cnn", "transformer"])
@pytest.mark.parametrize("name", ["int8", "fp16", "bf16", "fp8", "int8-weights", "int4-weights"])
def test_a_compiled_program_computes_what_the_imitation_does(network, name):
    family = with_precision(network, QuantizationConfig(formats={"*": [name]}))
    parity = checked(COMPILED, taken_out(family, bits_everywhere(family)), data().test[:512])
    assert parity.top1_agreement >= 0.99
    assert parity.signal_to_noise_db > 45
