"""Pages made to break an extractor: each comes back in bounded time and memory, capped and noted if need be."""

from __future__ import annotations

import os
import subprocess
import sys
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from obelics_pipeline.dom.bounds import affordable
from obelics_pipeline.dom.extract import Extraction, ExtractOptions, extract_document
from obelics_pipeline.page import Page

MOST_SECONDS = 2.0 * float(os.environ.get("OBELICS_TEST_SLACK", "3"))
"""A page may take 2 s; the slack (3) is for slow or busy machines, and ``pytest -rP`` shows what was measured."""
MOST_MEMORY = 400_000_000
"""Bytes on top of those of the process and the page."""
N = 100_000


def extract(body: bytes, main_content: bool = True) -> Extraction:
    return extract_document(Page("https://a.example/", body), ExtractOptions(main_content=main_content))


def numbered(pattern: bytes, count: int) -> bytes:
    return b"".join(pattern.replace(b"#", b"%d" % i) for i in range(count))


NESTED = {
    f"{N} nested <{tag}>": b"<p>Before.</p>" + f"<{tag}>".encode() * N + b"x"
    for tag in ("div", "b", "a", "font", "span", "table", "blockquote", "ul><li", "dl><dt", "nav", "footer", "pre")
} | {
    "nested layout tables": b"<table><tr><td>" * N,
    "formatting across paragraphs": b"<p><b>" * N,
    "formatting across blocks": b"<b><div>" * N,
    "links across blocks": b"<a href=x><div>" * N,
    "misnested formatting": b"<a><b></a>" * N,
    "formatting opened again and again": numbered(b"<p><b id=#>", 50_000),
    "formatting that seems closed": numbered(b"<p><b id=#></x>", 50_000),
    "ends in a deep tree": b"<div>" * 50_000 + b"</p>" * 50_000,
    "wrong ends in a deep tree": b"<div>" * 50_000 + b"</span>" * 50_000,
    "custom elements": b"<x-y>" * N,
    "nested math": b"<math>" * N,
    "nested templates": b"<template>" * N,
}  # fmt: skip
LARGE = {
    "50 MB": b"<p>A short paragraph, with <b>markup</b> in it.</p>\n" * 1_000_000,
    "1 M attributes": b"<p>Before.</p><div " + numbered(b"a#=1 ", 1_000_000) + b">x</div>",
    "1 M attributes without spaces": b"<div " + numbered(b'a#=""', 1_000_000) + b">x</div>",
    "1 M distinct elements": numbered(b"<x#>a</x#>", 1_000_000),
    "distinct attributes": numbered(b"<i a#=1>a</i>", 500_000),
    "class of 200,000 characters": b"<div class='" + b"menu nav " * 22_222 + b"'>x</div>",
    "distinct classes": numbered(b"<div class='a# b#'>x</div>", 50_000),
    "NUL": b"<p>a\0b</p>\0<img src='a\0.png'>" + b"\0" * 1_000_000,
    "5 M times <": b"<" * 5_000_000,
    "text without tags": b"a" * 10_000_000,
    "spaces": b" " * 10_000_000,
    "bad entities": b"&a" * 5_000_000,
    "comments": b"<!--" * 2_000_000,
    "scripts in scripts": b"<script>" + b"<!--<script>" * 500_000,
    "title": b"<title>" + b"a " * 5_000_000,
    "UTF-16": ("<p>hi " * 1_000_000).encode("utf-16"),
    "undeclared charset": b"<p>\xe9 caf\xe9 " * 1_000_000,
}
PICTURES = {
    "100,000 images": numbered(b"<img src=/i#.png>", N),
    "100,000 qualities of a picture": numbered(b"<img src=/i.png?#>", N),
    "images between texts": numbered(
        b"<p>Some text that is long enough to count.</p><img src=/#.png width=400>", N
    ),
    "srcset of 100,000 candidates": b"<img srcset='" + numbered(b"/i#.png #w, ", N) + b"'>",
    "srcset of parentheses": b"<img srcset='a " + b"(" * 1_000_000 + b"'>",
    "srcset of commas": b"<img srcset='" + b"a, " * 1_000_000 + b"'>",
    "srcset of spaces": b"<img srcset='a" + b" " * 1_000_000 + b"'>",
    "sources": b"<picture>" + b"<source srcset='a.png 1x'>" * N + b"<img src=a.png>" * N,
    "noscripts": b"<img src=b.png>t<noscript><img src=a.png></noscript>" * N,
    "names like placeholders": (b"<img src='" + b"lazy" * 400 + b"'>") * 5_000,
    "long address": b"<img src='/" + b"../" * 1_000_000 + b".png'>",
    "long base": b"<base href='/" + b"a" * 1_000_000 + b"'>" + b"<img src=x.png>" * 10_000,
    "captions": b"<figure><img src=a.png><figcaption>Cap</figcaption></figure>" * 50_000,
    "one figure": b"<figure>" + b"<img src=a.png>" * N + b"<figcaption>Cap</figcaption></figure>",
}
REPEATED = {
    "list items": b"<ul>" + b"<li>item</li>" * N,
    "items under deep lists": b"<ul><li>a" * 200 + b"<p>x</p>" * N,
    "items under deep boxes": b"<div>" * 290 + b"<ul>" + b"<li>item</li>" * N,
    "lists": b"<ul><li>item</ul>" * N,
    "table rows": b"<table>" + b"<tr><td>a<td>b</tr>" * N,
    "a row of cells": b"<table><tr>" + b"<td>a" * N,
    "paragraphs in a cell": b"<table><tr><td>" + b"<p>a" * N,
    "tables": b"<table><tr><td>a<td>b</tr></table>" * 50_000,
    "paragraphs in a deep tree": b"<div>" * 290 + b"<p>some words</p>" * N,
    "deep trees": (b"<div>" * 290 + b"<p>some words</p>" + b"</div>" * 290) * 600,
    "one text again and again": b"<p>All the same, this text, again and again.</p>" * N,
    "headings": b"<h2>Heading</h2>" * N,
    "lines": b"a<br>" * N,
    "formulas": b"a<math><mi>x</mi></math>" * N,
    "codes": b"<pre>a</pre>" * N,
    "footers": b"<footer>a</footer>" * N,
}  # fmt: skip
PAGES = NESTED | LARGE | PICTURES | REPEATED


