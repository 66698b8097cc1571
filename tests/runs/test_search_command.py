"""`supple search`: what it finds, keeps and tells, killed in the middle or not, and one line for every mistake."""

import json
import shutil
import signal
import sqlite3
import time
from pathlib import Path

import pytest
from runs_project import supple_here, train_here, write_project

from supple.report import SearchRecord
from supple.storage import verify

COUNTED = ("--objective", "accuracy", "--objective", "macs")
LOADERS = """

def loaders():
    from torch.utils.data import DataLoader, TensorDataset

    class Unread(DataLoader):
        def __iter__(self):
            raise AssertionError("the test split was read")

    torch.manual_seed(0)
    images, labels = torch.randn(96, 1, 16, 16), torch.arange(96) % 3
    pairs = TensorDataset(images, labels)
    return DataLoader(pairs, batch_size=32), DataLoader(pairs, batch_size=32), Unread(pairs, batch_size=32)
"""


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """Return a project with a trained run, made once: `runs/config`."""
    folder = tmp_path_factory.mktemp("trained")
    return train_here(write_project(folder))


@pytest.fixture
def project(trained, tmp_path):
    """Return a copy of the project with the trained run."""
    return Path(shutil.copytree(trained, tmp_path / "project"))


@pytest.fixture
def invoke(project):
    """Return a function that runs `supple search` in this process, and gives (exit status, stdout, stderr)."""

    def run(*arguments):
        result = supple_here(project, "search", *arguments)
        return result.exit_code, result.stdout, result.stderr

    return run


def record(folder):
    return SearchRecord.from_json((folder / "summary.json").read_text())


def figures(members):
    """Return what of members is not measured, and so the same in every search."""
    return [(entry.config, entry.figures["accuracy"], entry.figures["macs"]) for entry in members]


def finished_trials(study):
    try:
        with sqlite3.connect(f"file:{study}?mode=ro", uri=True) as database:
            return database.execute("SELECT count(*) FROM trials WHERE state = 'COMPLETE'").fetchone()[0]
    except sqlite3.OperationalError:
        return 0


@pytest.mark.slow
def test_a_search_that_is_killed_and_resumed_finds_what_one_that_was_not_does(project, start, invoke):
    command = ("config", *COUNTED, "--budget", "12", "--set", "searcher.population=4")
    status, output, errors = invoke(*command, "--name", "whole")
    assert status == 0, errors
    searches = project / "runs" / "config" / "searches"
    process = start("search", *command, "--name", "killed")
    deadline = time.monotonic() + 120
    while finished_trials(searches / "killed" / "study.sqlite") < 4:
        assert process.poll() is None, process.communicate()[1]
        assert time.monotonic() < deadline
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert not (searches / "killed" / "manifest.json").exists()
    status, _, errors = invoke(*command, "--name", "killed", "--resume")
    assert status == 0, errors
    (one,), (other,) = (record(searches / name).search.seeds for name in ("whole", "killed"))
    assert (len(one.searched), len(one.baseline)) == (9, 3)
    assert figures(one.searched) == figures(other.searched)
    assert figures(one.baseline) == figures(other.baseline)
    verify(searches / "killed", "search")
    study = searches / "whole" / "study.sqlite"
    assert output.splitlines()[0] == "Front, accuracy against MACs:"
    assert f"Study:  {study}\n        optuna-dashboard sqlite:///{study}\n" in output
    assert f"Report: {searches / 'whole' / 'report.html'}\n" in output


def test_a_search_leaves_the_run_as_it_was_before_and_after_that_is_finished(project, invoke):
    searches = project / "runs" / "config" / "searches"
    assert invoke("runs/config", *COUNTED, "--budget", "4")[0] == 0
    assert (searches / "1" / "report.html").exists()
    finish = supple_here(project, "run", "config.yaml", "--resume", "--set", "train.epochs=1")
    assert finish.exit_code == 0, finish.stderr
    assert not any(name.startswith("searches") for name in verify(project / "runs" / "config", "run").files)
    # Another one, and the first one with more members: neither makes the finished run a damaged one.
    assert invoke("config", *COUNTED, "--budget", "4", "--seed", "3")[0] == 0
    assert invoke("config", "--name", "1", "--resume", "--budget", "8")[0] == 0
    assert sorted(entry.name for entry in searches.iterdir()) == ["1", "2"]
    verify(project / "runs" / "config", "run")


