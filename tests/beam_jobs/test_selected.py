"""Extracting the records that a selection names, and no others."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from beam_jobs import inputs, ranged, selected
from beam_jobs.cli import main
from beam_jobs.http_file import Manners
from beam_jobs.selected import GROUP_BYTES, UNWANTED, Capture, cut, merge
from obelics_pipeline.errors import InputError
from obelics_pipeline.page import Page
from obelics_pipeline.selection import SCHEMA, write_selection
from obelics_pipeline.warc import read_pages
from tests.faultserver import FaultServer
from tests.rangeserver import cut as cut_after
from tests.rangeserver import reset, says, serve, whole

NAME = "crawl-data/CC-MAIN-2024-10/warc/a.warc.gz"


@pytest.fixture(autouse=True)
def _no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ranged, "FIRST_WAIT", 0.001)


@pytest.fixture(scope="module")
def server() -> Iterator[FaultServer]:
    with FaultServer() as running:
        yield running


def captures(archive: Path) -> list[dict[str, Any]]:
    """A row for each page of an archive."""
    with archive.open("rb") as stream:
        pages = [item for item in read_pages(stream, archive.name) if isinstance(item, Page)]
    return [
        {"url": page.url, "warc_record_offset": page.source.warc_offset, "warc_record_length": page.source.warc_length}
        for page in pages
    ]  # fmt: skip


def select(path: Path, rows: Sequence[dict[str, Any]], archives: str, name: str = NAME) -> Path:
    table = [dict.fromkeys(SCHEMA.names) | {"warc_filename": name} | row for row in rows]
    with path.open("wb") as stream:
        write_selection(stream, [pa.RecordBatch.from_pylist(table, SCHEMA)], archives, {})
    return path


def extract(chosen: object, output: Path, config: Path) -> int:
    return main(["extract", "--config", str(config), "--input", str(chosen), "--output", str(output)])


def documents(output: Path) -> list[dict[str, Any]]:
    files = sorted(output.glob("documents/*.parquet"))
    return [row for path in files for row in pq.read_table(path).to_pylist()]


def failures(output: Path) -> list[tuple[int, str]]:
    files = sorted(output.glob("failures/extract/*.parquet"))
    rows = [row for path in files for row in pq.read_table(path).to_pylist()]
    return [(row["warc_offset"], row["error"]) for row in rows]


@pytest.fixture
def strict(tmp_path: Path) -> Path:
    path = tmp_path / "strict.yaml"
    path.write_text("extract: {main_content: false, range_bytes: 4000, max_failed_share: 0}\n")
    return path


@pytest.fixture
def lenient(tmp_path: Path) -> Path:
    path = tmp_path / "lenient.yaml"
    path.write_text("extract: {main_content: false, max_failed_share: 1}\n")
    return path


def test_selected_documents_are_those_of_whole_archives(
    archive: Path, strict: Path, tmp_path: Path, server: FaultServer
) -> None:
    served = serve("crawl-data", archive.read_bytes())
    rows = captures(archive)[3::2]
    chosen = select(tmp_path / "selection.parquet", rows, server.url(""))
    assert extract(server.url(NAME), tmp_path / "all", strict) == 0
    served.clear()
    assert extract(chosen, tmp_path / "some", strict) == 0
    assert sum(served) <= (1 + UNWANTED) * sum(row["warc_record_length"] for row in rows)
    places = {row["warc_record_offset"] for row in rows}
    expected = [row for row in documents(tmp_path / "all") if row["warc_offset"] in places]
    assert documents(tmp_path / "some") == expected
    assert len(expected) >= 9
    assert expected[0]["crawl"] == "CC-MAIN-2024-10"
    assert len(list((tmp_path / "some").glob("documents/*.parquet"))) > 1


def test_faults_of_the_server_cost_nothing(
    archive: Path, strict: Path, tmp_path: Path, server: FaultServer
) -> None:
    rows = captures(archive)
    chosen = select(tmp_path / "selection.parquet", rows, server.url(""))
    serve("crawl-data", archive.read_bytes())
    assert extract(chosen, tmp_path / "well", strict) == 0
    faults = [says(503), cut_after(100), whole, cut_after(7, reset), says(403, b"SlowDown"), cut_after(0)]
    serve("crawl-data", archive.read_bytes(), faults * 2)
    assert extract(chosen, tmp_path / "badly", strict) == 0
    assert documents(tmp_path / "badly") == documents(tmp_path / "well") != []


def test_a_server_that_gives_nothing_ends_the_run(
    archive: Path, strict: Path, tmp_path: Path, server: FaultServer, capsys: pytest.CaptureFixture[str]
) -> None:
    serve("crawl-data", archive.read_bytes(), (says(503) for _ in range(10_000)))
    chosen = select(tmp_path / "selection.parquet", captures(archive), server.url(""))
    assert extract(chosen, tmp_path / "out", strict) == 1
    assert "given up after 12 attempts (HTTP 503)" in capsys.readouterr().err
    assert extract(server.url(NAME), tmp_path / "out", strict) == 1
    assert "given up after 12 attempts (HTTP 503)" in capsys.readouterr().err
    serve("crawl-data", archive.read_bytes())
    assert extract(chosen, tmp_path / "out", strict) == 0


def test_an_archive_that_is_lost_under_way_is_no_mistake_of_the_command(
    archive: Path, strict: Path, tmp_path: Path, server: FaultServer, capsys: pytest.CaptureFixture[str]
) -> None:
    serve("crawl-data", archive.read_bytes(), (says(404) for _ in range(10_000)))
    assert extract(server.url(NAME), tmp_path / "out", strict) == 1
    assert "HTTP 404: there is no such file" in capsys.readouterr().err


def test_local_archives_name_their_crawl_as_when_read_whole(
    archive: Path, strict: Path, tmp_path: Path
) -> None:
    chosen = select(tmp_path / "selection.parquet", captures(archive), str(archive.parent), archive.name)
    assert extract(chosen, tmp_path / "some", strict) == 0
    assert extract(archive, tmp_path / "all", strict) == 0
    assert documents(tmp_path / "some") == documents(tmp_path / "all") != []


@pytest.mark.parametrize(
    ("wrong", "error"),
    [
        pytest.param({"warc_record_offset": 1}, "not_there", id="in the middle of another"),
        pytest.param({"warc_record_offset": 10**9}, "not_there", id="beyond the end"),
        pytest.param({"url": "http://other.example/"}, "not_there", id="another address"),
        pytest.param({"warc_record_length": 200}, "corrupt_header", id="too short"),
        pytest.param({"warc_record_length": 10**6}, "not_there", id="too long"),
        pytest.param({"warc_filename": f"{NAME}.gz"}, "not_there", id="no such archive"),
    ],
)
def test_a_record_that_is_not_where_it_should_be_is_a_failure(
    archive: Path, lenient: Path, tmp_path: Path, wrong: dict[str, Any], error: str
) -> None:
    path = tmp_path / NAME
    path.parent.mkdir(parents=True)
    path.write_bytes(archive.read_bytes())
    good, bad = captures(archive)[2:4]
    rows = sorted(
        [good, bad | wrong], key=lambda row: (row.get("warc_filename", NAME), row["warc_record_offset"])
    )
    chosen = select(tmp_path / "selection.parquet", rows, str(tmp_path))
    assert extract(chosen, tmp_path / "out", lenient) == 0
    assert [row["url"] for row in documents(tmp_path / "out")] == [good["url"]]
    assert failures(tmp_path / "out") == [((bad | wrong)["warc_record_offset"], error)]


def test_too_many_records_that_are_not_there_end_the_run(
    archive: Path, strict: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    chosen = select(tmp_path / "selection.parquet", captures(archive), str(tmp_path))
    assert extract(chosen, tmp_path / "out", strict) == 1
    assert "of 24 records failed (not_there: 24)" in capsys.readouterr().err


def test_an_empty_selection_is_the_callers_mistake(tmp_path: Path) -> None:
    chosen = select(tmp_path / "selection.parquet", [], "https://a.example/")
    with pytest.raises(InputError, match="nothing is selected"):
        inputs.find_archives([str(chosen)])


GAPS = st.lists(st.tuples(st.integers(0, 30_000), st.integers(1, 2_000_000)), min_size=1, max_size=60)


def laid_out(gaps: list[tuple[int, int]]) -> list[Capture]:
    found, position = [], 0
    for gap, length in gaps:
        found.append(Capture("a", position + gap, length, None))
        position += gap + length
    return found


@given(gaps=GAPS, gap_bytes=st.integers(0, 40_000))
def test_groups_hold_every_capture_once_and_little_else(gaps: list[tuple[int, int]], gap_bytes: int) -> None:
    given_ = laid_out(gaps)
    groups = list(merge(given_, gap_bytes))
    assert [capture for group in groups for capture in group.captures] == given_
    for group in groups:
        wanted = sum(capture.length for capture in group.captures)
        assert wanted <= group.stop - group.start <= (1 + UNWANTED) * wanted
        assert len(group.captures) == 1 or group.stop - group.start <= GROUP_BYTES
        ends = [capture.offset + capture.length for capture in group.captures]
        assert all(b.offset - end <= gap_bytes for end, b in zip(ends, group.captures[1:], strict=False))


def test_near_records_are_read_together() -> None:
    near = laid_out([(100, 1_000), (100, 1_000), (100, 1_000), (5_000, 1_000)])
    assert [len(group.captures) for group in merge(near, 100)] == [3, 1]
    assert [len(group.captures) for group in merge(near, 99)] == [1, 1, 1, 1]


@given(lengths=st.lists(st.integers(1, 500), min_size=1, max_size=200), range_bytes=st.integers(1, 5_000))
def test_parts_are_all_rows_in_order_and_of_like_bytes(
    tmp_path_factory: pytest.TempPathFactory, lengths: list[int], range_bytes: int
) -> None:
    rows = [
        {"warc_record_offset": capture.offset, "warc_record_length": capture.length}
        for capture in laid_out([(3, length) for length in lengths])
    ]
    path = str(select(tmp_path_factory.getbasetemp() / "cut.parquet", rows, ""))
    parts = cut(path, range_bytes, Manners())
    assert [row for first, stop in parts for row in range(first, stop)] == list(range(len(lengths)))
    read = [sum(lengths[first:stop]) for first, stop in parts]
    assert max(read) < range_bytes + max(lengths)
    assert len(parts) <= sum(lengths) / range_bytes + 1


def test_a_part_reads_its_rows_across_row_groups(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("obelics_pipeline.selection.GROUP_ROWS", 7)
    rows = [{"warc_record_offset": n, "warc_record_length": 1} for n in range(20)]
    path = select(tmp_path / "selection.parquet", rows, "")
    with path.open("rb") as stream:
        opened = selected.open_selection(stream, "x")
        assert opened.file.num_row_groups == 3
        for first, stop in ((0, 20), (5, 15), (7, 14), (19, 20)):
            assert [c.offset for c in selected._captures(opened, first, stop)] == list(range(first, stop))
