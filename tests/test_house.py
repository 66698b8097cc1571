"""The rules of the house that a reader cannot see at a glance: which way imports point, and what no file may do."""

import ast
import functools
import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

import supple
import supple.cost
import supple.precision
import supple.runtime
import supple.searching
import supple.storage
import supple.training

REPOSITORY = Path(__file__).parents[1]
PACKAGE = REPOSITORY / "supple"

# Each line may import from the lines above it, and nothing of its own line or below.
LAYERS = (
    {"blas", "errors", "lazy", "text_table"},
    {"importing"},
    {"progress"},
    {"machine"},
    {"storage"},
    {"data", "models"},
    {"space"},
    {"trace"},
    {"family", "sources"},
    {"training", "runtime", "origin"},
    {"precision", "cost"},
    {"searching"},
    {"report"},
    {"runs"},
    {"cli"},
    {"bench"},
)
HEIGHT = {room: height for height, layer in enumerate(LAYERS) for room in layer}

RUNS_CODE_FROM_FILES = {
    "pickle", "cPickle", "_pickle", "dill", "cloudpickle", "joblib", "marshal", "shelve",
    "eval", "exec", "compile", "__import__",
    "torch.load", "torch.jit.load", "torch.package", "yaml.load", "yaml.full_load", "yaml.unsafe_load",
}  # fmt: skip
USES_THE_NETWORK = {
    "socket", "ssl", "http", "urllib.request", "urllib3", "requests", "httpx", "aiohttp", "ftplib", "smtplib",
    "uvicorn", "telemetry", "openvino_telemetry", "sentry_sdk",
}  # fmt: skip
# The machines that a user names: a worker to listen as, and workers to measure with. Nothing else has an address.
SPEAKS_TO_NAMED_MACHINES = {"cost/serving.py", "cost/worker_client.py"}
LOADED_WHEN_USED = {
    "plotly", "matplotlib", "openvino", "executorch", "torchao", "timm", "transformers", "torchvision", "ray",
    "psycopg", "tensorboard", "pymoo",
}  # fmt: skip


@dataclass(frozen=True)
class Source:
    """One file of the package and the room that it belongs to."""

    path: Path
    room: str
    text: str

    @functools.cached_property
    def tree(self) -> ast.Module:
        return ast.parse(self.text)

    def __str__(self) -> str:
        return self.path.name if self.room == self.path.stem else f"{self.room}/{self.path.name}"


def sources(package: Path) -> list[Source]:
    files = sorted(package.rglob("*.py"))
    return [Source(file, file.relative_to(package).parts[0].removesuffix(".py"), file.read_text()) for file in files]


def imports(nodes: Iterator[ast.AST], package_path: tuple[str, ...]) -> Iterator[tuple[int, str]]:
    """Yield the line and the full name of everything imported, module by module or object by object."""
    for node in nodes:
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            above = package_path[: len(package_path) - node.level + 1] if node.level else ()
            origin = ".".join((*above, *([node.module] if node.module else [])))
            yield from ((node.lineno, f"{origin}.{alias.name}") for alias in node.names)
        elif isinstance(node, ast.Call) and ast.unparse(node.func).endswith("import_module"):
            yield from ((node.lineno, text.value) for text in node.args if isinstance(text, ast.Constant))


def arrows_back(package: Path) -> list[str]:
    """Return every import of a room, anywhere in a file, that the layers forbid."""
    found = []
    for source in sources(package):
        if source.path.parent == package and source.room in ("__init__", "__main__"):
            continue  # The public API names every room.
        if source.room not in HEIGHT:
            found.append(f"{source}: the room {source.room} is in no layer")
            continue
        package_path = (package.name, *source.path.relative_to(package).parts[:-1])
        for line, name in imports(ast.walk(source.tree), package_path):
            root, _, below = name.partition(".")
            room = below.partition(".")[0]
            if root != package.name or room in ("__version__", source.room):
                continue
            # What is no room is a name of the public API, which only the topmost may use.
            if HEIGHT.get(room, HEIGHT["runs"]) >= HEIGHT[source.room]:
                found.append(f"{source}:{line} imports {name}")
    return found


def uses(source: Source, forbidden: set[str]) -> list[str]:
    """Return where a file imports or calls something forbidden, under whatever name it was imported."""
    found = [
        f"{source}:{line} {name}"
        for line, name in imports(ast.walk(source.tree), ("supple",))
        if any(name == other or name.startswith(f"{other}.") for other in forbidden)
    ]
    aliases = {
        alias.asname: alias.name
        for node in ast.walk(source.tree)
        if isinstance(node, ast.Import)
        for alias in node.names
        if alias.asname
    }
    for node in ast.walk(source.tree):
        if isinstance(node, ast.Name | ast.Attribute):
            first, dot, rest = ast.unparse(node).partition(".")
            if f"{aliases.get(first, first)}{dot}{rest}" in forbidden:
                found.append(f"{source}:{node.lineno} {ast.unparse(node)}")
        elif isinstance(node, ast.keyword) and node.arg == "allow_pickle" and ast.unparse(node.value) != "False":
            found.append(f"{source}:{node.value.lineno} allow_pickle")
    return found


