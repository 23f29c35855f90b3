"""The config ``pairs`` through the whole build: of released documents alone, each pair once, open to its users."""

from __future__ import annotations

import contextlib
import hashlib
import json
import re
import shutil
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import datasets
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from archives import SENTENCE, write_warc

from beam_jobs.cli import main
from beam_jobs.verify import VerifyOptions, verify
from filters.pairs import PairsOptions
from obelics_pipeline.dataset import described_schema
from obelics_pipeline.errors import RunFailed
from obelics_pipeline.pairs import SCHEMA, SOURCES
from obelics_pipeline.registry.compiling import compile_registry

PAGES: dict[str, list[str]] = {
    "ferry": ['<img src="/300x200-1.png" alt="The ferry at the quay" title="The ferry, at the quay!">'],
    "again": ['<img src="/0300x200-1.png" alt="A ship comes in">'],
    "third": ['<img src="/00300x200-1.png" alt="The white ship leaves">'],
    "shop": [f'<img src="/310x200-{n}.png" alt="Our little shop">' for n in range(3)],
    "poor": ['<img src="/320x200-1.png" alt="Image 1">', '<img src="/320x200-2.png" alt="320x200-2.png">'],
    "figure": [
        '<figure><img src="/330x200-1.png" alt="Nets"><figcaption>Nets, mended.</figcaption></figure>'
    ],
    "gone": ['<img src="/gone.png" alt="What nobody sees">', '<img src="/340x200-1.png" alt="A grey heron">'],
    "garden": ['<img src="/350x200-1.png" alt="A private garden">'],
}
"""Images of pages, between texts; a heading follows the last."""

SAID = {
    ("ferry", "alt", "The ferry at the quay"),
    ("shop", "next_text", f"{SENTENCE} shop 1."),
    ("shop", "next_text", f"{SENTENCE} shop 2."),
    ("poor", "next_text", f"{SENTENCE} poor 1."),
    ("figure", "caption", "Nets, mended."),
    ("gone", "alt", "A grey heron"),
    ("garden", "alt", "A private garden"),
}
"""What is kept, but for the other text of the ferry: that of the document with the least id."""
REFUSED = {
    "empty_words": 1,
    "file_name": 1,
    "per_picture": 1,
    "repeated_text": 3,
    "same_text": 1,
    "word_count": 1,
}


def html(name: str) -> str:
    images = "".join(f"<p>{SENTENCE} {name} {n}.</p>{image}" for n, image in enumerate(PAGES[name]))
    behind = f"<h2>More of {name}</h2><p>{SENTENCE} {SENTENCE}</p>"
    body = images.replace('src="', 'src="http://img.example')
    return f"<html lang=en><title>{name}</title><body><article>{body}{behind}</article></body></html>"


@pytest.fixture(scope="module")
def config(config_file: Path) -> str:
    return config_file.read_text().replace("shard_bytes: 15000", "shards: 2, validation: 0")


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory, config: str) -> Path:
    folder = tmp_path_factory.mktemp("pairs")
    listed = [(f"http://{name}.example/", "2024-03-01T00:00:00Z", html(name)) for name in PAGES]
    archive = write_warc(folder / "pages.warc.gz", listed)
    return run("build", archive, folder / "built", config)


def run(command: str, source: Path, output: Path, config: str, *more: str) -> Path:
    path = output.with_suffix(".yaml")
    path.write_text(config)
    known = ["--config", str(path), "--input", str(source), "--output", str(output), *more]
    assert main([command, *known]) == 0
    return output


def counts(output: Path) -> tuple[int, int, dict[str, int]] | None:
    report = json.loads((output / "report.json").read_bytes())
    levels = next(stage for stage in report["stages"] if stage["stage"] == "export")["tally"]["levels"]
    found = levels.get("pairs")
    return found and (found["in"], found["kept"], found["rejected"])


def files(output: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted((output / "dataset/pairs").glob("*"))}


def rows(output: Path) -> list[dict[str, Any]]:
    return [
        row for name in files(output) for row in pq.read_table(output / "dataset/pairs" / name).to_pylist()
    ]


def said(found: Iterable[dict[str, Any]]) -> list[tuple[str, str, str]]:
    names = ((row["page_url"].split("/")[2].split(".")[0], row) for row in found)
    return sorted((name, row["text_source"], row["text"]) for name, row in names)


def test_every_text_is_accounted_for_and_pictures_keep_the_best(built: Path) -> None:
    found = said(rows(built))
    assert counts(built) == (16, 8, REFUSED)
    assert len(found) == 8
    assert set(found) > SAID
    [other] = set(found) - SAID
    assert other in {("again", "alt", "A ship comes in"), ("third", "alt", "The white ship leaves")}


def test_pairs_show_what_their_documents_show(built: Path) -> None:
    documents = {
        row["id"]: row
        for path in (built / "dataset/data").iterdir()
        for row in pq.read_table(path).to_pylist()
    }
    found = rows(built)
    assert len({row["uid"] for row in found}) == len(found)
    for row in found:
        document = documents[row["doc_id"]]
        assert document["images"][row["slot"]] == row["image"]
        assert hashlib.sha256(row["image"]["bytes"]).hexdigest() == row["sha256"]
        info = document["image_info"][row["slot"]]
        shared = info.keys() & row.keys()
        assert {"width", "phash", "url", "sha256", "original_height"} <= shared
        assert {name: row[name] for name in shared} == {name: info[name] for name in shared}


