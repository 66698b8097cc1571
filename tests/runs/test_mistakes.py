"""A user's mistake gets one clear line, a non-zero exit status, no traceback, and leaves nothing that looks whole."""

import json
import resource
import shutil

import pytest
from PIL import Image
from runs_project import supple_here


@pytest.fixture
def invoke(supple):
    """Return a function that runs the command, and gives (exit status, error text)."""
    return lambda *arguments: supple(*arguments)[::2]


def _one_class(project):
    for label in (1, 2):
        shutil.rmtree(project / "images" / f"class_{label}")


def _mixed_sizes(project):
    Image.new("L", (20, 20)).save(project / "images" / "class_0" / "larger.png")


def _no_images(project):
    shutil.rmtree(project / "images")
    (project / "images").mkdir()


def _few_images(project):
    for image in project.glob("images/*/*.png"):
        if image.stem != "0":
            image.unlink()


def _no_yaml(project):
    (project / "config.yaml").write_text("model: {function: [\n")


def _nothing(project):
    pass


def _a_file_in_the_way(project):
    (project / "out").write_text("mine")


def _a_strange_folder(project):
    (project / "out").mkdir()
    (project / "out" / "thesis.tex").write_text("mine")


MISTAKES = {
    "empty data folder": (_no_images, [], "images"),
    "missing data folder": (_nothing, ["--set", "data.path=imagse"], "imagse"),
    "one class only": (_one_class, [], "class"),
    "images of mixed size": (_mixed_sizes, [], "image_size"),
    "too few images": (_few_images, [], "image"),
    "no YAML": (_no_yaml, [], "config.yaml"),
    "key mistyped": (_nothing, ["--set", "train.epoch=3"], 'did you mean "train.epochs"?'),
    "section mistyped": (_nothing, ["--set", "serach.budget=30"], 'did you mean "search"?'),
    "value of the wrong type": (_nothing, ["--set", "train.epochs=many"], "train.epochs"),
    "override without a value": (_nothing, ["--set", "train.epochs"], "train.epochs"),
    "wrong module": (_nothing, ["--set", "model.function=small_projet:network"], "small_projet"),
    "wrong function": (_nothing, ["--set", "model.function=small_project:netwrok"], 'did you mean "network"?'),
    "no function named": (_nothing, ["--set", "model.function=small_project"], "small_project"),
    "wrong argument": (_nothing, ["--set", "model.arguments={classes: 3}"], "classes"),
    "a model that is none": (
        _nothing,
        ["--set", "model={function: 'small_project:number'}"],
        "returned int, not a torch.nn.Module",
    ),
    "a model that returns a tuple": (_nothing, ["--set", "model={function: 'small_project:Pair'}"], "tuple"),
    "a model for other images": (
        _nothing,
        ["--set", "model={function: 'supple.models:resnet_small'}"],
        "cannot be captured with inputs of shape [2, 1, 16, 16]",
    ),
    "a pattern that finds nothing": (_nothing, ["--set", "convert.freeze=[haed*]"], 'by the pattern "haed*"'),
    "an unknown order": (_nothing, ["--set", "order.method=l3"], 'expected "l1", "taylor" or "activation"'),
    "an order of blocks that are not there": (_nothing, ["--set", "order.blocks={dept: [a]}"], '"dept"'),
    "resolutions larger than the images": (_nothing, ["--set", "convert.resolutions=[64]"], "from 1 to 16"),
    "more classes than outputs": (
        _nothing,
        ["--set", "model.arguments={num_classes: 2}"],
        "A label is 2, but the model tells 2 classes apart, 0 to 1: give the model as many outputs",
    ),
    "a model that is frozen": (
        _nothing,
        ["--set", "model={function: 'small_project:frozen'}"],
        "The model has no parameter to train: requires_grad is False for all of them.",
    ),
    "a model that loses its gradient": (
        _nothing,
        ["--set", "model={function: 'small_project:Detached'}"],
        "it is lost in its own forward: look there for torch.no_grad(), detach()",
    ),
    "an optimizer that is not there": (
        _nothing,
        ["--set", "train.optimizer=torch.optim:AdmaW"],
        'module "torch.optim" has no "AdmaW"; did you mean "AdamW"?',
    ),
    "an optimizer without a module": (
        _nothing,
        ["--set", "train.optimizer=torch.optim.SGD"],
        'did you mean "torch.optim:SGD"?',
    ),
    "an unknown argument of the optimizer": (
        _nothing,
        ["--set", "train={optimizer: 'torch.optim:SGD', optimizer_arguments: {momentun: 0.9}}"],
        'takes no argument "momentun"; did you mean "momentum"?',
    ),
    "an unknown sampler": (_nothing, ["--set", "train.sampler.kind=sandwhich"], 'did you mean "sandwich"?'),
    "a setting of another sampler": (
        _nothing,
        ["--set", "train.sampler={kind: uniform, start: 0.5}"],
        'unknown key "train.sampler.start"',
    ),
    "unknown target": (_nothing, ["--set", "search.targets=onnxruntme:cpu"], "onnxruntime"),
    "an unknown target among several": (
        _nothing,
        ["--set", "search.targets=[onnxruntime:cpu, opnvino:cpu]"],
        "openvino",
    ),
    "an objective that is none": (
        _nothing,
        ["--set", "search.objectives=[accuracy please]"],
        'The objective "accuracy please" is not understood',
    ),
    "a constraint that is none": (
        _nothing,
        ["--set", "search.constraints=[macs < 5]"],
        'The constraint "macs < 5" is not understood',
    ),
    "a constraint of a target that cannot be": (
        _nothing,
        ["--set", "search.constraints=[latency_ms <= 5 on onnxruntme:cpu]"],
        "onnxruntime",
    ),
    "an unknown objective": (
        _nothing,
        ["--set", "search.objectives=[acuracy]"],
        '"acuracy": there is no figure "acuracy"; did you mean "accuracy"?',
    ),
    "constraints that contradict each other": (
        _nothing,
        ["--set", "search.constraints=[latency_ms <= 1, latency_ms >= 2]"],
        '"latency_ms <= 1 on onnxruntime:cpu?threads=1&batch=1" and "latency_ms >= 2 on onnxruntime:cpu?threads=1',
    ),
    "a constraint that no member keeps": (
        _nothing,
        ["--set", "search.constraints=[parameters <= 7]"],
        'No member keeps "parameters <= 7": the least found is ',
    ),
    "a search without a budget": (_nothing, ["--set", "search.evaluations=8"], 'unknown key "search.evaluations"'),
    "unknown kind of data": (_nothing, ["--set", "data.kind=foldr"], "folder"),
    "a file where the folder should be": (_a_file_in_the_way, [], "out"),
    "a folder that holds something else": (_a_strange_folder, [], "thesis.tex"),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_mistake_gets_one_clear_line(mistake, project, invoke):
    prepare, arguments, expected = MISTAKES[mistake]
    prepare(project)
    status, errors = invoke("run", "config.yaml", "--out", "out", *arguments)
    lines = [line for line in errors.splitlines() if line.startswith("Error: ")]
    assert status == 1
    assert len(lines) == 1
    assert expected in lines[0]
    assert "Traceback" not in errors
    assert not (project / "out" / "manifest.json").exists()
    assert not (project / "out" / "report.html").exists()
    assert not (project / "out" / "history.json").exists()


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["runn", "config.yaml"], "run"),
        (["run", "config.yaml", "--resum"], "--resume"),
        (["run"], "CONFIG"),
    ],
)
def test_a_mistyped_command_names_the_nearest_and_ends_with_status_2(arguments, expected, invoke):
    status, errors = invoke(*arguments)
    assert status == 2
    assert expected in errors


