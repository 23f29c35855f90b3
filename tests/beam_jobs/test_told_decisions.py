"""The config `decisions`: what was decided on the sample, and nothing of pages that opt out since."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from msgspec.structs import replace

from beam_jobs import stages
from beam_jobs.cli import main
from beam_jobs.config import load
from beam_jobs.parts import Workspace, run_part
from beam_jobs.stages import ASSEMBLE, Session
from beam_jobs.told_decisions import _records, found_decisions, write_file
from filters.consent.policy import Policy
from obelics_pipeline.dataset_decisions import SCHEMA, row_of
from obelics_pipeline.registry.compiling import compile_registry


@pytest.fixture(scope="module")
def config(config_file: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("config") / "sample.yaml"
    text = config_file.read_text().replace("filter:", "filter:\n  sample_share: 1")
    text = text.replace("assemble:", "assemble:\n  sample_share: 0.5")
    path.write_text(text.replace("dedup: {url: {}}", "dedup: {url: {}, repeated_image: {}}"))
    return path


@pytest.fixture(scope="module")
def built(config: Path, archive: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    output = tmp_path_factory.mktemp("built")
    assert main(["build", "--config", str(config), "--input", str(archive), "--output", str(output)]) == 0
    return output


def rows(folder: Path) -> list[dict[str, Any]]:
    return [row for file in sorted(folder.glob("*.parquet")) for row in pq.read_table(file).to_pylist()]


def written(built: Path, config: Path, output: Path, policy: Policy) -> list[dict[str, Any]]:
    """The rows under another policy."""
    session = Session(load(str(config)), str(output), str(built))
    decisions = found_decisions(session, stages.read_manifest(str(built), ASSEMBLE), 5)
    records = [record for table in decisions.tables for _, record in _records(decisions, table)]
    assert decisions.files == 1
    asked = replace(session.config, consent=policy)
    space = Workspace(str(output), "export", "f" * 32)
    run_part(space, 5, lambda part: write_file(part, "", records, decisions, asked))
    return rows(output / "dataset/decisions")


def test_the_sample_has_all_its_decisions(built: Path) -> None:
    told = rows(built / "dataset/decisions")
    made = {stage: rows(built / "decisions" / stage) for stage in ("assemble", "dedup", "filter")}
    assert all(made.values())
    counted = Counter((row["stage"], row["id"], row["rule"], row["index"], row["kept"]) for row in told)
    known = Counter(
        (stage, row["id"], row["rule"], row["index"], row["kept"])
        for stage, found in made.items()
        for row in found
    )
    assert counted <= known
    assert {key: n for key, n in (known - counted).items() if key[0] != "assemble"} == {}
    assert list(told[0]) == SCHEMA.names
    assert [row["stage"] for row in told] == sorted(row["stage"] for row in told)
    assert len({row["run_id"] for row in told}) == 1
    assert all(row["excerpt"] for row in told)


def test_each_row_says_which_crawl_it_is_of(built: Path) -> None:
    crawls = {row["crawl"] for row in rows(built / "dataset/decisions")}
    assert crawls == {row["crawl"] for row in rows(built / "documents")}


def test_a_page_that_opts_out_since_is_not_quoted(built: Path, config: Path, tmp_path: Path) -> None:
    (tmp_path / "list.csv").write_text("kind,value\nhost,site1.example\n")
    compile_registry([tmp_path / "list.csv"], tmp_path / "later")
    told = written(built, config, tmp_path, Policy(registries=(str(tmp_path / "later"),)))
    quoted = {row["url"].split("/")[2]: set() for row in told}
    for row in told:
        quoted[row["url"].split("/")[2]].add(row["excerpt"] is not None)
    assert quoted.pop("site1.example") == {False}
    assert set(map(frozenset, quoted.values())) == {frozenset([True])}


def test_under_a_deny_list_no_image_is_named(built: Path, config: Path, tmp_path: Path) -> None:
    told = written(built, config, tmp_path, Policy(deny=(str(tmp_path),)))
    assert {row["excerpt"] is None for row in told if row["level"] == "image"} == {True}
    assert not any("img.example" in str(row["excerpt"]) for row in told)
    assert any(row["excerpt"] for row in told)


def test_tables_of_another_run_are_not_told(built: Path, config: Path) -> None:
    said: list[str] = []
    session = Session(load(str(config)), str(built), str(built), say=said.append)
    assembled = stages.read_manifest(str(built), ASSEMBLE)
    found = found_decisions(session, assembled, 0)
    assert {table.stage for table in found.tables} == {"assemble", "dedup", "filter"}
    assert [entry.path for entry in found.inputs] == ["deduplicated", "filtered"]
    other = replace(assembled, inputs=())
    assert {table.stage for table in found_decisions(session, other, 0).tables} == {"assemble"}
    assert said == [f"export: no decisions of 'dedup': its tables are not in {built}"]


def test_none_are_told_if_that_is_wanted(built: Path, config: Path) -> None:
    quiet = load(str(config))
    session = Session(replace(quiet, export=replace(quiet.export, decisions=False)), str(built), str(built))
    assert found_decisions(session, stages.read_manifest(str(built), ASSEMBLE), 3).end == 3


DECISION: dict[str, Any] = {
    "id": "1", "url": "http://me:pw@a.example/?token=1", "domain": "a.example", "level": "image", "index": 2,
    "rule": "r", "value": 1.5, "threshold": 2.0, "op": "<", "kept": False, "excerpt": "",
}  # fmt: skip

EXCERPTS = {
    "an image": ("image", "http://a.example/x.png?token=1&w=2", "http://a.example/x.png?w=2"),
    "a copy": (
        "image",
        "duplicate of 1: http://me:pw@a.example/x.png",
        "duplicate of 1: http://a.example/x.png",
    ),
    "a text": ("paragraph", "see http://a.example/?token=1", "see http://a.example/?token=1"),
}


@pytest.mark.parametrize(("level", "excerpt", "expected"), EXCERPTS.values(), ids=EXCERPTS)
def test_no_address_carries_credentials(level: str, excerpt: str, expected: str) -> None:
    made = row_of(DECISION | {"level": level, "excerpt": excerpt}, "filter", "run", quote=True)
    assert (made.url, made.excerpt, made.crawl) == ("http://a.example/", expected, None)
    assert row_of(DECISION | {"excerpt": excerpt}, "filter", "run", quote=False).excerpt is None
