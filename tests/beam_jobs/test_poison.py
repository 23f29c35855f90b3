"""A page that kills the process which extracts it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pyarrow.parquet as pq
import pytest
import wikimedia_dump as dumps

from beam_jobs import io
from beam_jobs.config import Config
from beam_jobs.extract import extract_part
from beam_jobs.parts import Part, Workspace, run_part
from beam_jobs.poison import MAX_DEATHS, Deaths
from obelics_pipeline.accounting import Tally
from obelics_pipeline.manifest import decode

KILLED_AT = """
import os, signal, sys
from beam_jobs import cli, extract

right = extract.extract_document
def deadly(page, options):
    if page.url.endswith(sys.argv[1]):
        os.kill(os.getpid(), signal.SIGKILL)
    return right(page, options)
extract.extract_document = deadly
sys.exit(cli.main(sys.argv[2:]))
"""
"""`obelics`, which dies at pages of some address."""


def extract(deadly: str, archive: Path, output: Path) -> int:
    """The exit code of the command."""
    config = output.parent / "config.yaml"
    config.write_text("extract: {main_content: false, range_bytes: 4000, max_failed_share: 0.1}\n")
    given = ["extract", "--config", config, "--input", archive, "--output", output]
    return subprocess.run([sys.executable, "-c", KILLED_AT, deadly, *given], timeout=120).returncode


def rows(folder: Path) -> list[dict[str, object]]:
    return [row for path in sorted(folder.glob("*.parquet")) for row in pq.read_table(path).to_pylist()]


def test_the_same_command_passes_a_deadly_page_over_in_the_end(archive: Path, tmp_path: Path) -> None:
    codes = [extract("/page/7", archive, tmp_path / "out") for _ in range(MAX_DEATHS + 2)]
    assert codes == [-signal.SIGKILL] * (MAX_DEATHS + 1) + [0]
    assert extract("none", archive, tmp_path / "whole") == 0
    (failure,) = rows(tmp_path / "out/failures/extract")
    found, wanted = rows(tmp_path / "out/documents"), rows(tmp_path / "whole/documents")
    (lost,) = [row for row in wanted if str(row["url"]).endswith("/page/7")]
    assert found == [row for row in wanted if row != lost]
    assert (failure["url"], failure["error"]) == (lost["url"], "process_died")
    assert failure["warc_offset"] == lost["warc_offset"]
    assert failure["message"] == "the process died 2 times while it extracted this page"
    manifest = tmp_path / "out/documents/_MANIFEST.json"
    assert decode(manifest.read_bytes(), str(manifest)).tally.level("pages").failed == {"process_died": 1}
    assert not list(tmp_path.glob("out/_work/**/*"))


@pytest.fixture(params=["folder", "s3"])
def root(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "s3":
        request.getfixturevalue("bucket")
        return "s3://bucket/scratch"
    return str(tmp_path)


def attempt(path: str, at: str | None = None) -> Deaths:
    """An attempt that is killed, at a page or between pages: nobody closes it."""
    deaths = Deaths(path)
    deaths.begin("before")
    deaths.end()
    if at is not None:
        deaths.begin(at)
    return deaths


@pytest.mark.parametrize(
    ("killed_at", "deaths"),
    [
        pytest.param(["a"], {}, id="the first attempt takes nothing down"),
        pytest.param([None, "a"], {"a": 1}, id="the second does"),
        pytest.param([None, "a", "a"], {"a": 2}, id="twice at the same page"),
        pytest.param([None, "a", "b", "a"], {"a": 2, "b": 1}, id="by chance at another in between"),
        pytest.param([None, None, None], {}, id="between pages"),
    ],
)
def test_deaths_are_those_of_attempts_that_watched(
    killed_at: list[str | None], deaths: dict[str, int], root: str
) -> None:
    for page in killed_at:
        attempt(f"{root}/part-00000", page)
    last = Deaths(f"{root}/part-00000")
    assert {page: last.of(page) for page in ("a", "b", "before") if last.of(page)} == deaths


def test_an_attempt_that_another_overtakes_did_not_die(root: str) -> None:
    path = f"{root}/part-00000"
    attempt(path)
    attempt(path, "a")
    slow = attempt(path, "a")
    other = Deaths(path)
    assert other.of("a") == 2
    slow.end()
    assert other.of("a") == 1
    slow.begin("b")
    assert (other.of("a"), other.of("b")) == (1, 0)


def test_an_attempt_that_fails_with_an_error_leaves_nothing(root: str) -> None:
    path = f"{root}/part-00000"

    def fail() -> None:
        with Deaths(path) as deaths:
            deaths.begin("a")
            raise OSError("no room")

    with pytest.raises(OSError, match="no room"):
        fail()
    assert io.sizes(f"{root}/*") == {}
    attempt(path)
    with pytest.raises(OSError, match="no room"):
        fail()
    assert Deaths(path).of("a") == 0


def test_the_first_attempt_writes_once(tmp_path: Path) -> None:
    deaths = Deaths(str(tmp_path / "part-00000"))
    (path,) = tmp_path.iterdir()
    written = os.stat(path)
    for page in ("a", "b"):
        deaths.begin(page)
        deaths.end()
    assert (os.stat(path).st_ino, os.stat(path).st_mtime_ns) == (written.st_ino, written.st_mtime_ns)


def test_pages_without_an_offset_are_told_apart(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    begun: list[str] = []
    monkeypatch.setattr(Deaths, "begin", lambda self, page: begun.append(page))
    path = dumps.write(tmp_path / "enwiki-NS0-20240601-ENTERPRISE-HTML.json.tar.gz")
    config = Config()

    def work(part: Part) -> Tally:
        return extract_part(part, str(path), 0, path.stat().st_size, config.extract, config.manners)

    run_part(Workspace(str(tmp_path), "extract", "f" * 32), 0, work)
    assert len(set(begun)) == len(begun) == dumps.ARTICLES
