"""Quantized members as PyTorch programs: floats of 16 bits, and integers where the program is compiled."""

import json

import pytest
import torch
from quantized_cases import PICTURES, bits_everywhere, corners, data, taken_out, with_precision

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
            weight = node.args[1]
            source = weight.args[0] if weight.op == "call_function" else weight
            found.append(getattr(module, source.target).dtype)
    return found


@pytest.mark.parametrize("network", ["cnn", "transformer"])
@pytest.mark.parametrize("name", ["fp16", "bf16"])
def test_floats_of_16_bits_are_those_of_the_imitation(network, name):
    family = with_precision(network, QuantizationConfig(formats={"*": [name]}))
    parity = checked(EAGER, taken_out(family, bits_everywhere(family)), data().test[:512])
    assert parity.top1_agreement >= 0.99
    assert parity.signal_to_noise_db > {"fp16": 65, "bf16": 48}[name]


@pytest.mark.parametrize(("name", "dtype"), [("bf16", torch.bfloat16), ("int8", torch.int8)])
def test_only_chosen_layers_have_other_weights(name, dtype):
    family = with_precision("cnn", QuantizationConfig(formats={"blocks.0.*": [name]}))
    member = taken_out(family, bits_everywhere(family))
    found = types_of_weights(BACKENDS[EAGER.runtime].export(member, ModelInputs.of(data().test[:2])).content)
    assert found.count(dtype) == 3
    assert found.count(torch.float32) == len(found) - 3 > 0


def test_weights_of_8_bits_take_a_quarter_of_the_file():
    family = with_precision("transformer", QuantizationConfig())
    export_one = BACKENDS[COMPILED.runtime].export

    def bytes_of_tensors(config):
        content = export_one(taken_out(family, config), ModelInputs.of(data().test[:2])).content
        header = json.loads(content[8 : 8 + int.from_bytes(content[:8], "little")])
        return sum(
            entry["data_offsets"][1] - entry["data_offsets"][0] for entry in header.values() if "data_offsets" in entry
        )

    assert bytes_of_tensors(bits_everywhere(family)) < 0.45 * bytes_of_tensors(family.space.max())


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
@pytest.mark.parametrize("name", ["int8", "fp16", "bf16"])
def test_a_compiled_program_computes_what_the_imitation_does(network, name):
    family = with_precision(network, QuantizationConfig(formats={"*": [name]}))
    parity = checked(COMPILED, taken_out(family, bits_everywhere(family)), data().test[:512])
    assert parity.top1_agreement >= 0.99
    assert parity.signal_to_noise_db > 45