def test_a_missing_config_names_the_nearest_file(invoke):
    status, errors = invoke("run", "confg.yaml")
    assert status == 1
    assert 'did you mean "config.yaml"?' in errors


def test_debug_shows_the_traceback(project):
    result = supple_here(project, "run", "missing.yaml", "--debug")
    assert result.exit_code == 1
    assert result.exception is not None
    assert "missing.yaml" in str(result.exception)


def test_a_run_that_exists_is_not_overwritten(invoke, project):
    (project / "out").mkdir()
    (project / "out" / "config.yaml").write_text("title: earlier\n")
    status, errors = invoke("run", "config.yaml", "--out", "out")
    assert status == 1
    assert "--resume" in errors
    assert (project / "out" / "config.yaml").read_text() == "title: earlier\n"


def test_a_resumed_run_keeps_its_config(invoke, supple, project):
    (project / "out").mkdir()
    (project / "out" / "config.yaml").write_text(supple("run", "config.yaml", "--print-config")[1])
    status, errors = invoke("run", "config.yaml", "--out", "out", "--resume", "--set", "train.epochs=9")
    assert status == 1
    assert "train.epochs=2, not 9" in errors


def test_a_resumed_training_keeps_its_sampler(invoke, supple, project):
    (project / "out").mkdir()
    (project / "out" / "config.yaml").write_text(supple("train", "config.yaml", "--print-config")[1])
    status, errors = invoke("train", "config.yaml", "--out", "out", "--resume", "--set", "train.sampler.kind=uniform")
    assert status == 1
    assert 'The run in "out" was started with train.sampler.kind=sandwich, not uniform' in errors


