"""Profiles: what is measured within a time, how well it predicts, and what is kept of it."""

import random
import re

import numpy as np
import pytest
from known_device import CALL_MS, KnownDevice, known_ms
from profile_cases import template

from supple.cost import MeasurementStore
from supple.cost.predictors import FittedTarget
from supple.cost.profile_saving import load_profile, save_profile
from supple.cost.profiling import profile
from supple.errors import SuppleError
from supple.family import convert
from supple.family.quantized.quantizing import quantize
from supple.runtime import Format, Program
from supple.runtime.onnx_emitter import OnnxEmitter
from supple.storage import write_json

TARGET = "onnxruntime:cpu?threads=1"


@pytest.fixture
def device(monkeypatch):
    """Let a device of known latencies measure, and the template be the one that is there."""
    opened = []

    def open_known(target):
        opened.append(KnownDevice(target))
        return opened[-1]

    class Backend:
        def emitter(self, family, example_inputs, target, progress):
            return OnnxEmitter(template())

    monkeypatch.setattr("supple.cost.profiling.open_device", open_known)
    monkeypatch.setattr("supple.cost.profiling.backend_for", lambda target: Backend())
    return opened


def profiled(**options):
    return profile(template().family, template().example_inputs, TARGET, **options)


def truth(configs):
    return np.array([known_ms(Program(template().cut(config), Format.ONNX)) for config in configs])


def members(count=40):
    rng = random.Random(11)
    return [template().family.space.sample(rng) for _ in range(count)]


@pytest.fixture
def found(device, monkeypatch):
    """Return a profile that had the time for all operators."""
    monkeypatch.setattr("supple.cost.profiling._MOST_MEMBERS", 24)
    return profiled(budget_seconds=1e6)


def test_the_table_of_a_device_whose_operators_add_up_is_exact(found):
    configs = members()
    assert found.table.latency_ms(configs) == pytest.approx(truth(configs), rel=1e-3)
    assert found.table.idle_ms == CALL_MS


def test_members_that_were_not_measured_are_predicted(found):
    configs = members()
    predicted = found.predict(configs, found.target)
    assert np.abs(predicted.latency_ms / truth(configs) - 1).max() < 0.01
    assert found.predictor.held_out.kendall_tau > 0.95


def test_another_machine_is_refused_and_both_are_named(found):
    other = FittedTarget(found.target.address, "a toaster")
    with pytest.raises(SuppleError, match=r"was fitted on .*: it says nothing about .* on a toaster"):
        found.predict(members(1), other)


def test_a_time_too_short_for_all_still_measures_each_form_and_some_members(device):
    found = profiled(budget_seconds=0.001)
    assert {entry.form for entry in found.table.measured} == set(range(len(found.table.units.forms)))
    assert found.predictor.held_out.count == 16


def test_a_family_in_several_precisions_is_refused(device):
    family = quantize(template().family)
    message = "tells layers by their shapes, not by their precision.*: profile the family that was quantized"
    with pytest.raises(SuppleError, match=message):
        profile(family, family.example_zeros(family.space.max()), TARGET)
    assert device == []


def test_a_time_that_is_none_is_refused():
    with pytest.raises(SuppleError, match="A profile needs time to measure: 0 s is none"):
        profiled(budget_seconds=0.0)


def test_members_that_cannot_be_cut_are_measured_whole(device, monkeypatch):
    monkeypatch.setattr(template(), "reason", "they are too different")
    monkeypatch.setattr("supple.cost.profiling.find_elastic_units", _refuse)
    monkeypatch.setattr(OnnxEmitter, "emit", lambda self, config: Program(_cut(self.template, config), Format.ONNX))
    found = profiled(budget_seconds=0.001)
    assert found.table is None
    assert found.reason == "they cannot be told apart"
    assert found.predict(members(2), found.target).latency_ms.shape == (2,)


def _refuse(*arguments):
    raise SuppleError("they cannot be told apart.")


def _cut(template, config):
    template.reason = None
    return template.cut(config)


def test_nothing_is_measured_twice(device, tmp_path):
    with MeasurementStore.opened(tmp_path / "kept.sqlite") as store:
        profiled(budget_seconds=0.001, store=store)
        profiled(budget_seconds=0.001, store=store)
    assert len(device[0].measured) > 0
    assert device[1].measured == []


def test_a_saved_profile_predicts_the_same(found, tmp_path):
    save_profile(found, tmp_path / "profile")
    loaded = load_profile(tmp_path / "profile", template().family)
    configs = members()
    assert loaded.target == found.target
    assert (loaded.reference_ms, loaded.seconds, loaded.reason) == (found.reference_ms, found.seconds, found.reason)
    assert (loaded.table.latency_ms(configs) == found.table.latency_ms(configs)).all()
    assert (loaded.predict(configs, found.target).latency_ms == found.predict(configs, found.target).latency_ms).all()


def test_a_profile_of_another_space_is_refused_and_both_are_named(found, tmp_path):
    save_profile(found, tmp_path / "profile")
    other = convert(template().family.model, template().example_inputs, freeze=["stem*"])
    expected = f"is of space {template().family.space.digest}, not of this family's, {other.space.digest}"
    with pytest.raises(SuppleError, match=re.escape(expected)):
        load_profile(tmp_path / "profile", other)


def test_a_folder_with_another_profile_is_left_alone(found, tmp_path, monkeypatch):
    save_profile(found, tmp_path / "profile")
    monkeypatch.setattr(template().family.space, "digest", "other")
    with pytest.raises(SuppleError, match=r'holds the profile of space .* not of other on ".*": choose another folder'):
        save_profile(found, tmp_path / "profile")


def test_a_changed_file_is_found(found, tmp_path):
    save_profile(found, tmp_path / "profile")
    write_json(tmp_path / "profile" / "profile.json", {})
    with pytest.raises(SuppleError, match=r"profile.json.* is damaged"):
        load_profile(tmp_path / "profile", template().family)
