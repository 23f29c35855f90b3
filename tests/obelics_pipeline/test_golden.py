"""Pages of our own and the documents they must give: ``tests/golden/<case>``.

``page.html`` in; ``document.json`` is the document of the whole page, ``main.json`` (where the case has one) of its
main content. ``url.txt`` and ``headers.json`` say where and how the page was served, where that matters, and
``page.json`` what is known beside that. After a
change that is meant, ``REGENERATE_GOLDEN=1 pytest -s tests/obelics_pipeline/test_golden.py`` writes the files anew
and prints what changed, which is to be reviewed like code.
"""

from __future__ import annotations

import difflib
import json
import os
from pathlib import Path
from typing import Any

import pytest

from obelics_pipeline.document import Document, ImageNode, Node
from obelics_pipeline.dom.extract import ExtractOptions, extract_document
from obelics_pipeline.page import Page

GOLDEN = Path(__file__).parents[1] / "golden"
CASES = sorted(path.parent for path in GOLDEN.glob("*/page.html"))
EXPECTED = [case / name for case in CASES for name in ("document.json", "main.json")]


def page_of(case: Path) -> Page:
    url, headers, beside = (case / name for name in ("url.txt", "headers.json", "page.json"))
    return Page(
        url=url.read_text().strip() if url.exists() else "https://island.example/page",
        body=(case / "page.html").read_bytes(),
        headers=tuple((k, v) for k, v in json.loads(headers.read_text())) if headers.exists() else (),
        **(json.loads(beside.read_text()) if beside.exists() else {}),
    )


def shown(node: Node) -> dict[str, Any]:
    """What a node says, without what it leaves open."""
    values = {name: getattr(node, name) for name in node.__struct_fields__ if getattr(node, name)}
    return {"kind": "image", **values} if isinstance(node, ImageNode) else values


def written(document: Document) -> str:
    """A document as the files hold it: one node a line, for diffs that are read."""
    head = {"title": document.title, "consent": document.consent}
    for name in ("canonical", "language", "license"):
        if value := getattr(document, name):
            head[name] = value
    lines = [f'"{name}": {json.dumps(value, ensure_ascii=False)}' for name, value in head.items()]
    nodes = ",\n".join(f"  {json.dumps(shown(node), ensure_ascii=False)}" for node in document.nodes)
    return '{{{},\n"nodes": [\n{}\n]}}\n'.format(",\n".join(lines), nodes)


@pytest.mark.parametrize("expected", EXPECTED, ids=lambda path: f"{path.parent.name}/{path.stem}")
def test_page_gives_document(expected: Path) -> None:
    if expected.name == "main.json" and not expected.exists():
        pytest.skip("the case says nothing of main content")
    options = ExtractOptions(main_content=expected.name == "main.json")
    result = written(extract_document(page_of(expected.parent), options).document)
    before = expected.read_text() if expected.exists() else ""
    diff = "".join(difflib.unified_diff(before.splitlines(True), result.splitlines(True), str(expected)))
    if os.environ.get("REGENERATE_GOLDEN"):
        print(diff)
        expected.write_text(result)
        return
    assert result == before, diff


def test_cases_are_found() -> None:
    assert len(CASES) >= 20
    assert sum(path.exists() for path in EXPECTED if path.name == "main.json") >= 5
