"""`supple convert`: what it prints, what it saves, and one clear line for every mistake."""

import importlib
import json
import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
import without_torchvision  # noqa: F401 (before timm and transformers)
from transformers import BertConfig, BertModel
from typer.testing import CliRunner

import supple
from supple.cli import app
from supple.models import resnet_demo
from supple.runs import ConvertRequest, convert_named, parse_ties
from supple.space import Kind
from supple.storage import save_tensors

MODEL = "supple.models:resnet_demo"
INPUT = ("--input", "1,28,28")


def run(*arguments: str) -> tuple[int, str, str]:
    result = CliRunner().invoke(app, ["convert", *arguments])
    return result.exit_code, result.stdout, result.stderr


def test_the_summary_is_printed() -> None:
    status, output, errors = run(MODEL, *INPUT)
    assert (status, errors) == (0, "")
    assert output == f"{supple.convert(resnet_demo(), torch.randn(2, 1, 28, 28)).summary()}\n"


def test_the_guide_shows_what_its_command_prints() -> None:
    guide = (Path(__file__).parents[2] / "docs" / "converting.md").read_text()
    shown = re.search(r"```sh\nsupple convert (.*?)\n```\n\n```text\n(.*?)```", guide, re.DOTALL)
    assert shown is not None
    assert run(*shown[1].split()) == (0, shown[2], "")


def test_the_guide_shows_what_its_choices_print(capsys: pytest.CaptureFixture[str]) -> None:
    guide = (Path(__file__).parents[2] / "docs" / "converting.md").read_text()
    section = guide.partition("## Operators, kernels, resolutions, ties")[2]
    shown = re.search(r"```python\n(.*?)```\n\n```text\n(.*?)```", section, re.DOTALL)
    assert shown is not None
    exec(compile(shown[1], "converting.md", "exec"), {})
    assert capsys.readouterr().out == shown[2]


def test_the_guide_names_every_kind_that_conversion_makes() -> None:
    guide = (Path(__file__).parents[2] / "docs" / "converting.md").read_text()
    named = set(re.findall(r"^\| `(\w+)` \|", guide, re.MULTILINE))
    assert (
        {"width", "hidden", "embed", "heads", "depth", "kernel", "resolution", "operator"}
        <= named
        <= {kind.value for kind in Kind}
    )


def test_json_is_one_object() -> None:
    status, output, _ = run(MODEL, *INPUT, "--json")
    assert status == 0
    summary = supple.convert(resnet_demo(), torch.randn(2, 1, 28, 28)).summary()
    assert json.loads(output) == json.loads(json.dumps(summary.to_json()))


def test_the_family_is_saved_with_its_weights(tmp_path: Path) -> None:
    source = resnet_demo()
    save_tensors(tmp_path / "w.safetensors", source.state_dict())
    output = tmp_path / "family"
    status, _, errors = run(
        MODEL, *INPUT, "--weights", str(tmp_path / "w.safetensors"), "--output", str(output), "--json"
    )
    assert status == 0, errors
    family = supple.load(output, resnet_demo())
    images = torch.randn(2, 1, 28, 28)
    assert torch.equal(family.eval()(images), source.eval()(images))


@pytest.fixture
def bert(tmp_path: Path) -> Path:
    config = BertConfig(vocab_size=50, num_hidden_layers=2, hidden_size=32, num_attention_heads=4, intermediate_size=64)
    BertModel(config).save_pretrained(tmp_path / "bert")
    return tmp_path / "bert"


def test_a_transformers_folder_is_converted(bert: Path) -> None:
    status, output, errors = run(str(bert))
    assert status == 0, errors
    assert "BertModel: a family of" in output
    assert "encoder.layer.{0-1}" in output


def test_inputs_may_be_given_by_name(bert: Path) -> None:
    status, _, errors = run(str(bert), "--input", "input_ids=4:int64:50", "--input", "attention_mask=4:int64:2")
    assert status == 0, errors


def test_values_are_chosen_and_dimensions_frozen_by_pattern() -> None:
    status, output, errors = run(
        MODEL, *INPUT, "--json", "--choices", "*.hidden=0.5,1.0", "--choices", "stem=12,16", "--freeze", "*.depth"
    )
    assert status == 0, errors
    rows = json.loads(output)["dimensions"]
    assert {row["kind"] for row in rows} == {"width", "hidden"}
    assert {tuple(row["values"]) for row in rows if row["kind"] == "hidden"} == {(12, 24), (24, 48), (48, 96)}
    assert [row["values"] for row in rows if row["pattern"] == "stem.width"] == [[12, 16]]