def test_the_settings_are_those_of_the_run_unless_they_are_given(project, invoke):
    assert invoke("config", "--budget", "4", "--objective", "macs", "--constraint", "parameters <= 1e6")[0] == 0
    written = (project / "runs" / "config" / "searches" / "1" / "config.yaml").read_text()
    assert "calibration_images: 64" in written
    assert "population: 2" in written
    assert "budget: 4" in written
    assert "- macs" in written


def test_a_larger_budget_goes_on_and_other_settings_are_refused(project, invoke):
    assert invoke("config", *COUNTED, "--budget", "4")[0] == 0
    folder = project / "runs" / "config" / "searches" / "1"
    before = record(folder).search
    status, _, errors = invoke("config", "--resume", "--seed", "1")
    assert status == 1
    assert errors == (
        'Error: The search in "runs/config/searches/1" was started with seed=0, not 1: a resumed search keeps its '
        "settings (budget, patience, seeds, workers may change); choose another --name for a new one.\n"
    )
    status, _, errors = invoke("config", "--resume")
    assert status == 0
    assert errors == 'The search in "runs/config/searches/1" is finished already.\n'
    assert invoke("config", "--resume", "--budget", "8", "--seeds", "2")[0] == 0
    after = record(folder).search
    assert after.seeds[0].searched[: len(before.searched)] == before.searched
    assert [(len(seed.searched), len(seed.baseline)) for seed in after.seeds] == [(6, 2), (6, 2)]
    verify(folder, "search")


def test_damage_of_a_finished_search_is_found(project, invoke):
    assert invoke("config", *COUNTED, "--budget", "4")[0] == 0
    summary = project / "runs" / "config" / "searches" / "1" / "summary.json"
    summary.write_text(summary.read_text().replace("nsga2", "nsga3"))
    status, _, errors = invoke("config", "--resume")
    assert status == 1
    assert "summary.json" in errors


def test_json_holds_the_front_beside_random_members(invoke):
    status, output, _ = invoke("config", *COUNTED, "--budget", "8", "--json")
    assert status == 0
    found = json.loads(output)
    assert (found["searched"], found["random"]) == (6, 2)
    front = found["fronts"]["macs"]
    assert all(entry.keys() >= {"config", "figures", "was_given", "gain_over_random_best"} for entry in front)
    assert any(entry["was_given"] for entry in front)
    assert found["study"].endswith("runs/config/searches/1/study.sqlite")
    assert len(found["hypervolumes"][0]["random"]) == 4


def test_every_target_has_a_front(invoke):
    targets = ("--target", "onnxruntime:cpu", "--target", "onnxruntime:cpu?threads=2")
    status, output, errors = invoke("config", *targets, "--budget", "4")
    assert status == 0, errors
    assert [line for line in output.splitlines() if line.startswith("Front on ")] == [
        "Front on onnxruntime:cpu?threads=1&batch=1:",
        "Front on onnxruntime:cpu?threads=2&batch=1:",
    ]


def test_a_search_without_a_baseline_says_so(invoke):
    with pytest.warns(UserWarning, match="This search has no baseline"):
        status, output, _ = invoke("config", *COUNTED, "--budget", "4", "--set", "baseline_share=0")
    assert status == 0
    assert "Beware: There is no random baseline" in output


def test_a_search_never_reads_the_test_split(project, invoke):
    module = project / "small_project.py"
    module.write_text(module.read_text() + LOADERS)
    for name in ("config.yaml", "runs/config/config.yaml"):
        text = (project / name).read_text()
        data = text[text.index("data:") :]
        end = data.index("\n", data.index("test_fraction")) if "test_fraction" in data else data.index("\n")
        (project / name).write_text(
            text.replace(data[:end], 'data: {kind: python, function: "small_project:loaders", classes: 3}')
        )
    status, _, errors = invoke("config", *COUNTED, "--budget", "4", "--set", "calibration_images=32")
    assert status == 0, errors