def at_import(tree: ast.Module) -> Iterator[ast.AST]:
    """Yield the statements that run when the file is imported: all but those in functions and for type checkers."""
    waiting: list[ast.AST] = [tree]
    while waiting:
        node = waiting.pop()
        yield node
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
            continue
        is_for_types = isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"
        waiting.extend(node.orelse if is_for_types else ast.iter_child_nodes(node))


def modules_loaded_by(code: str) -> set[str]:
    """Return the packages in memory after a fresh interpreter has run the code."""
    script = f"import json, sys\n{code}\nprint(json.dumps(sorted({{name.partition('.')[0] for name in sys.modules}})))"
    process = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True, cwd=REPOSITORY)
    return set(json.loads(process.stdout.splitlines()[-1]))


SOURCES = sources(PACKAGE)
every_source = pytest.mark.parametrize("source", SOURCES, ids=str)


def test_no_arrow_points_back():
    assert arrows_back(PACKAGE) == []


@pytest.mark.parametrize(
    ("file", "line"),
    [
        ("space/space.py", "from supple.trace import trace"),
        ("space/space.py", "from ..trace import trace"),
        ("space/space.py", "def late():\n    import supple.family"),
        ("trace/trace.py", "from supple import family"),
        ("trace/rules/shape.py", "from ...training.samplers import Sandwich"),
        ("trace/trace.py", "import importlib\nimportlib.import_module('supple.searching')"),
        ("family/family.py", "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from supple import convert"),
        ("training/training.py", "from supple.runtime import export"),
        ("data/data.py", "from supple.space import Space"),
        ("data/data.py", "from supple.models import resnet_small"),
        ("errors.py", "from supple.progress import Progress"),
        ("storage/files.py", "import supple.space"),
        ("attic/attic.py", "import math"),
    ],
)
def test_a_planted_arrow_is_found(tmp_path, file, line):
    planted = tmp_path / "supple" / file
    planted.parent.mkdir(parents=True)
    planted.write_text(f"{line}\n")
    assert len(arrows_back(tmp_path / "supple")) == 1


@pytest.mark.parametrize(
    ("file", "line"),
    [
        ("trace/trace.py", "from supple.space import Space"),
        ("trace/rules/shape.py", "from ..axes import Expression"),
        ("training/training.py", "from supple.data import Batches"),
        ("runs/manifest.py", "from supple import __version__"),
        ("cli.py", "from supple.runs import run"),
        ("bench/overhead.py", "import supple\nfrom supple.models import resnet_small"),
    ],
)
def test_an_arrow_that_points_forward_is_let_through(tmp_path, file, line):
    planted = tmp_path / "supple" / file
    planted.parent.mkdir(parents=True)
    planted.write_text(f"{line}\n")
    assert arrows_back(tmp_path / "supple") == []


@every_source
def test_the_first_line_says_what_the_file_is_about(source):
    assert re.match(r'r?"""\S', source.text)


@every_source
def test_a_file_is_about_one_thing(source):
    assert len(source.text.splitlines()) < 600


@every_source
def test_nothing_runs_code_from_a_file(source):
    assert uses(source, RUNS_CODE_FROM_FILES) == []


@every_source
def test_only_what_speaks_to_named_machines_uses_the_network(source):
    assert (uses(source, USES_THE_NETWORK) != []) == (str(source) in SPEAKS_TO_NAMED_MACHINES)


@every_source
def test_large_and_optional_packages_are_imported_when_they_are_used(source):
    loaded = {name.partition(".")[0] for _, name in imports(at_import(source.tree), ("supple",))}
    assert loaded & LOADED_WHEN_USED == set()


@pytest.mark.parametrize("source", [source for source in SOURCES if source.room == "space"], ids=str)
def test_the_space_is_pure_python(source):
    assert uses(source, {"torch", "numpy", "onnx", "onnxruntime"}) == []


@pytest.mark.parametrize(
    "line",
    [
        "import pickle",
        "from pickle import loads",
        "eval(text)",
        "import torch as t\nt.load(path)",
        "from torch import load",
        "import yaml\nread = yaml.load",
        "import numpy\nnumpy.load(path, allow_pickle=True)",
        "def late():\n    import joblib",
    ],
)
def test_planted_code_that_runs_files_is_found(line):
    assert uses(Source(Path("planted.py"), "planted", line), RUNS_CODE_FROM_FILES) != []