def test_images_may_have_other_heights() -> None:
    status, output, errors = run(MODEL, *INPUT, "--json", "--resolution", "20", "--resolution", "24")
    assert status == 0, errors
    assert [row["values"] for row in json.loads(output)["dimensions"] if row["kind"] == "resolution"] == [[20, 24, 28]]


def test_dimensions_are_tied_by_pattern() -> None:
    tie = ("--tie", "hidden=stages.0.*.hidden")
    status, output, errors = run(MODEL, *INPUT, "--json", *tie)
    assert status == 0, errors
    patterns = [row["pattern"] for row in json.loads(output)["dimensions"]]
    assert "hidden" in patterns
    assert not any(pattern.startswith("stages.0.") and pattern.endswith(".hidden") for pattern in patterns)


def test_several_patterns_make_one_tie() -> None:
    assert parse_ties(["a=x.*", "b=z", "a=y.*"]) == {"a": ["x.*", "y.*"], "b": ["z"]}


@pytest.mark.parametrize(
    ("option", "expected"),
    [((), (False, True)), (("--kernel-transform",), (True, True)), (("--no-proof",), (False, False))],
)
def test_what_the_switches_ask_for(
    option: tuple[str, ...], expected: tuple[bool, bool], monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[ConvertRequest] = []

    def convert(request: ConvertRequest) -> supple.Family:
        asked.append(request)
        return convert_named(request)

    monkeypatch.setattr("supple.runs.convert_named", convert)
    assert run(MODEL, *INPUT, *option)[0] == 0
    assert (asked[0].options.kernel_transform, asked[0].options.prove) == expected


def _nothing(folder: Path) -> None:
    pass


def _write(name: str, text: str) -> Callable[[Path], None]:
    def write(folder: Path) -> None:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)

    return write


def _other_weights(folder: Path) -> None:
    save_tensors(folder / "w.safetensors", {"stem.0.wieght": torch.ones(3)})


def _unpicklable_weights(folder: Path) -> None:
    BertConfig().save_pretrained(folder / "net")
    (folder / "net" / "pytorch_model.bin").write_bytes(b"\x80\x02")


def _unknown_architecture(folder: Path) -> None:
    _write("net/config.json", '{"model_type": "perceptron", "architectures": ["Perceptron"]}')(folder)


def _remote_code(folder: Path) -> None:
    _write("net/config.json", '{"model_type": "own", "auto_map": {"AutoConfig": "own.Config"}}')(folder)
    _write("net/own.py", "raise SystemExit('this code ran')")(folder)


