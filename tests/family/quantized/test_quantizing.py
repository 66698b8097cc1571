"""Which layers get dimensions of precision, under which names, with which formats."""

import pytest
import torch
from mixed_networks import IMAGES, Odd, mixed

from supple import QuantizationConfig, SuppleError, convert, quantize
from supple.family import Family
from supple.family.quantized.finding import find_layers
from supple.family.quantized.formats import Format
from supple.family.quantized.layers import Layer, LayerKind
from supple.space import Condition, Kind
from supple.trace import ModelInputs


@pytest.fixture(scope="module")
def family() -> Family:
    return convert(mixed(), IMAGES[:2])


def bits(family: Family) -> dict[str, tuple[int, ...]]:
    return {entry.name: entry.values for entry in family.space.dimensions if entry.kind is Kind.BITS}


def test_layers_are_found_with_what_a_runtime_makes_one_of():
    layers, left = find_layers(mixed(), ModelInputs.of(IMAGES[:2]))
    assert layers == [
        Layer("stem.0", LayerKind.CONVOLUTION, "stem.1", 0.0, None),
        *(
            layer
            for number in range(3)
            for layer in (
                Layer(f"blocks.{number}.depthwise", LayerKind.DEPTHWISE, f"blocks.{number}.norm", 0.0, None),
                Layer(f"blocks.{number}.project", LayerKind.CONVOLUTION, f"blocks.{number}.project"),
            )
        ),
        Layer("last", LayerKind.CONVOLUTION, "last", 0.0, 6.0),
        Layer("head", LayerKind.LINEAR, "head"),
        Layer("classes", LayerKind.LINEAR, "classes"),
    ]
    assert left == []


def test_layers_that_cannot_be_quantized_alone_are_left_with_the_reason():
    layers, left = find_layers(Odd().eval(), ModelInputs.of(torch.zeros(2, 5, dtype=torch.long)))
    assert [layer.path for layer in layers] == ["plain"]
    assert {entry.path: entry.reason for entry in left} == {
        "attention.out_proj": "the model reads its weight without calling it",
        "named": "the model calls it with named inputs",
        "output": 'its weight is also that of "embedding"',
    }


def test_every_layer_has_a_dimension(family):
    quantized = quantize(family)
    assert set(bits(quantized).values()) == {(8, 32)}
    assert len(bits(quantized)) == 10
    assert quantized.space.max() == quantized.space.config({})
    assert quantized.model is family.model
    assert len(family.space) + 10 == len(quantized.space)


def test_the_bits_of_a_block_matter_where_the_block_is(family):
    quantized = quantize(family)
    depth = next(entry for entry in quantized.space.dimensions if entry.kind is Kind.DEPTH)
    assert quantized.space["blocks.2.project.bits"].conditions == (Condition(depth.name, depth.largest),)
    dropped = quantized.space.config({depth.name: depth.smallest, "blocks.2.project.bits": 8})
    assert dropped["blocks.2.project.bits"] == 32


def test_patterns_give_layers_their_formats(family):
    config = QuantizationConfig(formats={"*": ["int8"], "head": ["int4-weights", "int8"], "blocks.*": []})
    quantized = quantize(family, config)
    assert bits(quantized) == {
        "stem.0.bits": (8, 32),
        "last.bits": (8, 32),
        "head.bits": (4, 8, 32),
        "classes.bits": (8, 32),
    }
    choice = quantized.quantization.choices["head.bits"]
    assert choice.formats == {4: Format.INT4_WEIGHTS, 8: Format.INT8, 32: Format.FP32}


def test_layers_share_a_dimension_by_block_by_kind_or_by_pattern(family):
    by_block = {"stem.bits", "blocks.0.bits", "blocks.1.bits", "blocks.2.bits"}
    assert set(bits(quantize(family, QuantizationConfig(per="block")))) == by_block | {
        "last.bits",
        "head.bits",
        "classes.bits",
    }
    by_kind = {"convolution.bits", "depthwise_convolution.bits", "linear.bits"}
    assert set(bits(quantize(family, QuantizationConfig(per="kind")))) == by_kind
    grouped = quantize(family, QuantizationConfig(groups={"ends": ["stem", "classes"]}))
    assert [layer.path for layer in grouped.quantization.choices["ends"].layers] == ["stem.0", "classes"]


