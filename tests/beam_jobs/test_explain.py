"""``explain`` shows every node of a page, and the rule that rejected it."""

from __future__ import annotations

import io
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from msgspec.structs import replace
from rich.console import Console

from beam_jobs.cli import main
from beam_jobs.config import Config, load
from beam_jobs.explain import explain, rows_of
from obelics_pipeline.dom.extract import ExtractOptions, extract_document
from obelics_pipeline.dom.nodes import nodes_of
from obelics_pipeline.errors import InputError
from obelics_pipeline.page import Page

PAGE = """<html lang=en><head><title>A title</title></head><body><article>
<p>The harbour wakes slowly, and the boats come home before the town has had its coffee.</p>
<p>Too few</p>
<img src="a.png" alt="Boats at the quay" width=300 height=200>
<p>Later the market opens, and the gulls learn once more what may be stolen and from whom.</p>
</article></body></html>"""


@pytest.fixture
def config(tmp_path: Path) -> Config:
    path = tmp_path / "explain.yaml"
    path.write_text(
        "extract: {main_content: false}\n"
        "filter: {paragraph: {word_count: {min: 4}}, document: {image_count: {min: 2}}}\n"
    )
    return load(str(path))


def lines(place: str, config: Config, url: str | None = None) -> list[str]:
    console = Console(file=io.StringIO(), width=200)
    explain(place, config, url, console)
    assert isinstance(console.file, io.StringIO)
    return [" ".join(line.split()) for line in console.file.getvalue().splitlines()]


def test_a_page_is_shown_node_by_node(tmp_path: Path, config: Config) -> None:
    path = tmp_path / "page.html"
    path.write_text(PAGE)
    shown = lines(str(path), config, "https://a.example/dir/page")
    assert shown[0] == "https://a.example/dir/page"
    assert any(line.endswith("paragraph Too few word_count: 2 < 4") for line in shown)
    assert any("image https://a.example/dir/a.png" in line for line in shown)
    assert any("paragraph The harbour wakes slowly" in line and "word_count" not in line for line in shown)
    assert "document: rejected by image_count: 1 < 2" in shown


LIST = """<body><ul><li>one</li><li>two</li><li>three</li></ul>
<img src=a.png><p>A paragraph</p></body>"""


def test_nodes_outside_the_main_content_stand_in_their_places() -> None:
    whole = extract_document(Page("https://a.example/", LIST.encode()), ExtractOptions(main_content=False))
    one, two, three, picture, paragraph = whole.tree.blocks
    kept = [two, three, paragraph]
    document = replace(whole.document, nodes=nodes_of(kept, whole.tree.blocks, whole.finder))
    assert [
        (row.index, getattr(row.node, "text", None), row.blocks)
        for row in rows_of(replace(whole, document=document, kept=kept))
    ] == [
        (None, "- one", [one]),
        (0, "- two\n- three", [two, three]),
        (None, None, [picture]),
        (1, "A paragraph", [paragraph]),
    ]


def test_scores_are_what_main_content_decides_by(tmp_path: Path) -> None:
    path = tmp_path / "page.html"
    path.write_text("<nav><a href=/>Home</a> <a href=/x>Contact us</a></nav>" + PAGE)
    rows = [line.split() for line in lines(str(path), load("default"), "https://a.example/dir/page")]
    menu = next(row for row in rows if "Home" in row)
    story = next(row for row in rows if "harbour" in row)
    assert menu[-1] == "main_content"
    assert float(menu[0]) < 0 < float(story[1])


def test_a_page_of_an_archive_is_found_by_its_offset(archive: Path, config: Config, tmp_path: Path) -> None:
    assert main(["extract", "--config", "default", "--input", str(archive), "--output", str(tmp_path)]) == 0
    row = pq.read_table(next(tmp_path.glob("documents/*.parquet"))).to_pylist()[3]
    shown = lines(f"{archive}#{row['warc_offset']}", config)
    assert shown[0] == row["url"]


@pytest.mark.parametrize(
    ("place", "says"),
    [
        pytest.param("{archive}#1", "1", id="no record begins there"),
        pytest.param("{archive}#0", "no page", id="a record that is no page"),
        pytest.param("{archive}", "name a record", id="an archive without an offset"),
        pytest.param("none.warc.gz#0", "no such file", id="no such archive"),
        pytest.param("none.html", "no such file", id="no such page"),
    ],
)
def test_what_is_no_page_is_told(archive: Path, config: Config, place: str, says: str) -> None:
    with pytest.raises(InputError, match=says):
        lines(place.format(archive=archive), config)
