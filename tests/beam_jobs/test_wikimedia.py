"""A dump of a wiki through the stages: every line accounted for, beside a WARC file, alike however it is packed."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import msgspec
import pyarrow.parquet as pq
import pytest
import wikimedia_dump as dumps
from archives import page, write_warc

from beam_jobs.cli import main
from beam_jobs.inputs import find_archives
from obelics_pipeline.document import ImageNode
from obelics_pipeline.errors import InputError
from obelics_pipeline.tables import documents_of

CONFIG = """
extract: {main_content: true, range_bytes: 40000}
filter:
  paragraph: {word_count: {min: 2}}
  document: {word_count: {min: 10}}
"""


@pytest.fixture(scope="module")
def config_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("config") / "wiki.yaml"
    path.write_text(CONFIG)
    return path


@pytest.fixture(scope="module")
def dump(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return dumps.write(tmp_path_factory.mktemp("dump") / "enwiki-NS0-20240601-ENTERPRISE-HTML.json.tar.gz")


def run(stage: str, config: Path, output: Path, *inputs: Path) -> None:
    given = ["--input", *map(str, inputs)] if inputs else []
    assert main([stage, "--config", str(config), *given, "--output", str(output)]) == 0


def rows(folder: Path) -> list[dict[str, Any]]:
    return [row for path in sorted(folder.glob("part-*.parquet")) for row in pq.read_table(path).to_pylist()]


@pytest.fixture(scope="module")
def output(dump: Path, config_file: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("out")
    warc = write_warc(
        folder / "a.warc.gz", [("https://a.example/1", "2024-03-01T00:00:00Z", page(1, ["x.png"]))]
    )
    run("extract", config_file, folder / "run", dump, warc)
    run("filter", config_file, folder / "run")
    return folder / "run"


def test_every_line_is_kept_rejected_or_failed(output: Path) -> None:
    expected = Counter(outcome for outcome, _ in dumps.OTHERS)
    failed = Counter(row["error"] for row in rows(output / "failures/extract"))
    assert failed == {"not_json": 2, "not_article": 2, "not_ndjson": 1}
    assert len(rows(output / "documents")) == dumps.ARTICLES + 1
    tally = msgspec.json.decode((output / "documents/_MANIFEST.json").read_bytes())["tally"]["levels"][
        "records"
    ]
    rejected = {kind: expected[kind] for kind in ("redirect", "other_namespace", "empty", "no_url")}
    assert tally["rejected"] == {**rejected, "warcinfo": 1}
    assert tally["failed"] == dict(failed)
    assert tally["in"] == tally["kept"] + sum(tally["rejected"].values()) + sum(tally["failed"].values())


def test_failures_say_where_they_are(output: Path, dump: Path) -> None:
    packed = dumps.tar(dumps.members())
    for row in rows(output / "failures/extract"):
        assert row["warc_filename"] == dump.name
        if row["error"] == "not_article":
            assert packed[row["warc_offset"] :].startswith((b'{"name": 98', b"{}\n"))


def test_articles_travel_with_language_licence_and_origin(output: Path, dump: Path) -> None:
    documents = [
        document
        for path in sorted((output / "filtered").glob("part-*.parquet"))
        for document in documents_of(pq.read_table(path))
    ]
    wiki = [document for document in documents if document.domain == "wikipedia.org"]
    assert len(wiki) == dumps.ARTICLES
    first = wiki[0]
    assert (first.language, first.license, first.title) == ("en", dumps.LICENSE["url"], "Light 0")
    assert first.source.crawl == "enwiki-NS0-20240601-ENTERPRISE-HTML"
    assert (first.source.warc_filename, first.source.warc_record_id) == (dump.name, "revision:70000")
    assert [document.license for document in documents if document not in wiki] == [None]


def test_an_article_is_interleaved(output: Path) -> None:
    first = next(iter(documents_of(pq.read_table(sorted((output / "documents").glob("part-*.parquet"))[0]))))
    kinds = [
        node.kind if not isinstance(node, ImageNode) else node.url.rpartition("/")[2] for node in first.nodes
    ]
    assert kinds == [
        "Tower_0.png", "caption", "table", "paragraph", "Light_0.jpg", "caption", "heading", "paragraph", "table",
        "View_0_north.jpg", "caption", "View_0_south.jpg", "caption",
    ]  # fmt: skip
    texts = " ".join(node.text for node in first.texts)
    assert "distance of d=3.57{\\sqrt {h}} kilometres" in texts
    assert not [word for word in ("References", "A book", "[1]", "Not to be confused") if word in texts]
    assert first.images[1].caption == "The rock of light 0 at ebb"


def test_plain_lines_are_read_in_ranges_and_give_the_same(
    config_file: Path, tmp_path: Path, output: Path
) -> None:
    for name, data in dumps.members().items():
        (tmp_path / name).write_bytes(data)
    inputs = sorted(tmp_path.glob("*.ndjson"))
    run("extract", config_file, tmp_path / "run", *inputs)
    assert len(list((tmp_path / "run/documents").glob("part-*.parquet"))) > len(inputs)
    packed = {row["id"]: row["nodes"] for row in rows(output / "documents") if row["license"]}
    plain = rows(tmp_path / "run/documents")
    assert {row["id"]: row["nodes"] for row in plain} == packed
    for row in plain:
        data = (tmp_path / row["warc_filename"]).read_bytes()
        line = data[row["warc_offset"] :][: row["warc_length"]]
        assert msgspec.json.decode(line)["url"] == row["url"]


def test_an_article_is_explained(
    tmp_path: Path, config_file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data = dumps.members()["enwiki_1.ndjson"]
    (tmp_path / "a.ndjson").write_bytes(data)
    offset = data.index(b"\n") + 1
    assert main(["explain", f"{tmp_path}/a.ndjson#{offset}", "--config", str(config_file)]) == 0
    told = capsys.readouterr().out
    assert "Light 11" in told
    assert "Tower_11.png" in told
    for place, says in (
        (f"a.ndjson#{offset + 1}", "no line there"),
        (f"a.ndjson#{len(data) - 3}", "without the fields of an article"),
        ("a.tar.gz#0", "extract the .ndjson files"),
    ):
        dumps.write(tmp_path / "a.tar.gz")
        assert main(["explain", f"{tmp_path}/{place}", "--config", str(config_file)]) == 2
        assert says in capsys.readouterr().err


@pytest.mark.parametrize(
    ("name", "data", "says"),
    [
        pytest.param("a.tar.gz", b"nothing", "neither a tar file nor lines of JSON", id="no dump"),
        pytest.param("dump.gz", None, r"looks like a dump .* \.tar\.gz", id="a dump of another name"),
    ],
)
def test_names_and_contents_agree(
    dump: Path, tmp_path: Path, name: str, data: bytes | None, says: str
) -> None:
    (tmp_path / name).write_bytes(dump.read_bytes() if data is None else data)
    with pytest.raises(InputError, match=says):
        find_archives([str(tmp_path / name)])
