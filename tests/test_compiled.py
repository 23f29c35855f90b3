"""Compiled or not, extraction does the same, and what was compiled of other sources is refused."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from obelics_pipeline import compiled

PACKAGE = compiled.FOLDER
DOCUMENTS = """
import sys
from pathlib import Path

import msgspec

import obelics_pipeline
from obelics_pipeline import compiled
from obelics_pipeline.dom.extract import ExtractOptions, extract_document
from obelics_pipeline.page import Page
from obelics_pipeline.sample.web import pages
from obelics_pipeline.warc import read_pages

print(compiled.state(), Path(obelics_pipeline.__file__).parent)
found = [Page(f"https://{name}", reply.body) for name, reply in pages().items() if reply.body]
if len(sys.argv) > 1:
    with open(sys.argv[1], "rb") as stream:
        found += [page for page in read_pages(stream, "pages") if isinstance(page, Page)][:100]
for page in found:
    for main_content in (True, False):
        document = extract_document(page, ExtractOptions(main_content=main_content)).document
        print(msgspec.json.encode(document).decode())
"""


@pytest.fixture
def pure(tmp_path: Path) -> Path:
    """A folder with the package without anything compiled."""
    ignored = shutil.ignore_patterns("__pycache__", "*.so")
    shutil.copytree(PACKAGE, tmp_path / PACKAGE.name, ignore=ignored)
    return tmp_path


def run(code: str, folder: Path, *arguments: object) -> subprocess.CompletedProcess[str]:
    """Run ``code`` with the package that stands in ``folder``."""
    environment = {**os.environ, "PYTHONPATH": str(folder)}
    command = [sys.executable, "-c", code, *map(str, arguments)]
    return subprocess.run(command, env=environment, cwd=folder, capture_output=True, text=True, timeout=240)


def documents(folder: Path, state: str, *archives: Path) -> list[str]:
    """The documents of the sample site, and of some pages of the archives, as JSON."""
    done = run(DOCUMENTS, folder, *archives)
    assert done.returncode == 0, done.stderr
    head, *lines = done.stdout.splitlines()
    assert head == f"{state} {folder / PACKAGE.name}"
    return lines


def skip_if_pure() -> None:
    if compiled.state() == "no":
        pytest.skip("nothing is compiled here: scripts/setup says why")


def test_the_sample_gives_the_same_documents(pure: Path) -> None:
    skip_if_pure()
    found = documents(PACKAGE.parent, "yes")
    assert len(found) > 50
    assert found == documents(pure, "no")


def test_real_pages_give_the_same_documents(pure: Path, test_data: Path) -> None:
    skip_if_pure()
    pages = test_data / "data/pages/pages.warc.gz"
    found = documents(PACKAGE.parent, "yes", pages)
    assert len(found) > 250
    assert found == documents(pure, "no", pages)


def test_modules_of_other_sources_are_refused(pure: Path) -> None:
    skip_if_pure()
    for path in compiled.files():
        shutil.copy(path, pure / path.relative_to(PACKAGE.parent))
    walk = pure / PACKAGE.name / "dom/walk.py"
    assert run("import obelics_pipeline.dom.walk", pure).returncode == 0
    walk.write_text(walk.read_text() + "\n")
    done = run("import obelics_pipeline.dom.walk", pure)
    assert done.returncode == 1
    assert "run scripts/setup" in done.stderr.splitlines()[-1]


def test_half_of_the_modules_is_nothing(pure: Path) -> None:
    skip_if_pure()
    for path in compiled.files()[:2]:
        shutil.copy(path, pure / path.relative_to(PACKAGE.parent))
    assert "outdated" in run("from obelics_pipeline import compiled; print(compiled.state())", pure).stdout
