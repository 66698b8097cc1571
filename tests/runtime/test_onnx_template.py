"""Tests of cutting members out of one export: they are what the family extracts, to the number and to the operator."""

import collections
import math
import random

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from torch import nn
from torch.nn import functional

from supple import Choice
from supple.errors import SuppleError
from supple.family import convert
from supple.progress import Silent
from supple.runtime import OnnxSession, OnnxTemplate, compare, export, onnx_template
from supple.runtime.onnx_export import exported_model
from supple.space import Kind


def images_for(template, count):
    shape = template.example_inputs.tensors[0].shape[1:]
    return torch.randn(count, *shape, generator=torch.Generator().manual_seed(7))


def random_configs(template, count):
    rng = random.Random(11)
    return [template.family.space.sample(rng) for _ in range(count)]


def operators_run(content, folder):
    """Count the operators that ONNX Runtime has left after it optimized a model."""
    options = onnxruntime.SessionOptions()
    options.optimized_model_filepath = str(folder / "optimized.onnx")
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_EXTENDED
    options.log_severity_level = 4
    onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])
    return collections.Counter(node.op_type for node in onnx.load(folder / "optimized.onnx").graph.node)


class Heard(Silent):
    def __init__(self):
        self.lines = []

    def say(self, line):
        self.lines.append(line)


def test_members_can_be_cut(template):
    assert template.reason is None


def test_cut_members_agree_with_extracted_ones(template):
    for config in random_configs(template, 12):
        session = OnnxSession(template.cut(config))
        assert compare(template.family.extract(config), session, images_for(template, 8)).agrees


@pytest.mark.parametrize("kind", [Kind.WIDTH, Kind.HIDDEN, Kind.DEPTH])
def test_each_kind_of_dimension_alone_is_cut(template, kind):
    space = template.family.space
    smallest = {entry.name: entry.smallest for entry in space.dimensions if entry.kind is kind}
    assert smallest
    config = space.config(smallest)
    assert compare(template.family.extract(config), OnnxSession(template.cut(config)), images_for(template, 8)).agrees


def test_a_cut_member_equals_its_real_export(template, tmp_path):
    config = random_configs(template, 1)[0]
    export(template.family.extract(config), template.example_inputs, tmp_path / "member.onnx")
    images = images_for(template, 16).numpy()
    exported = OnnxSession(tmp_path / "member.onnx").run(images)
    np.testing.assert_allclose(OnnxSession(template.cut(config)).run(images), exported, rtol=1e-4, atol=1e-5)
    content = (tmp_path / "member.onnx").read_bytes()
    # The same operators take the same time, so what is measured on a cut is what the export takes.
    assert operators_run(template.cut(config), tmp_path) == operators_run(content, tmp_path)


def test_a_cut_member_has_its_calibrated_statistics(resnet_template):
    family = resnet_template.family
    config = family.space.min()
    before = resnet_template.cut(config)
    family.calibrate(config, [images_for(resnet_template, 32)])
    try:
        after = resnet_template.cut(config)
        assert before != after
        assert compare(family.extract(config), OnnxSession(after), images_for(resnet_template, 8)).agrees
    finally:
        family.forget_calibrations()


def test_a_cut_member_carries_nothing_that_it_does_not_use(template):
    model = onnx.load_from_string(template.cut(template.family.space.min()))
    read = {name for node in model.graph.node for name in node.input}
    member = template.family.extract(template.family.space.min())
    shapes = {name: list(tensor.shape) for name, tensor in member.state_dict().items()}
    for entry in model.graph.initializer:
        assert entry.name in read
        assert list(entry.dims) == shapes.get(entry.name, list(entry.dims))
    assert not any(node.metadata_props for node in model.graph.node)


def test_the_same_member_is_cut_to_the_same_bytes(template):
    config = random_configs(template, 1)[0]
    assert template.cut(config) == template.cut(config)


def test_a_config_of_another_space_is_refused(resnet_template, mobilenet_template):
    with pytest.raises(SuppleError, match="space"):
        resnet_template.cut(mobilenet_template.family.space.min())


class Scaled(nn.Module):
    """Holds a size as a number that is not whole, which no reading of the graph can follow."""

    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(1, 16, 3)
        self.linear = nn.Linear(16, 3)

    def forward(self, x):
        return self.linear(self.conv(x).mean((2, 3)) * math.sqrt(self.conv.out_channels))


def test_a_family_that_cannot_be_cut_says_so_and_exports_each_member():
    heard = Heard()
    example = torch.randn(2, 1, 8, 8)
    template = OnnxTemplate(convert(Scaled(), example), example, heard)
    assert "in narrower members" in template.reason
    assert heard.lines == [
        f"Members cannot be cut out of one ONNX export ({template.reason}): each is exported by itself, which takes "
        "seconds for every member measured."
    ]
    config = template.family.space.min()
    assert compare(template.family.extract(config), OnnxSession(template.cut(config)), example).agrees


class Flattened(nn.Module):
    """Holds a product of channels and positions as a size."""

    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(1, 16, 3)
        self.linear = nn.Linear(16 * 36, 24)
        self.head = nn.Linear(24, 3)

    def forward(self, x):
        return self.head(torch.relu(self.linear(self.conv(x).view(-1, self.linear.in_features))))


