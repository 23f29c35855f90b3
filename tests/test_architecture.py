"""The shape of the project: layers, sizes, marks, scripts and what the wheel holds."""

from __future__ import annotations

import ast
import os
import re
import shutil
import subprocess
import sys
from configparser import ConfigParser
from pathlib import Path
from zipfile import ZipFile

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from obelics_pipeline import compiled

ROOT = Path(__file__).parents[1]
LAYERS = {
    "obelics_pipeline": {"filters", "beam_jobs", "configs", "tests", "apache_beam"},
    "filters": {"beam_jobs", "configs", "tests", "apache_beam"},
    "beam_jobs": {"tests"},
    "configs": {"obelics_pipeline", "filters", "beam_jobs", "tests", "apache_beam"},
}
"""What each package may not import, at any depth: imports point one way."""

MAX_FILE_LINES = 400
MAX_FUNCTION_LINES = 60
MAX_PARAMETERS = 8
UNFINISHED = re.compile(r"\b(TODO|FIXME|XXX|raise NotImplementedError)\b")

MODULES = [path for layer in LAYERS for path in sorted(ROOT.joinpath(layer).rglob("*.py"))]
DOCUMENTATION = [*sorted(ROOT.glob("*.md")), *sorted(ROOT.joinpath("docs").glob("*.md"))]
SCRIPTS = [*sorted(filter(Path.is_file, ROOT.joinpath("scripts").iterdir())), ROOT / ".ci/run"]
every_module = pytest.mark.parametrize("module", MODULES, ids=lambda path: str(path.relative_to(ROOT)))


def imported(source: str) -> set[str]:
    """The top-level packages that a module imports, also inside functions."""
    names = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            names.add(node.module)
    return {name.partition(".")[0] for name in names}


def oversized(source: str) -> list[str]:
    """Functions that are too long or take too many parameters, docstrings and ``self`` not counted."""
    found = []
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            lines = node.end_lineno - node.lineno + 1
            given = [*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs]
            parameters = sum(argument.arg not in {"self", "cls"} for argument in given)
            if lines > MAX_FUNCTION_LINES or parameters > MAX_PARAMETERS:
                found.append(f"{node.name}: {lines} lines, {parameters} parameters")
    return found


@every_module
def test_imports_point_one_way(module: Path) -> None:
    forbidden = LAYERS[module.relative_to(ROOT).parts[0]]
    assert imported(module.read_text()) & forbidden == set()


@every_module
def test_sizes(module: Path) -> None:
    source = module.read_text()
    assert source.count("\n") <= MAX_FILE_LINES
    assert oversized(source) == []


@every_module
def test_nothing_is_left_unfinished(module: Path) -> None:
    assert UNFINISHED.findall(module.read_text()) == []
    assert module.name != "utils.py"


@pytest.mark.parametrize(
    ("source", "packages"),
    [
        pytest.param("import apache_beam as beam", {"apache_beam"}, id="plain"),
        pytest.param("from apache_beam.io import fileio", {"apache_beam"}, id="from a module"),
        pytest.param("def f():\n    import filters.base", {"filters"}, id="inside a function"),
        pytest.param("from . import page\nfrom .page import Page", set(), id="relative"),
    ],
)
def test_imports_are_seen(source: str, packages: set[str]) -> None:
    assert imported(source) == packages


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_scripts_run(script: Path) -> None:
    assert os.access(script, os.X_OK), f"chmod +x {script}"
    assert script.read_text().startswith("#!/usr/bin/env bash\n")
    subprocess.run(["bash", "-n", script], check=True)


@pytest.mark.parametrize("page", DOCUMENTATION, ids=lambda path: str(path.relative_to(ROOT)))
def test_links_lead_somewhere(page: Path) -> None:
    links = re.findall(r"\]\((?!https?://)([^)#]+)", page.read_text())
    assert [link for link in links if not page.parent.joinpath(link).exists()] == []


LOCKS = {
    "requirements.lock": ("install_requires", "dev"),
    "requirements-lm.lock": ("lm",),
    "requirements-img2dataset.lock": ("img2dataset",),
    "requirements-views.lock": ("views",),
    "requirements-spark.lock": (),
}
"""Each lock, and the lists of setup.cfg that it satisfies."""


@pytest.mark.parametrize("name", LOCKS)
def test_a_lock_names_no_host_and_hashes_every_package(name: str) -> None:
    lock = (ROOT / name).read_text()
    entries = [
        entry.split("\n") for entry in re.split(r"\n(?=\S)", lock.strip()) if not entry.startswith("#")
    ]
    assert "://" not in lock
    assert [
        entry for entry, *hashes in entries if not entry.endswith("\\") or "--hash=sha256:" not in hashes[0]
    ] == []
    assert len(entries) >= len(requirements(name))


@pytest.mark.parametrize("name", LOCKS)
def test_a_lock_satisfies_the_requirements(name: str) -> None:
    lock = (ROOT / name).read_text()
    locked = {
        canonicalize_name(name): version for name, version in re.findall(r"(?m)^([\w.-]+)==(\S+)", lock)
    }
    missing = [
        str(r) for r in requirements(name) if locked.get(canonicalize_name(r.name), "") not in r.specifier
    ]
    assert missing == [], f"renew {name} (docs/development.md)"


def requirements(lock: str) -> list[Requirement]:
    """What ``lock`` is for, as setup.cfg says."""
    setup = ConfigParser()
    setup.read(ROOT / "setup.cfg")
    lists = {**setup["options.extras_require"], "install_requires": setup["options"]["install_requires"]}
    lines = "\n".join(lists[name] for name in LOCKS[lock])
    return [Requirement(line) for line in lines.split("\n") if line.strip()]


@pytest.mark.parametrize("wish", ["0", "1"], ids=["pure", "compiled"])
def test_the_wheel_holds_the_packages_and_their_data(wish: str, tmp_path: Path) -> None:
    source = tmp_path / "source"
    for package in LAYERS:
        shutil.copytree(
            ROOT / package, source / package, ignore=shutil.ignore_patterns("__pycache__", "*.so")
        )
    for name in ("setup.cfg", "setup.py", "pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, source)
    wanted = {path.relative_to(source).as_posix() for path in source.glob("*/**/*") if path.is_file()}
    if wish == "1":
        if compiled.state() == "no":
            pytest.skip("nothing is compiled here: scripts/setup says why")
        wanted |= {path.relative_to(ROOT).as_posix() for path in compiled.files()}
    build = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", tmp_path, source]
    environment = {**os.environ, "OBELICS_COMPILE": wish}
    subprocess.run(build, check=True, stdout=subprocess.DEVNULL, stdin=subprocess.DEVNULL, env=environment)
    [wheel] = tmp_path.glob("*.whl")
    assert {name for name in ZipFile(wheel).namelist() if ".dist-info/" not in name} == wanted
    assert wheel.name.endswith("-none-any.whl") == (wish == "0")


def test_what_compiled_modules_import_counts_as_their_source() -> None:
    imports = re.compile(r"(?m)^(?:from|import) obelics_pipeline\.([\w.]+)")
    found = {name for path in compiled.sources() for name in imports.findall(path.read_text())}
    within = {f"dom.{name}" for name in compiled.MODULES}
    assert found - within == {name.removesuffix(".py") for name in compiled.READ}