MISTAKES = {
    "an unknown run": (("confg",), '"confg" holds no run, and there is none of that name below "runs"; did you mean'),
    "an unknown objective": (("config", "--objective", "acuracy"), 'no figure "acuracy"; did you mean "accuracy"?'),
    "an unknown figure in a constraint": (
        ("config", "--constraint", "maccs <= 5"),
        'no figure "maccs"; did you mean "macs"?',
    ),
    "a constraint that is none": (
        ("config", "--constraint", "macs < 5"),
        'The constraint "macs < 5" is not understood: expected a figure, <= or >=, and a number',
    ),
    "contradictory constraints": (
        ("config", "--constraint", "macs <= 10", "--constraint", "macs >= 20"),
        '"macs <= 10" and "macs >= 20" contradict each other',
    ),
    "a constraint that no member keeps": (
        ("config", "--constraint", "parameters <= 3"),
        'No member keeps "parameters <= 3": the least found is ',
    ),
    "an unknown target in a constraint": (
        ("config", "--constraint", "latency_ms <= 5 on onnxruntme:cpu"),
        "onnxruntime",
    ),
    "a target where there is none": (
        ("config", "--constraint", "macs <= 1e9 on onnxruntime:cpu"),
        "macs is the same on every target",
    ),
    "an unknown searcher": (("config", "--searcher", "randm"), 'did you mean "random"?'),
    "an unknown setting": (("config", "--set", "patiense=3"), 'unknown key "patiense"; did you mean "patience"?'),
    "too small a budget": (("config", "--budget", "2"), '"budget": expected a value greater than or equal to 4'),
    "a name that is a path": (("config", "--name", "../x"), '"../x" is no name of a search'),
    "nothing to resume": (("config", "--resume"), 'There is no search to resume below "runs/config/searches"'),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_mistake_gets_one_clear_line_and_leaves_nothing(mistake, project, invoke):
    arguments, expected = MISTAKES[mistake]
    status, output, errors = invoke(*arguments)
    lines = [line for line in errors.splitlines() if line.startswith("Error: ")]
    assert (status, output, len(lines)) == (1, "", 1)
    assert expected in lines[0]
    assert not list((project / "runs" / "config").glob("searches/*/config.yaml"))


def test_a_latency_that_no_member_keeps_fails_with_the_nearest(invoke):
    status, _, errors = invoke("config", "--constraint", "latency_ms <= 1e-6", "--budget", "40")
    (line,) = [line for line in errors.splitlines() if line.startswith("Error: ")]
    assert status == 1
    assert "latency_ms <= 1e-06 on onnxruntime:cpu?threads=1&batch=1" in line


def test_a_family_that_is_not_trained_is_told(project, invoke):
    (project / "runs" / "config" / "history.json").unlink()
    status, _, errors = invoke("config")
    assert status == 1
    assert errors.startswith('Error: The family in "runs/config" is not trained yet: go on with supple run')


def test_a_search_that_exists_is_not_overwritten_and_a_second_process_is_refused(project, start, invoke):
    assert invoke("config", *COUNTED, "--budget", "4", "--name", "mine")[0] == 0
    status, _, errors = invoke("config", "--name", "mine")
    assert status == 1
    assert errors.startswith('Error: "runs/config/searches/mine" holds a search already: go on with --resume, or')
    first = start("search", "config", "--name", "mine", "--resume", "--budget", "5000")
    lock = project / "runs" / "config" / "searches" / "mine" / ".lock"
    deadline = time.monotonic() + 60
    while not lock.exists() or lock.read_text() != str(first.pid):
        assert first.poll() is None
        assert time.monotonic() < deadline
        time.sleep(0.02)
    status, _, errors = invoke("config", "--name", "mine", "--resume")
    assert status == 1
    assert f"is in use by process {first.pid}" in errors


def test_an_interruption_says_how_to_go_on(project, start):
    process = start("search", "config", *COUNTED, "--budget", "5000")
    study = project / "runs" / "config" / "searches" / "1" / "study.sqlite"
    deadline = time.monotonic() + 120
    while finished_trials(study) < 1:
        assert process.poll() is None
        assert time.monotonic() < deadline
        time.sleep(0.02)
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 130
    assert errors.endswith("Interrupted. Go on with the same command and --resume.\n")
    assert "Traceback" not in errors
