"""Objects named by import path: every mistake is one clear line."""

import sys
from pathlib import Path

import pytest

from supple.errors import SuppleError
from supple.importing import call_object, import_object


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working directory with the package `shop_floor`; sys.path and sys.modules are restored."""
    package = tmp_path / "shop_floor"
    package.mkdir()
    (package / "__init__.py").write_text("")
    (package / "networks.py").write_text(
        "size = 3\n"
        "def build(width=1, *, depth=2):\n    return width, depth\n"
        "def fails():\n    raise ValueError('no\\nweights')\n"
        "class Net:\n    @staticmethod\n    def small():\n        return 'small'\n"
    )
    (package / "broken.py").write_text("import a_module_that_nobody_has\n")
    (package / "leaves.py").write_text("raise SystemExit(3)\n")
    (package / "syntax.py").write_text("def (:\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [entry for entry in sys.path if entry])
    for name in [name for name in sys.modules if name.startswith("shop_floor")]:
        monkeypatch.delitem(sys.modules, name)
    return tmp_path


@pytest.mark.usefixtures("project")
def test_a_function_in_the_working_directory_is_found() -> None:
    assert call_object("shop_floor.networks:build", {"width": 4}) == (4, 2)


@pytest.mark.usefixtures("project")
def test_a_name_inside_a_class_is_found() -> None:
    assert call_object("shop_floor.networks:Net.small", {}) == "small"


def test_the_standard_library_is_found() -> None:
    assert import_object("os.path:join") is __import__("os").path.join


@pytest.mark.parametrize(
    ("target", "message"),
    [
        ("shop_floor.networks.build", 'is no import path: expected "package.module:function"; did you mean '),
        ("shop_floor/networks.py:build", '"shop_floor/networks.py:build" is no import path: expected'),
        ("", '"" is no import path: expected "package.module:function"'),
        ("..networks:build", "is no import path"),
        ("shop_flor.networks:build", 'Python\'s path has no module "shop_flor"; did you mean "shop_floor"?'),
        ("shop_floor.network:build", 'package "shop_floor" has no module "network"; did you mean "networks"?'),
        ("shop_floor.networks.deep:build", 'package "shop_floor.networks" has no module "deep"'),
        ("shop_floor.networks:biuld", 'module "shop_floor.networks" has no "biuld"; did you mean "build"?'),
        ("shop_floor.networks:Net.smal", '"Net" has no "smal"; did you mean "small"?'),
        ("shop_floor.broken:build", "its module fails with ModuleNotFoundError: No module named 'a_module_that"),
        ("shop_floor.broken.part:build", "its module fails with ModuleNotFoundError: No module named 'a_module_that"),
        ("shop_floor.leaves:build", "its module fails with SystemExit: 3"),
        ("shop_floor.syntax:build", "its module fails with SyntaxError: invalid syntax"),
        (
            "shop_floor.networks:size",
            '"shop_floor.networks:size" is an object of type int: expected a function or a class',
        ),
        ("shop_floor.networks:fails", '"shop_floor.networks:fails" failed: ValueError: no weights'),
    ],
)
@pytest.mark.usefixtures("project")
def test_a_wrong_import_path_is_one_clear_line(target: str, message: str) -> None:
    with pytest.raises(SuppleError) as caught:
        call_object(target, {})
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.usefixtures("project")
def test_an_unknown_argument_names_the_nearest() -> None:
    with pytest.raises(SuppleError, match=r'does not take these arguments: .*did you mean "depth"\?'):
        call_object("shop_floor.networks:build", {"dept": 1})