@pytest.mark.parametrize("line", ["model.eval()", "import yaml\nyaml.safe_load(text)", "import re\nre.compile('a')"])
def test_harmless_code_is_let_through(line):
    assert uses(Source(Path("planted.py"), "planted", line), RUNS_CODE_FROM_FILES) == []


def test_importing_supple_loads_neither_torch_nor_a_runtime():
    assert modules_loaded_by("import supple") & {"torch", "numpy", "onnx", "onnxruntime", "openvino"} == set()


def test_onnx_runtime_reports_to_nobody(tmp_path):
    script = "import supple.runtime.onnx_session\nimport os\nprint(os.listdir(os.environ['TMPDIR']))"
    environment = {name: value for name, value in os.environ.items() if name != "ORT_DISABLE_TELEMETRY"}
    process = subprocess.run(
        [sys.executable, "-c", script],
        capture_output=True,
        text=True,
        check=True,
        cwd=REPOSITORY,
        env={**environment, "TMPDIR": str(tmp_path)},
    )
    # What it would report, it notes there first.
    assert process.stdout == "[]\n"


def test_help_loads_neither_torch_nor_a_runtime():
    code = (
        "sys.argv = ['supple', '--help']\nfrom supple.cli import main\ntry:\n    main()\nexcept SystemExit:\n    pass"
    )
    assert modules_loaded_by(code) & {"torch", "onnx", "onnxruntime", "openvino", "optuna", "plotly"} == set()


def test_a_device_that_measures_onnx_needs_neither_torch_nor_onnx():
    code = (
        "import supple.cost.measuring_process, supple.cost.worker.app, supple.runtime.onnx_session\n"
        "from supple.cost import open_device\nfrom supple.runtime import BACKENDS, parse_target\n"
        "open_device(parse_target('onnxruntime:cpu'))"
    )
    assert modules_loaded_by(code) & {"torch", "onnx", "onnxscript", "optuna", "safetensors", "scipy"} == set()


def test_a_name_that_is_not_public_is_refused():
    with pytest.raises(AttributeError, match='module "supple" has no attribute "convrt"'):
        supple.convrt  # noqa: B018


@pytest.mark.parametrize(
    "package", [supple, supple.storage, supple.runtime, supple.cost], ids=lambda package: package.__name__
)
def test_type_checkers_see_the_names_where_they_are_loaded_from(package):
    tree = ast.parse(Path(package.__file__).read_text())
    block = next(node for node in tree.body if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING")
    seen = {name for _, name in imports(ast.walk(block), ("supple",))}
    assert seen == {f"{home}.{name}" for name, home in package._HOMES.items()}
    assert sorted(package._HOMES) == sorted(package.__all__)
    assert all(getattr(package, name) is not None for name in package.__all__)


def test_the_api_reference_names_what_is_public():
    text = (REPOSITORY / "docs" / "api.md").read_text()
    reference, rest = text.split("\n# Training\n")
    of_training, rest = rest.split("\n# Costs\n")
    of_costs, rest = rest.split("\n# Precision\n")
    of_precision, of_searching = rest.split("\n# Searching\n")
    assert sorted(re.findall(r"^## (\w+)$", reference, re.MULTILINE)) == sorted(supple.__all__)
    assert sorted(re.findall(r"^::: supple[\w.]*\.(\w+)$", reference, re.MULTILINE)) == sorted(supple.__all__)
    # Named above; and what only other rooms and settings use.
    others = {"train", "TrainConfig", "Launch", "SamplerChoice"}
    assert_named(of_training, "supple.training", set(supple.training.__all__) - others)
    assert_named(of_costs, "supple.cost", set(supple.cost.__all__) - {"measure", "LATENCY_SPREAD"})
    assert_named(of_precision, "supple.precision", set(supple.precision.__all__))
    # Named above; and types that stand for others.
    others = {"search", "SearchConfig", "SearcherChoice", "Outcome"}
    assert_named(of_searching, "supple.searching", set(supple.searching.__all__) - others)


def assert_named(reference: str, room: str, names: set[str]) -> None:
    """Assert that a part of the reference has a heading and an entry for each of a room's names."""
    assert sorted(re.findall(r"^### (\w+)$", reference, re.MULTILINE)) == sorted(names)
    assert sorted(re.findall(rf"^::: {re.escape(room)}\.(\w+)$", reference, re.MULTILINE)) == sorted(names)


def test_every_guide_is_in_the_navigation_and_in_the_index():
    guides = {page.name for page in (REPOSITORY / "docs").glob("*.md")} - {"index.md"}
    navigation = re.findall(r"^  - (\S+\.md)$", (REPOSITORY / "mkdocs.yml").read_text(), re.MULTILINE)
    assert set(navigation) == {*guides, "index.md"}
    assert set(re.findall(r"\]\((\w+\.md)\)", (REPOSITORY / "docs" / "index.md").read_text())) == guides