def test_a_learning_rate_that_diverges_is_told_while_training_goes_on(invoke, project):
    settings = ("epochs=8", "optimizer=torch.optim:SGD", "learning_rate=30", "precision=fp32", "log_seconds=0")
    changes = ["--set", "model={function: 'small_project:without_norms'}"]
    for setting in settings:
        changes += ["--set", f"train.{setting}"]
    status, errors = invoke("train", "config.yaml", "--out", "out", *changes)
    assert status == 0
    (line,) = [line for line in errors.splitlines() if line.startswith("Training diverges: ")]
    assert "The learning rate is 30: try learning_rate 7.5, or a longer warm-up (warmup_share)." in line
    log = [json.loads(entry) for entry in (project / "out" / "training" / "training.jsonl").read_text().splitlines()]
    assert [entry["text"] for entry in log if entry["kind"] == "note"] == [line]


def test_a_learning_rate_that_leaves_nothing_finite_ends_the_training(invoke, project):
    changes = ("--set", "train.learning_rate=1e30", "--set", "train.skipped_steps_limit=3")
    status, errors = invoke("train", "config.yaml", "--out", "out", *changes)
    assert status == 1
    (line,) = [line for line in errors.splitlines() if line.startswith("Error: ")]
    assert line.startswith("Error: 3 updates in a row were skipped, the last at step ")
    assert "The learning rate is 1e+30: try learning_rate 2.5e+29" in line
    log = [json.loads(entry) for entry in (project / "out" / "training" / "training.jsonl").read_text().splitlines()]
    assert [entry["kind"] for entry in log][-3:] == ["skip"] * 3
    assert not (project / "out" / "history.json").exists()


def test_no_write_permission(invoke, monkeypatch):
    def refuse(*arguments, **options):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("pathlib.Path.mkdir", refuse)
    status, errors = invoke("run", "config.yaml", "--out", "out")
    assert status == 1
    assert "Permission denied" in errors


@pytest.mark.parametrize("kilobytes", [1, 250, pytest.param(700, marks=pytest.mark.slow)])
def test_a_full_disk_ends_the_run_with_one_line_and_nothing_that_looks_whole(kilobytes, project, supple):
    # A limit on the size of a file fails writes as a full disk does: of the config, of a checkpoint, of the study.
    def limit():
        resource.setrlimit(resource.RLIMIT_FSIZE, (kilobytes * 1024, kilobytes * 1024))

    status, _, errors = supple("run", "config.yaml", "--out", "out", preexec_fn=limit)
    assert status == 1
    assert len([line for line in errors.splitlines() if line.startswith("Error: ")]) == 1, errors
    assert "Traceback" not in errors
    assert not (project / "out" / "manifest.json").exists()
