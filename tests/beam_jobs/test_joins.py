"""What a build makes with a list that it joins is what it makes with the same list mapped, byte by byte."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from unittest.mock import patch

import pyarrow.parquet as pq
import pytest

from beam_jobs.cli import main
from obelics_pipeline.registry import hashes
from obelics_pipeline.registry.compiling import compile_registry

LIST = """kind,value,scope
domain,site2.example,page
url_prefix,http://site0.example/page/12,
url,http://site1.example/page/4,
url,http://img.example/120x130-6.png,image
host,elsewhere.example,
"""
TABLES = ("filtered", "decisions/filter", "consent/filter", "image_results", "images", "dataset/data")


@pytest.fixture(scope="module")
def lists(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One list, mapped and in pieces of four hashes."""
    folder = tmp_path_factory.mktemp("lists")
    others = "".join(f"url,http://other.example/{n},\ndomain,site{n}.other.example,\n" for n in range(60))
    (folder / "list.csv").write_text(LIST + others)
    compile_registry([folder / "list.csv"], folder / "mapped", name="list")
    with patch.object(hashes, "PIECE", 4):
        compile_registry([folder / "list.csv"], folder / "joined", name="list", joined=True)
    return folder


def build(folder: Path, archive: Path, config: Path, consent: str, workers: int = 1) -> int:
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "config.yaml"
    path.write_text(f"{config.read_text()}consent: {{{consent}}}\n")
    given = ["--config", str(path), "--input", str(archive), "--output", str(folder / "out")]
    return main(["build", *given, "--workers", str(workers)])


def content(folder: Path) -> dict[str, bytes]:
    out = folder / "out"
    return {
        str(path.relative_to(out)): path.read_bytes()
        for name in TABLES
        for path in out.glob(f"{name}/*.parquet")
    }


def evidence(folder: Path) -> list[dict[str, Any]]:
    files = sorted((folder / "out/consent/images").glob("*.parquet"))
    return [row | {"checked_at": None} for file in files for row in pq.read_table(file).to_pylist()]


@pytest.fixture(scope="module")
def mapped(lists: Path, archive: Path, config_file: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("mapped")
    assert build(folder, archive, config_file, f"registries: [{lists / 'mapped'}]") == 0
    return folder


def test_the_list_takes_out_pages_and_images(mapped: Path) -> None:
    files = (mapped / "out/dataset/data").glob("*.parquet")
    shown = [row for file in files for row in pq.read_table(file).to_pylist()]
    urls = {row["url"] for row in shown}
    assert {"http://site0.example/page/9", "http://site1.example/page/1"} < urls
    assert not any("site2" in url or url.endswith(("/page/12", "/page/4")) for url in urls)
    assert {row["value"] for row in evidence(mapped)} == {"url:https://img.example/120x130-6.png"}


@pytest.mark.parametrize("workers", [1, 2])
def test_joined_or_mapped_the_result_is_the_same(
    workers: int, mapped: Path, lists: Path, archive: Path, config_file: Path, tmp_path: Path
) -> None:
    assert build(tmp_path, archive, config_file, f"joined: [{lists / 'joined'}]", workers) == 0
    assert content(tmp_path) == content(mapped)
    assert evidence(tmp_path) == evidence(mapped)


@pytest.mark.parametrize(
    ("damage", "code", "said"),
    [
        pytest.param(
            lambda path: path.unlink(), 2, "missing or cut", id="missing: told before anything runs"
        ),
        pytest.param(
            lambda path: path.write_bytes(bytes(path.stat().st_size)),
            1,
            "SHA-256",
            id="other bytes: told by the worker",
        ),
    ],
)
def test_a_damaged_list_releases_nothing(
    damage: Any,
    code: int,
    said: str,
    archive: Path,
    config_file: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    (tmp_path / "list.csv").write_text(LIST)
    with patch.object(hashes, "PIECE", 1):
        compile_registry([tmp_path / "list.csv"], tmp_path / "joined", joined=True)
    for piece in (tmp_path / "joined").glob("url.*.u64"):
        damage(piece)
    assert build(tmp_path, archive, config_file, f"joined: [{tmp_path / 'joined'}]") == code
    assert said in capsys.readouterr().err
    assert not list((tmp_path / "out").glob("filtered/*"))


def test_a_registry_of_the_other_kind_is_refused(
    lists: Path, archive: Path, config_file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert build(tmp_path, archive, config_file, f"joined: [{lists / 'mapped'}]") == 2
    assert "name it under consent.registries" in capsys.readouterr().err