@pytest.fixture(scope="module")
def flattened():
    """A family with its exports, which are made once for all tests."""
    example = torch.randn(2, 1, 8, 8)
    made = {}

    def export_once(member, *arguments, **options):
        key = tuple(tuple(parameter.shape) for parameter in member.parameters())
        if key not in made:
            made[key] = exported_model(member, *arguments, **options)
        return made[key]

    return convert(Flattened(), example), example, export_once


def test_a_size_that_is_a_product_is_followed(flattened, monkeypatch):
    family, example, export_once = flattened
    monkeypatch.setattr(onnx_template, "exported_model", export_once)
    template = OnnxTemplate(family, example)
    assert template.reason is None
    config = family.space.min()
    assert compare(family.extract(config), OnnxSession(template.cut(config)), example).agrees


def test_a_template_that_cuts_wrong_members_is_found_out(flattened, monkeypatch):
    family, example, export_once = flattened
    monkeypatch.setattr(onnx_template, "exported_model", export_once)
    right_fill = onnx_template._fill
    monkeypatch.setattr(onnx_template, "_fill", lambda empty, entry, tensor: right_fill(empty, entry, 1.01 * tensor))
    template = OnnxTemplate(family, example)
    assert template.reason.startswith("The export of Flattened is wrong")


def test_a_network_that_cannot_be_exported_at_all_is_an_error(family, monkeypatch):
    def fails(*_):
        raise RuntimeError("no operator for this")

    monkeypatch.setattr(torch.onnx, "export", lambda *_, **__: fails())
    with pytest.raises(SuppleError, match=r"ResNet cannot be exported to ONNX .*RuntimeError: no operator for this"):
        OnnxTemplate(family, torch.randn(2, 1, 16, 16))


def test_members_with_smaller_kernels_are_cut():
    model = nn.Sequential(nn.Conv2d(3, 16, 7, 2, 3), nn.ReLU(), nn.Conv2d(16, 16, 5, padding=2), nn.Conv2d(16, 4, 1))
    family = convert(model.eval(), torch.randn(2, 3, 12, 12))
    template = OnnxTemplate(family, torch.randn(2, 3, 12, 12))
    assert template.reason is None
    for config in family.space:
        assert compare(family.extract(config), OnnxSession(template.cut(config)), torch.randn(2, 3, 12, 12)).agrees


class Same(nn.Conv2d):
    """A convolution that pads as TensorFlow does: what its kernel and its input ask for, less of it before."""

    def forward(self, x):
        pads = []
        for side, kernel, stride in zip(x.shape[2:], self.weight.shape[2:], self.stride, strict=True):
            whole = max((-(-side // stride) - 1) * stride + kernel - side, 0)
            pads = [whole // 2, whole - whole // 2, *pads]
        return functional.conv2d(functional.pad(x, pads), self.weight, self.bias, self.stride)


def test_many_kernels_whose_paddings_differ_before_and_behind_are_cut():
    layers = [layer for _ in range(5) for layer in (Same(8, 8, 5, 1), nn.ReLU())]
    model = nn.Sequential(Same(3, 8, 7, 2), nn.ReLU(), *layers, nn.Conv2d(8, 4, 1))
    images = torch.randn(2, 3, 12, 12)
    family = convert(model.eval(), images)
    assert len([entry for entry in family.space.dimensions if entry.kind is Kind.KERNEL]) == 6
    template = OnnxTemplate(family, images)
    assert template.reason is None
    rng = random.Random(0)
    for config in [family.space.min(), *(family.space.sample(rng) for _ in range(5))]:
        assert compare(family.extract(config), OnnxSession(template.cut(config)), images).agrees


class Halves(nn.Module):
    """Splits its features in two by a number of its own, as attention does with heads."""

    def __init__(self) -> None:
        super().__init__()
        self.inner, self.outer = nn.Linear(8, 16), nn.Linear(8, 8)

    def forward(self, x):
        left, right = self.inner(x).reshape(x.shape[0], 2, -1).unbind(1)
        return self.outer(left * torch.relu(right))


def test_layers_that_share_a_size_in_the_full_network_only_are_cut():
    inputs = torch.randn(2, 8)
    # The exporter gives equal constants, as those of both reshapes, one name.
    template = OnnxTemplate(convert(nn.Sequential(Halves(), Halves()).eval(), inputs), inputs)
    assert template.reason is None


def test_many_layers_of_two_widths_that_are_all_equal_are_cut():
    inputs = torch.randn(2, 8)
    family = convert(nn.Sequential(*(Halves() for _ in range(5))).eval(), inputs, choices={"*": [0.5, 1.0]})
    assert OnnxTemplate(family, inputs).reason is None


def test_members_of_other_options_and_resolutions_are_exported_one_by_one():
    model = nn.Sequential(
        Choice(nn.Conv2d(3, 16, 3, padding=1), nn.Conv2d(3, 16, 1)),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(16, 4),
    )
    family = convert(model.eval(), torch.randn(2, 3, 16, 16), resolutions=[8])
    template = OnnxTemplate(family, torch.randn(2, 3, 16, 16))
    assert template.reason == 'members differ in "0.operator"'
    config = family.space.config({"0.operator": 1, "input.resolution": 8})
    session = OnnxSession(template.cut(config))
    assert session.inputs[0].shape == (None, 3, 8, 8)
    assert compare(family.extract(config), session, torch.randn(2, 3, 8, 8)).agrees