MISTAKES = {
    "a name that is none": (_nothing, ["resnet18"], '"resnet18" names no model: expected "package.module:function"'),
    "a module mistyped": (_nothing, ["supple.modles:resnet_demo", *INPUT], 'did you mean "models"?'),
    "a function mistyped": (_nothing, ["supple.models:resnet_dmo", *INPUT], 'did you mean "resnet_demo"?'),
    "a function that returns no model": (_nothing, ["os:getcwd", *INPUT], "returned str, not a torch.nn.Module"),
    "no inputs": (_nothing, [MODEL], "--input 3,224,224 or --input input_ids=16:int64"),
    "an input that is none": (_nothing, [MODEL, "--input", "1x28x28"], '"1x28x28" is no input: expected SHAPE'),
    "inputs of another shape": (_nothing, [MODEL, "--input", "3,28,28"], "cannot be captured"),
    "an unknown name of an input": (_nothing, [MODEL, "--input", "image=1,28,28"], "image"),
    "an unknown model of timm": (_nothing, ["timm:resnet81"], 'timm has no model "resnet81"; did you mean "resnet18"?'),
    "weights of another model": (
        _other_weights,
        [MODEL, *INPUT, "--weights", "w.safetensors"],
        'tensor "stem.0.wieght" that the model has not; did you mean "stem.0.weight"?',
    ),
    "weights that are not there": (_nothing, [MODEL, *INPUT, "--weights", "w.safetensors"], '"w.safetensors"'),
    "weights that are none": (
        _write("w.safetensors", "nothing"),
        [MODEL, *INPUT, "--weights", "w.safetensors"],
        "is no whole safetensors file",
    ),
    "weights to unpickle": (_write("w.pth", ""), [MODEL, *INPUT, "--weights", "w.pth"], "would have to be unpickled"),
    "a saved program": (_write("net.pt2", ""), ["net.pt2"], "would have to be unpickled"),
    "a saved module": (_write("net.pt", ""), ["./net.pt"], "would have to be unpickled"),
    "two places for weights": (_nothing, ["timm:test_vit", "--pretrained", "--weights", "w.safetensors"], "not both"),
    "weights that nobody has": (_nothing, [MODEL, *INPUT, "--pretrained"], "has no weights of its own"),
    "a folder that is not there": (_nothing, ["./bert"], 'There is no folder "bert"'),
    "a folder without a model": (_write("net/a.txt", ""), ["./net"], "it holds no config.json"),
    "a folder with weights to unpickle": (_unpicklable_weights, ["./net"], "(pytorch_model.bin) would have to be"),
    "an unknown architecture": (_unknown_architecture, ["./net"], "perceptron"),
    "code in the folder": (_remote_code, ["./net"], 'The transformers model "net" cannot be loaded'),
    "a choice that is none": (_nothing, [MODEL, *INPUT, "--choices", "*.hidden"], '"*.hidden" is no choice: expected'),
    "a choice of no number": (
        _nothing,
        [MODEL, *INPUT, "--choices", "*.hidden=half"],
        "is no choice: expected PATTERN=",
    ),
    "a tie without a name": (_nothing, [MODEL, *INPUT, "--tie", "*.hidden"], '"*.hidden" is no tie: expected NAME='),
    "a tie of what does not fit": (_nothing, [MODEL, *INPUT, "--tie", "all=stages.*"], "cannot be tied"),
    "a pattern that finds nothing": (_nothing, [MODEL, *INPUT, "--freeze", "haed"], 'by the pattern "haed"'),
    "a resolution that is too large": (_nothing, [MODEL, *INPUT, "--resolution", "32"], "whole numbers from 1 to 28"),
    "a file where the folder should be": (_write("out", "mine"), [MODEL, *INPUT, "--output", "out"], "is a file"),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_mistake_gets_one_clear_line(mistake: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    prepare, arguments, expected = MISTAKES[mistake]
    monkeypatch.chdir(tmp_path)
    prepare(tmp_path)
    before = sorted(tmp_path.rglob("*"))
    status, output, errors = run(*arguments)
    (line,) = [line for line in errors.splitlines() if line.startswith("Error: ")]
    assert (status, output) == (1, "")
    assert expected in line
    assert "Traceback" not in errors
    assert sorted(tmp_path.rglob("*")) == before


@pytest.mark.parametrize("package", ["timm", "transformers"])
def test_a_missing_package_is_named_with_its_extra(package: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, package, None)
    status, _, errors = run(f"{package}:net")
    assert status == 1
    assert f'needs the package "{package}": run  pip install "supple[{package}]"' in errors


@pytest.mark.parametrize(
    ("raised", "expected"),
    [
        (
            RuntimeError("operator torchvision::nms does not exist"),
            "timm cannot be loaded, because the installed torchvision does not fit torch",
        ),
        (ModuleNotFoundError("No module named 'torchvision'", name="torchvision"), "the installed torchvision"),
        (OSError("libcudart.so.12: cannot open shared object file"), "timm cannot be loaded: libcudart.so.12"),
    ],
)
def test_a_package_that_cannot_be_loaded_says_why(
    raised: Exception, expected: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(name: str) -> None:
        raise raised

    monkeypatch.setattr(importlib, "import_module", fail)
    status, _, errors = run("timm:resnet18")
    assert status == 1
    assert expected in errors


@pytest.mark.parametrize(
    "arguments", [["transformers:google-bert/bert-base-uncased"], ["timm:resnet18", "--pretrained"]]
)
def test_without_the_network_a_hub_name_is_one_clear_line(arguments: list[str], tmp_path: Path) -> None:
    code = (
        "import sys; sys.path.insert(0, 'tests'); import without_torchvision; from supple.cli import app; "
        f"sys.argv = ['supple', 'convert', *{arguments!r}]; app()"
    )
    environment = {**os.environ, "HF_HUB_OFFLINE": "1", "HF_HOME": str(tmp_path), "NO_COLOR": "1"}
    process = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, timeout=120, check=False
    )
    (line,) = [line for line in process.stderr.splitlines() if line.startswith("Error: ")]
    assert process.returncode == 1
    assert "cannot be" in line
    assert "Traceback" not in process.stderr
