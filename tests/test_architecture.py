"""The house: who may import whom, and how large a room may be."""

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import artbp_exp

PACKAGE = Path(artbp_exp.__file__).parent
LAYERS = (
    ("errors", "checks", "files"),
    ("registry", "run_config", "random_streams", "distributed"),
    ("truncation",),
    ("theory",),
    ("autograd", "recurrent"),
    ("optimizers", "loggers"),
    ("models", "tasks"),
    ("methods",),
    ("training",),
    ("verification",),
    ("runs",),
    ("diagnosis",),
    ("lightning",),
    ("evidence",),
    ("bench",),
    ("cli",),
)
"""Lowest first: a module imports from its own layer and from those below."""

FLOOR = {name: floor for floor, names in enumerate(LAYERS) for name in names}
STRANGERS = [("models", "tasks"), ("tasks", "models"), ("models", "truncation"), ("tasks", "truncation")]
WITHOUT_TORCH = ("truncation", "theory", "evidence")
MOST_FILES = 12


def room(module: str) -> str:
    return module.split(".")[1]


def imports() -> Iterator[tuple[str, str]]:
    """(module, module that it imports), within the package, wherever in the file the import stands."""
    for path in sorted(PACKAGE.rglob("*.py")):
        module = ".".join(["artbp_exp", *path.relative_to(PACKAGE).with_suffix("").parts])
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ImportFrom) and node.module == "artbp_exp":
                yield from ((module, f"artbp_exp.{alias.name}") for alias in node.names if alias.name != "__version__")
            elif isinstance(node, ast.ImportFrom) and (node.module or "").startswith("artbp_exp."):
                yield module, str(node.module)
            elif isinstance(node, ast.Import):
                yield from ((module, alias.name) for alias in node.names if alias.name.startswith("artbp_exp."))


def test_every_room_has_its_floor() -> None:
    rooms = {path.stem for path in PACKAGE.iterdir() if path.suffix == ".py" or (path / "__init__.py").is_file()}
    assert rooms - {"__init__"} == set(FLOOR)


def test_nothing_imports_upward() -> None:
    upward = [
        f"{module} → {other}"
        for module, other in imports()
        if not module.endswith("artbp_exp.__init__") and FLOOR[room(module)] < FLOOR[room(other)]
    ]
    assert not upward, upward


def test_models_tasks_and_truncation_do_not_know_each_other() -> None:
    met = [f"{module} → {other}" for module, other in imports() if (room(module), room(other)) in STRANGERS]
    assert not met, met


@pytest.mark.parametrize("name", WITHOUT_TORCH)
def test_what_needs_no_torch_does_not_load_it(name: str) -> None:
    modules = [
        ".".join(["artbp_exp", *path.relative_to(PACKAGE).with_suffix("").parts]).removesuffix(".__init__")
        for path in sorted((PACKAGE / name).rglob("*.py"))
    ]
    code = f"import sys, {', '.join(modules)}; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_no_folder_holds_too_many_files() -> None:
    folders = {path.parent for path in PACKAGE.rglob("*.py")}
    full = {
        f.name: n for f in folders if (n := len([p for p in f.glob("*.py") if p.name != "__init__.py"])) > MOST_FILES
    }
    assert not full, full
