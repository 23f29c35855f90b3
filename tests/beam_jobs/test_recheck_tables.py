"""What opted out is gone from pairs and is not quoted in decisions; tables that lose nothing are the same files."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from beam_jobs.recheck_tables import trim_decisions, trim_pairs
from obelics_pipeline.dataset import IMAGE, described_schema, writer_options
from obelics_pipeline.dataset_decisions import SCHEMA as DECISIONS
from obelics_pipeline.recheck import Tombstone

PAIRS = pa.schema([("uid", pa.string()), ("image", IMAGE), ("doc_id", pa.string()), ("slot", pa.int32())])
NAME = "train-00000-of-00001.parquet"


def table(folder: Path, config: str, schema: pa.Schema, rows: list[dict[str, Any]]) -> Path:
    """Two row groups."""
    (folder / config).mkdir(parents=True)
    described = described_schema(schema)
    with pq.ParquetWriter(folder / config / NAME, described, **writer_options(schema)) as writer:
        for half in (rows[:2], rows[2:]):
            writer.write_table(pa.Table.from_pylist(half, described))
    return folder / config / NAME


def stone(id: str, index: int | None) -> Tombstone:
    return Tombstone(id, "image", index, None, None, "r", "url", "")


@pytest.mark.parametrize(
    ("stones", "left"),
    [
        pytest.param([], "abcd", id="none"),
        pytest.param([stone("a", None)], "bcd", id="a document"),
        pytest.param([stone("b", 2)], "acd", id="an image"),
        pytest.param([stone("b", 1), stone("c", 0)], "abcd", id="images of no pair"),
        pytest.param([stone("c", None), stone("d", None)], "ab", id="a row group"),
    ],
)
def test_pairs_of_what_is_gone_are_gone(tmp_path: Path, stones: list[Tombstone], left: str) -> None:
    rows = [
        {"uid": id * 2, "image": {"bytes": id.encode(), "path": id}, "doc_id": id, "slot": 2} for id in "abcd"
    ]
    source = table(tmp_path / "a", "pairs", PAIRS, rows)
    (tmp_path / "b").mkdir()
    trim_pairs(tmp_path / "a", tmp_path / "b", stones, {})
    target = tmp_path / "b/pairs" / NAME
    assert pq.read_table(target).to_pylist() == [row for row in rows if row["doc_id"] in left]
    assert pq.read_schema(target).metadata == pq.read_schema(source).metadata
    assert target.samefile(source) is (left == "abcd")


@pytest.mark.parametrize(
    ("silent", "denied", "quoted"),
    [
        pytest.param((), False, ["one", "two", None], id="nothing"),
        pytest.param(("http://a.example/",), False, [None, "two", None], id="a page"),
        pytest.param((), True, ["one", None, None], id="images"),
    ],
)
def test_nothing_is_quoted_of_what_is_gone(
    tmp_path: Path, silent: tuple[str, ...], denied: bool, quoted: list[str | None]
) -> None:
    rows: list[dict[str, Any]] = [
        {"id": "1", "url": "http://a.example/", "level": "paragraph", "excerpt": "one"},
        {"id": "2", "url": "http://b.example/", "level": "image", "excerpt": "two"},
        {"id": "3", "url": "http://c.example/", "level": "image", "excerpt": None},
    ]
    source = table(tmp_path / "a", "decisions", DECISIONS, rows)
    (tmp_path / "b").mkdir()
    trim_decisions(tmp_path / "a", tmp_path / "b", lambda urls: silent, denied=denied)
    target = tmp_path / "b/decisions" / NAME
    after = pq.read_table(target)
    assert after.column("excerpt").to_pylist() == quoted
    assert after.drop_columns("excerpt").equals(pq.read_table(source).drop_columns("excerpt"))
    assert target.samefile(source) is (quoted == ["one", "two", None])
