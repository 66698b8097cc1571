"""Precision in a run: its section of the file, the family that it makes, and what is kept of it."""

import json
from dataclasses import fields

import pytest
import torch
from runs_project import supple_here, train_here, write_project

from supple import convert
from supple.errors import SuppleError
from supple.family.quantized.config import Per, QuantizationConfig
from supple.family.quantized.formats import Format
from supple.models import ResNet
from supple.report import RunSummary, SearchRecord
from supple.runs import RunConfig
from supple.runs.config_file import apply_overrides
from supple.runs.quantizing import (
    PrecisionConfig,
    QuantizeConfig,
    quantized_for_search,
    quantized_for_training,
)
from supple.runs.searching import SearchSettings
from supple.runs.validation import validate
from supple.searching import SearchConfig

PLAIN = {"model": {"function": "small_project:network"}, "data": {"kind": "folder", "path": "images"}}


@pytest.fixture(scope="module")
def family():
    torch.manual_seed(0)
    return convert(ResNet(1, 3, 16, (16,), (1,)), torch.randn(2, 1, 16, 16)).eval()


def test_the_section_has_the_settings_of_quantize_and_their_defaults():
    assert set(PrecisionConfig.model_fields) == {entry.name for entry in fields(QuantizationConfig)}
    assert PrecisionConfig().to_quantization() == QuantizationConfig()


def test_without_the_section_there_is_no_precision_to_choose(family):
    config = validate(RunConfig, PLAIN, "The run")
    assert config.quantize is None
    assert quantized_for_search(family, config.quantize) is family
    assert quantized_for_training(family, config.quantize) is family


def test_layers_are_quantized_after_training_unless_training_is_to_see_them(family):
    overrides = ["quantize.per=block", 'quantize.formats={"*": [int8], "head": []}']
    later = validate(RunConfig, apply_overrides(PLAIN, overrides), "The run").quantize
    assert later.to_quantization() == QuantizationConfig({"*": ["int8"], "head": []}, Per.BLOCK)
    assert quantized_for_training(family, later) is family
    quantized = quantized_for_search(family, later)
    assert {entry for choice in quantized.quantization.choices.values() for entry in choice.formats.values()} == {
        Format.INT8,
        Format.FP32,
    }
    assert quantized_for_search(quantized, later) is quantized
    both = QuantizeConfig(during="training")
    assert quantized_for_training(family, both).quantization is not None


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ('quantize.formats={"*": [int9]}', r'There is no format "int9" \(.*\); did you mean "int8"\?'),
        ('quantize.formats={"*": int8}', '"quantize.formats.\\*": expected a valid list'),
        ("quantize.during=later", '"quantize.during": expected "search" or "training", but this is the text "later"'),
        ("quantize.perr=block", 'unknown key "quantize.perr"; did you mean "quantize.per"?'),
        ("quantize.block_size=12", '"block_size" is a power of two from 16 on, not 12'),
        ("quantize.symmetric_weights=false", "set per_channel=False too"),
    ],
)
def test_mistakes_in_the_section_are_told_before_anything_runs(override, message):
    with pytest.raises(SuppleError, match=message):
        validate(RunConfig, apply_overrides(PLAIN, [override]), "The run")


def test_a_pattern_that_finds_no_layer_is_refused_with_the_nearest(family):
    with pytest.raises(SuppleError, match=r'No layer is found by the pattern "haed"; did you mean "head"\?'):
        quantized_for_search(family, PrecisionConfig(formats={"haed": ["int8"]}))


def test_a_search_of_a_run_has_settings_of_its_own():
    settings = SearchSettings(dimensions="shape,bits", budget=12, quantize=PrecisionConfig(per="kind"))
    assert settings.to_search() == SearchConfig(dimensions=("shape", "bits"), budget=12)


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """Return a project with a run that is trained without precision, made once: `runs/config`."""
    folder = tmp_path_factory.mktemp("trained")
    return train_here(write_project(folder))


@pytest.mark.slow
@pytest.mark.parametrize("during", ["search", "training"])
def test_chosen_members_are_exported_and_proved_in_their_precision(project, during):
    overrides = ("--set", f"quantize.during={during}", "--set", "search.budget=12", "--set", "search.dimensions=bits")
    done = supple_here(project, "run", "config.yaml", *overrides, "--out", "done")
    assert done.exit_code == 0, done.stderr
    summary = RunSummary.from_json((project / "done" / "summary.json").read_text())
    # The stem, three blocks of two convolutions, of which one has a shortcut with its own, and the head.
    assert {len(member.precision) for member in summary.members} == {9}
    small = min(summary.members, key=lambda member: member.latency_median_ms)
    for member in summary.members:
        layers = json.loads((project / "done" / "members" / f"{member.name}.layers.json").read_text())
        assert layers == {entry.layer: entry.format for entry in member.precision}
        is_quantized = set(layers.values()) != {"fp32"}
        assert (member.twin is not None) == is_quantized
        assert member.parity.is_rounded == is_quantized
        assert member.parity.agrees
    assert small.file_bytes > 0
    assert (project / "done" / "family" / "quantization.json").exists()
    # The family holds what it takes to build a member again.
    again = supple_here(project, "run", "config.yaml", *overrides, "--out", "done", "--resume")
    assert again.exit_code == 0, again.stderr
    assert "is finished already" in again.stderr + again.stdout


@pytest.mark.slow
def test_a_family_that_was_trained_without_precision_is_searched_with_it(trained):
    command = ("search", "config", "--objective", "accuracy", "--objective", "weights_bytes", "--budget", "8")
    found = supple_here(trained, *command, "--dimensions", "shape,bits", "--name", "both")
    assert found.exit_code == 0, found.stderr
    folder = trained / "runs" / "config" / "searches" / "both"
    record = SearchRecord.from_json((folder / "summary.json").read_text())
    assert {choice.formats for choice in record.space.precisions} == {("int8", "fp32")}
    assert "int8" in (folder / "report.html").read_text()
    blocks = supple_here(
        trained, *command, "--dimensions", "bits", "--set", "quantize.per=kind", "--name", "kinds", "--json"
    )
    assert blocks.exit_code == 0, blocks.stderr
    resumed = supple_here(trained, "search", "config", "--resume", "--name", "kinds", "--budget", "9")
    assert resumed.exit_code == 0, resumed.stderr


@pytest.mark.slow
@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--dimensions", "depth,bitz"), 'No dimension is found by "bitz"; did you mean'),
        (("--dimensions", "bits", "--set", 'quantize.formats={"*": [int9]}'), 'There is no format "int9"'),
        (("--dimensions", "bits", "--set", 'quantize.formats={"haed": [int8]}'), 'by the pattern "haed"; did you mean'),
        (("--dimensions", "bits", "--set", 'quantize.formats={"*": [fp8]}'), 'offers fp8 to layer "stem.0"'),
    ],
)
def test_what_cannot_be_searched_is_one_line(trained, arguments, message):
    def studies():
        return set((trained / "runs" / "config" / "searches").glob("*/study.sqlite"))

    before = studies()
    refused = supple_here(trained, "search", "config", *arguments)
    assert refused.exit_code == 1
    assert message in refused.stderr
    assert refused.stderr.count("\n") == 1
    assert studies() == before
