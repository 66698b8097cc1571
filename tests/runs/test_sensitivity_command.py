"""`supple sensitivity`: the table of a trained run, and one line for every mistake."""

import json

import pytest
from runs_project import supple_here, train_here, write_project

from supple import Config


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    """Return a project with two trained runs, of which `own` has precisions of its own."""
    folder = tmp_path_factory.mktemp("sensitivity")
    train_here(write_project(folder))
    return train_here(folder, "--out", "runs/own", "--set", "quantize.formats={head: [int4-weights]}")


def test_the_table_and_the_advice_are_printed(project):
    found = supple_here(project, "sensitivity", "config")
    assert found.exit_code == 0, found.stderr
    header, *lines = found.stdout.splitlines()
    assert header.split() == ["layers", "format", "distortion", "share", "bytes", "saved", "dB"]
    assert any(line.startswith("stem.0.bits") for line in lines)
    assert lines[-1].startswith("At 8 bits: ")


def test_json_holds_table_and_advice(project):
    found = supple_here(project, "sensitivity", "config", "--measure", "loss", "--samples", "64", "--json")
    content = json.loads(found.stdout)
    assert content["sensitivity"]["measure"] == "loss"
    assert len(content["advice"]["rows"]) == len(content["sensitivity"]["choices"])


def test_layers_and_formats_can_be_chosen(project):
    options = ("--layers", "head", "--format", "int8", "--format", "int4-weights", "--json")
    choices = json.loads(supple_here(project, "sensitivity", "config", *options).stdout)["sensitivity"]["choices"]
    assert [(entry["dimension"], entry["bits"]) for entry in choices] == [("head.bits", 4), ("head.bits", 8)]


def test_the_shape_of_a_members_config_is_taken(project):
    content = json.loads(supple_here(project, "sensitivity", "config", "--json").stdout)["sensitivity"]
    depth, largest = next((name, value) for name, value in content["shape"]["values"].items() if "depth" in name)
    values = {**content["shape"]["values"], depth: largest - 1}
    (project / "member.json").write_text(Config(content["shape"]["space"], values).to_json())
    found = json.loads(supple_here(project, "sensitivity", "config", "--config", "member.json", "--json").stdout)
    assert found["sensitivity"]["shape"]["values"][depth] == largest - 1
    assert len(found["sensitivity"]["choices"]) < len(content["choices"])
    # So is that of the family as it was trained, without precisions.
    bare = {name: value for name, value in values.items() if not name.endswith(".bits")}
    (project / "bare.json").write_text(Config(digest_of_trained(project), bare).to_json())
    assert json.loads(supple_here(project, "sensitivity", "config", "--config", "bare.json", "--json").stdout) == found


def digest_of_trained(project):
    from supple.trace import Structure

    [path] = (project / "runs" / "config" / "family").glob("structure.json")
    return Structure.from_json(path.read_text()).space.digest


def test_the_runs_own_formats_are_taken(project):
    choices = json.loads(supple_here(project, "sensitivity", "own", "--json").stdout)["sensitivity"]["choices"]
    assert [entry["format"] for entry in choices] == ["int4-weights"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["other"], '"other" holds no run'),
        (["config", "--measure", "distorsion"], 'not "distorsion"; did you mean "distortion"?'),
        (["config", "--samples", "0"], '"samples" is at least 1, not 0'),
        (["config", "--layers", "hed"], 'found by the pattern "hed"; did you mean "head"?'),
        (["config", "--format", "int9"], 'no format "int9"'),
        (["own", "--format", "int8"], "has formats of its own: leave --format out"),
        (["config", "--config", "none.json"], 'There is no file "none.json"'),
        (["config", "--config", "config.yaml"], "This is no config"),
    ],
)
def test_a_mistake_gets_one_line(project, arguments, message):
    found = supple_here(project, "sensitivity", *arguments)
    assert found.exit_code == 1
    assert message in found.stderr
    assert len(found.stderr.strip().splitlines()) == 1


def test_a_config_of_another_family_is_refused(project):
    (project / "foreign.json").write_text(Config("0123456789abcdef", {"width": 8}).to_json())
    found = supple_here(project, "sensitivity", "config", "--config", "foreign.json")
    assert found.exit_code == 1
    assert "0123456789abcdef" in found.stderr