def test_every_picture_is_in_one_file_in_order_of_the_ids(built: Path) -> None:
    tables = [pq.read_table(built / "dataset/pairs" / name) for name in files(built)]
    assert list(files(built)) == ["train-00000-of-00002.parquet", "train-00001-of-00002.parquet"]
    pictures = [set(table.column("sha256").to_pylist()) for table in tables]
    assert not pictures[0] & pictures[1]
    for table in tables:
        assert table.schema.remove_metadata() == SCHEMA
        assert table.column("uid").to_pylist() == sorted(table.column("uid").to_pylist())


@pytest.mark.parametrize("streaming", [True, False], ids=["streaming", "downloaded"])
def test_datasets_opens_it_with_decoded_images(built: Path, streaming: bool, tmp_path: Path) -> None:
    source = {"data_files": str(built / "dataset/pairs/train-*.parquet"), "cache_dir": str(tmp_path)}
    data = datasets.load_dataset("parquet", split="train", streaming=streaming, **source)
    assert isinstance(data.features["image"], datasets.Image)
    found = list(data)
    assert len(found) == 8
    for row in found:
        assert row["image"].size == (row["width"], row["height"])


def test_img2dataset_finds_its_columns(built: Path) -> None:
    """It reads these two and passes others on, as its options say."""
    columns = {"url_col": "url", "caption_col": "text"}
    for name in files(built):
        table = pq.read_table(
            built / "dataset/pairs" / name, columns=[*columns.values(), "uid", "text_source"]
        )
        assert all(url.startswith("http://img.example/") for url in table.column("url").to_pylist())
        assert all(table.column("text").to_pylist())


def test_the_bytes_do_not_depend_on_the_workers(built: Path, config: str, tmp_path: Path) -> None:
    again = run("export", built, tmp_path / "again", config, "--workers", "2")
    assert files(again) == files(built)


def test_without_pairs_there_is_nothing_of_them(built: Path, config: str, tmp_path: Path) -> None:
    off = run("export", built, tmp_path / "off", config.replace("shards: 2", "shards: 2, pairs: off"))
    assert files(off) == {}
    assert counts(off) is None


def proved(output: Path) -> list[str]:
    """The faults that ``verify`` tells."""
    lines: list[str] = []
    with contextlib.suppress(RunFailed):
        verify(VerifyOptions(str(output / "dataset"), workers=0), lines.append)
    return lines


def test_without_images_there_are_texts_and_addresses(built: Path, config: str, tmp_path: Path) -> None:
    bare = run("export", built, tmp_path / "bare", config.replace("shards: 2", "shards: 2, images: none"))
    assert said(rows(bare)) == said(rows(built))
    assert all(row["image"] is None for row in rows(bare))
    assert [line.rpartition(": ")[2] for line in proved(bare)] == ["no fault"]


def test_a_lost_image_is_a_fault(built: Path, tmp_path: Path) -> None:
    assert [line.rpartition(": ")[2] for line in proved(built)] == ["no fault"]
    output = Path(shutil.copytree(built, tmp_path / "lost"))
    path = next(path for path in (output / "dataset/pairs").iterdir() if pq.read_metadata(path).num_rows > 1)
    found = pq.read_table(path).to_pylist()
    found[-1]["image"], found[0]["text"] = None, " "
    schema = described_schema(SCHEMA)
    pq.write_table(pa.Table.from_pylist(found, schema), path)
    told = [line.partition("row group 0, row ")[2] for line in proved(output) if "row group 0, row " in line]
    assert told == [
        f"0, id {found[0]['uid']}: there is no text",
        f"{len(found) - 1}, id {found[-1]['uid']}: there is no image",
    ]


def test_a_page_that_opts_out_at_last_is_in_no_pair(built: Path, config: str, tmp_path: Path) -> None:
    (tmp_path / "later.csv").write_text("kind,value\nhost,garden.example\n")
    compile_registry([tmp_path / "later.csv"], tmp_path / "later")
    consent = f"\nconsent: {{registries: [{tmp_path / 'later'}]}}\n"
    found = said(rows(run("export", built, tmp_path / "out", config + consent)))
    assert found == [row for row in said(rows(built)) if row[0] != "garden"]


def test_documents_for_validation_are_in_no_pair_to_train_on(
    built: Path, config: str, tmp_path: Path
) -> None:
    halves = run("export", built, tmp_path / "out", config.replace("validation: 0", "validation: 0.5"))
    ids = {
        split: {
            id
            for path in (halves / "dataset/data").glob(f"{split}-*")
            for id in pq.read_table(path, columns=["id"]).column("id").to_pylist()
        }
        for split in ("train", "validation")
    }
    assert ids["validation"]
    assert {row["doc_id"] for row in rows(halves)} <= ids["train"]


def test_every_column_source_rule_and_option_is_documented() -> None:
    page = (Path(__file__).parents[2] / "docs/pairs.md").read_text()
    named = set(re.findall(r"`(\w+)`", page)) | set(re.findall(r"(?m)^    (\w+):", page))
    assert {*SCHEMA.names, *SOURCES, *REFUSED, *PairsOptions.__struct_fields__} - {"word_count"} <= named