def test_a_group_in_blocks_of_one_depth_matters_where_the_first_of_them_is(family):
    grouped = quantize(family, QuantizationConfig(groups={"tail": ["blocks.1", "blocks.2"]}))
    first = quantize(family).space["blocks.1.project.bits"].conditions
    assert grouped.space["tail"].conditions == first


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"formats": {"*": ["int7"]}}, 'There is no format "int7" (int4-weights, int8,'),
        ({"formats": {"*": ["int7"]}}, 'did you mean "int8"?'),
        ({"formats": {}}, '"formats" names no layers'),
        ({"formats": {"*": "int8"}}, 'The formats of "*" are a list, as ["int8"].'),
        ({"formats": {"*": ["int8", "fp8"]}}, '"*" gives two formats of one number of bits (int8, fp8)'),
        ({"per": "stage"}, '"per" is one of layer, block, kind, not "stage"'),
        ({"ranges": "minmaxx"}, 'not "minmaxx"; did you mean "minmax"?'),
        ({"symmetric_weights": False}, "set per_channel=False too"),
        ({"symmetric_activations": True}, "set signed_activations=True too"),
        ({"block_size": 24}, '"block_size" is a power of two from 16 on, not 24'),
        ({"percentile": 20}, '"percentile" lies above 50 and is at most 100, not 20'),
        ({"range_samples": 0}, '"range_samples" is at least 1, not 0'),
    ],
)
def test_settings_that_cannot_be_are_refused(settings, message):
    with pytest.raises(SuppleError) as error:
        QuantizationConfig(**settings)
    assert message in str(error.value)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"formats": {"heads": ["int8"]}}, 'No layer is found by the pattern "heads"; did you mean "head"?'),
        ({"formats": {"last": ["int4-weights"]}}, '"last" is a convolution: it has no int4-weights.'),
        ({"formats": {"*": []}}, "There is no layer whose precision can be chosen"),
        ({"groups": {"ends": "steem"}}, 'No layer is found by the pattern "steem"; did you mean "stem"?'),
        (
            {"formats": {"*": ["int8"], "head": ["int4-weights"]}, "groups": {"ends": ["stem", "head"]}},
            'The layers of "ends" have no format in common',
        ),
    ],
)
def test_wishes_that_the_network_cannot_meet_are_refused(family, settings, message):
    with pytest.raises(SuppleError) as error:
        quantize(family, QuantizationConfig(**settings))
    assert message in str(error.value)


def test_a_group_has_no_dimensions_name(family):
    taken = family.space.dimensions[0].name
    with pytest.raises(SuppleError, match=f'has a dimension "{taken}" already'):
        quantize(family, QuantizationConfig(groups={taken: "*"}))


def test_a_family_is_quantized_once(family):
    with pytest.raises(SuppleError, match="has dimensions of precision already"):
        quantize(quantize(family))


def test_what_is_left_alone_is_told_by_name():
    odd = convert(Odd().eval(), torch.zeros(2, 5, dtype=torch.long))
    with pytest.raises(SuppleError, match='The precision of "named" cannot be chosen: the model calls it with named'):
        quantize(odd, QuantizationConfig(formats={"named": ["int8"]}))
    frozen = {entry.what: entry.reason for entry in quantize(odd).structure.frozen}
    assert frozen["output.bits"] == 'its weight is also that of "embedding"'


def test_settings_are_json():
    config = QuantizationConfig(formats={"a": ["int8"]}, per="block", ranges="mse", reduced_range=True)
    assert QuantizationConfig.from_json(config.to_json()) == config
    for content in (3, {}, {"formats": 3}, {"formats": {}, "other": 1}):
        with pytest.raises(SuppleError):
            QuantizationConfig.from_json(content)