@pytest.mark.parametrize("main_content", [True, False], ids=["main content", "whole page"])
@pytest.mark.parametrize("name", PAGES)
def test_page_takes_bounded_time(name: str, main_content: bool) -> None:
    page = PAGES[name]
    start = time.process_time()
    extraction = extract(page, main_content)
    seconds = time.process_time() - start
    print(f"{seconds:.2f} s, {len(extraction.document.nodes)} nodes, {extraction.notes}")
    assert seconds < MOST_SECONDS
    assert all(node.text.strip() for node in extraction.document.texts)


MEMORY = """
import sys
from pathlib import Path
from obelics_pipeline.dom.extract import ExtractOptions, extract_document
from obelics_pipeline.page import Page

def most_memory():
    status = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
    return int(status["VmHWM"].split()[0]) * 1024

page = Page("https://a.example/", sys.stdin.buffer.read())
before = most_memory()
extract_document(page, ExtractOptions(main_content=False))
print(most_memory() - before)
"""


@pytest.mark.parametrize(
    "name",
    [
        "50 MB",
        "1 M distinct elements",
        "formatting opened again and again",
        "deep trees",
        "undeclared charset",
    ],
)
def test_page_takes_bounded_memory(name: str) -> None:
    run = subprocess.run([sys.executable, "-c", MEMORY], input=PAGES[name], capture_output=True, timeout=120)
    assert run.returncode == 0, run.stderr.decode()
    print(f"{int(run.stdout) / 1e6:.0f} MB")
    assert 0 < int(run.stdout) < MOST_MEMORY


@pytest.mark.parametrize(
    ("name", "note"),
    [
        pytest.param("50 MB", "page_cut_at_bytes", id="by bytes"),
        pytest.param("table rows", "page_cut_at_nodes", id="by elements"),
        pytest.param(f"{N} nested <div>", "page_cut_at_cost", id="by nesting"),
        pytest.param("1 M attributes", "page_cut_at_cost", id="by attributes of one element"),
        pytest.param("1 M attributes without spaces", "page_cut_at_cost", id="by attributes without spaces"),
        pytest.param("1 M distinct elements", "page_cut_at_cost", id="by names of elements"),
        pytest.param("distinct attributes", "page_cut_at_cost", id="by names of attributes"),
        pytest.param("formatting opened again and again", "page_cut_at_cost", id="by formatting"),
        pytest.param(
            "formatting that seems closed", "page_cut_at_cost", id="by formatting that seems closed"
        ),
    ],
)
def test_what_is_cut_is_noted(name: str, note: str) -> None:
    assert note in extract(PAGES[name]).notes


def test_what_stands_before_a_cut_is_kept() -> None:
    for name in ("1 M attributes", f"{N} nested <div>"):
        assert extract(PAGES[name], main_content=False).document.texts[0].text == "Before."


@pytest.mark.parametrize(
    "page",
    [
        pytest.param(b"", id="empty"),
        pytest.param(b"<p>short</p>", id="short"),
        pytest.param(b"<p>" * 20_000 + b"<li>" * 20_000, id="elements that end each other"),
        pytest.param(b"<p>one<br><img src=a.png>" * 5_000, id="elements without content"),
        pytest.param(b"<div><p>one <b>two</b></p></div>" * 20_000, id="many tags, all closed"),
        pytest.param(b"<font color=red><p>one" * 200 + b"<p>two</p>" * 20_000, id="formatting left open"),
        pytest.param(b"<p data-x='" + b"a b=c " * 100_000 + b"'>", id="a long attribute"),
        pytest.param(b"<script>" + b"if (a < b) { c = 1 } " * 100_000 + b"</script>", id="a long script"),
    ],
)
def test_pages_that_people_write_are_not_cut(page: bytes) -> None:
    assert affordable(page) == len(page)


@pytest.mark.parametrize("end", range(1, 40, 3))
def test_truncated_markup_gives_what_was_there(end: int) -> None:
    page = b"<p>Whole.</p>" + b"<p class='x' <img src=\"a.png&amp;&#x <!-- <![CDATA["[:end]
    assert extract(page, main_content=False).document.texts[0].text == "Whole."


def test_invalid_text_becomes_valid() -> None:
    page = b"<meta charset=utf-8><p>\xed\xa0\x80 lone \xff\xfe end &#xD800; &#0; \xc3</p><img src='a.png' alt='\xff'>"
    document = extract(page, main_content=False).document
    for text in (*(node.text for node in document.texts), document.images[0].alt or ""):
        text.encode("utf-8")
    assert "lone" in document.texts[0].text


@given(st.binary(max_size=300) | st.text(alphabet="<>/=\"' abptdr!-&;\0é", max_size=300).map(str.encode))
def test_any_bytes_give_a_document(page: bytes) -> None:
    for main_content in (True, False):
        extract(page, main_content)
