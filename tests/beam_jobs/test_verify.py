"""Each promise of a dataset, broken once, is found, with its place; what export and recheck write is true."""

from __future__ import annotations

import csv
import os
import shutil
import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from unittest.mock import patch

import msgspec
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from beam_jobs.cli import main
from beam_jobs.describe import WRITTEN, describe, survey_of
from beam_jobs.verify import VerifyOptions, verify
from beam_jobs.verify_files import Checked, Expected, check_file
from obelics_pipeline import manifest as manifests
from obelics_pipeline.dataset import writer_options
from obelics_pipeline.dataset_files import decode_manifest
from obelics_pipeline.errors import RunFailed
from obelics_pipeline.manifest import FileEntry
from obelics_pipeline.recheck import TOMBSTONES
from obelics_pipeline.sealed import file_entry

Rows = list[dict[str, Any]]


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory, archive: Path, config_file: Path) -> Path:
    output = tmp_path_factory.mktemp("verified")
    config = output / "config.yaml"
    text = config_file.read_text().replace("15000}", "15000, shards: 2, validation: 0.3}")
    for stage in ("filter", "assemble"):  # so that there are decisions on all documents
        text = text.replace(f"{stage}:\n", f"{stage}:\n  sample_share: 1\n")
    config.write_text(text)
    arguments = ["--config", str(config), "--input", str(archive), "--output", str(output)]
    assert main(["build", *arguments]) == 0
    return output / "dataset"


@pytest.fixture
def copied(built: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(built, tmp_path / "dataset"))


def found(folder: Path, **options: Any) -> list[str]:
    """The faults of a dataset."""
    lines: list[str] = []
    try:
        verify(VerifyOptions(str(folder), **{"workers": 0, **options}), lines.append)
    except RunFailed:
        return lines
    assert lines.pop().endswith(": no fault")
    assert lines == []
    return []


def shards(folder: Path, split: str = "train") -> list[Path]:
    return sorted(folder.glob(f"data/{split}-*.parquet"))


def rewrite(folder: Path, shard: Path, change: Callable[[Rows], object]) -> None:
    """Change the rows of a shard and tell all lists of it, so that only the rows are wrong."""
    table = pq.read_table(shard)
    rows = table.to_pylist()
    change(rows)
    with pq.ParquetWriter(shard, table.schema, **writer_options(table.schema)) as writer:
        writer.write_table(pa.Table.from_pylist(rows, table.schema))
    describe_again(folder)


# What is done to the rows of a table of pairs, and the fault that has to be told.
PAIRS: dict[str, tuple[Callable[[Rows], object], str]] = {
    "no text": (lambda rows: rows[0].update(text=" "), "there is no text"),
    "no image": (lambda rows: rows[0].update(image=None), "there is no image"),
    "sha256": (lambda rows: rows[0].update(sha256=None), "sha256 is None, the image's is"),
    "height": (lambda rows: rows[0].update(height=9999), "height is 9999, the image's is"),
    "another text": (lambda rows: rows[0].update(text="A lock"), "that of this image and this text is"),
    "twice": (lambda rows: rows.append(rows[0]), "uid is there twice"),
    "document": (lambda rows: rows[0].update(doc_id="0" * 32), f"doc_id {'0' * 32} is no document"),
}


@pytest.mark.parametrize("name", PAIRS)
def test_a_broken_pair_is_found(copied: Path, name: str) -> None:
    change, told = PAIRS[name]
    table = next(path for path in sorted(copied.glob("pairs/*.parquet")) if pq.read_metadata(path).num_rows)
    rewrite(copied, table, change)
    (fault,) = found(copied)
    assert told in fault


def decisions(folder: Path) -> Path:
    return folder / "decisions/train-00000-of-00001.parquet"


def test_a_rejected_document_that_is_there_is_found(copied: Path) -> None:
    there = pq.read_table(shards(copied)[0]).column("id").to_pylist()[0]

    def change(rows: Rows) -> None:
        rejected = [row for row in rows if row["level"] == "document" and row["kept"] is False]
        rejected[0]["id"] = there
        rows.sort(key=lambda row: (row["stage"], row["id"]))

    rewrite(copied, decisions(copied), change)
    assert found(copied) == [
        f"decisions/{decisions(copied).name}, id {there}: the document was rejected and is in the dataset"
    ]


@pytest.mark.parametrize(
    ("change", "told"),
    [
        pytest.param(lambda rows: rows.reverse(), "is not in order of stage and id", id="order"),
        pytest.param(lambda rows: rows[0].update(rule=""), "rule is empty", id="rule"),
        pytest.param(lambda rows: rows[0].update(id=None), "id is not 32 hexadecimal digits", id="no id"),
    ],
)
def test_a_broken_row_of_decisions_is_found(
    copied: Path, change: Callable[[Rows], object], told: str
) -> None:
    rewrite(copied, decisions(copied), change)
    faults = found(copied)
    assert any(told in fault and fault.startswith("decisions/") for fault in faults), faults


def describe_again(folder: Path) -> None:
    build = decode_manifest((folder / "manifest.json").read_bytes(), "manifest").build
    (folder / manifests.NAME).unlink(missing_ok=True)

    def entries() -> Iterator[FileEntry]:
        for path in sorted(folder.glob("*/*.parquet")):
            entry = file_entry(path, pq.read_metadata(path).num_rows)
            yield msgspec.structs.replace(entry, path=path.relative_to(folder).as_posix())

    tables = list(entries())
    describe(str(folder), tables, (survey_of(str(folder / entry.path)) for entry in tables), build)


def test_what_export_writes_is_true(built: Path) -> None:
    assert len(shards(built)) == 2
    assert len(shards(built, "validation")) > 1
    assert found(built, workers=2) == []
    assert found(built, quick=True) == []


def test_a_table_that_kills_its_reader_is_found(copied: Path) -> None:
    lines: list[str] = []
    with patch("beam_jobs.verify.check_file", dies_of_the_second), pytest.raises(RunFailed):
        verify(VerifyOptions(str(copied), workers=1), lines.append)
    (line,) = lines
    assert line == "data/train-00001-of-00002.parquet: whoever reads it dies: it is damaged"


def dies_of_the_second(path: str, expected: Expected) -> Checked:
    if path == "data/train-00001-of-00002.parquet":
        os.kill(os.getpid(), signal.SIGKILL)
    return check_file(path, expected)


def test_what_recheck_writes_is_true(built: Path, tmp_path: Path) -> None:
    with (tmp_path / "list.csv").open("w", newline="") as file:
        entries = [
            ("kind", "value"),
            ("domain", "site0.example"),
            ("url", "http://img.example/300x200-7.png"),
        ]
        csv.writer(file).writerows(entries)
    compiled, output = str(tmp_path / "compiled"), tmp_path / "out"
    assert main(["registry", "compile", str(tmp_path / "list.csv"), "--output", compiled]) == 0
    assert main(["recheck", str(built), "--registry", compiled, "--output", str(output)]) == 0
    assert found(output) == []
    faults = found(built, tombstones=str(output / "tombstones.parquet"), quick=True)
    stones = pq.read_table(output / "tombstones.parquet").num_rows
    assert all("has a tombstone" in fault for fault in faults)
    assert sum(fault.startswith("data/") for fault in faults) == stones > 2
    assert any(fault.startswith("pairs/") for fault in faults)


def shown(rows: Rows) -> tuple[dict[str, Any], int]:
    """The first document with an image, and the place of it."""
    row = next(row for row in rows if row["num_images"])
    return row, next(index for index, image in enumerate(row["images"]) if image is not None)


def image(rows: Rows) -> dict[str, Any]:
    row, slot = shown(rows)
    return dict(row["images"][slot])


def info(rows: Rows) -> dict[str, Any]:
    row, slot = shown(rows)
    told: dict[str, Any] = row["image_info"][slot]
    return told


def set_image(rows: Rows, value: dict[str, Any] | None) -> None:
    row, slot = shown(rows)
    row["images"][slot] = value


def text(rows: Rows) -> int:
    return next(index for index, written in enumerate(rows[0]["texts"]) if written is not None)


def stale(rows: Rows) -> None:
    set_image(rows, {"bytes": b"no image at all", "path": image(rows)["path"]})


def cut(rows: Rows) -> None:
    whole = image(rows)
    set_image(rows, whole | {"bytes": whole["bytes"][:60]})


# What is done to the rows of a shard, and the fault that has to be told.
MUTATIONS: dict[str, tuple[Callable[[Rows], object], str]] = {
    "a text more": (lambda rows: rows[0]["texts"].append("more"), "lists are not equally long: texts"),
    "a list is null": (lambda rows: rows[0].update(text_dom_paths=None), "text_dom_paths None"),
    "text and image": (lambda rows: shown(rows)[0]["texts"].__setitem__(shown(rows)[1], "t"), "has both"),
    "neither": (
        lambda rows: rows[0]["texts"].__setitem__(text(rows), None),
        "has neither text nor image_info",
    ),
    "image of a text": (
        lambda rows: rows[0]["images"].__setitem__(text(rows), image(rows)),
        "has an image without image_info",
    ),
    "image without ok": (
        lambda rows: info(rows).update(status="timeout"),
        "status is 'timeout', and images is",
    ),
    "ok without image": (lambda rows: set_image(rows, None), "status is 'ok', and images is null"),
    "no bytes": (lambda rows: set_image(rows, image(rows) | {"bytes": b""}), "the image has no bytes"),
    "not an image": (stale, "does not decode as one of"),
    "half an image": (cut, "does not decode as one of"),
    "sha256": (lambda rows: info(rows).update(sha256="0" * 64), "sha256 is 0000"),
    "num_bytes": (lambda rows: info(rows).update(num_bytes=5), "num_bytes is 5, the image has"),
    "width": (lambda rows: info(rows).update(width=info(rows)["width"] + 1), "width is "),
    "smaller": (lambda rows: info(rows).update(height=1), "too_many_pixels"),
    "format": (lambda rows: info(rows).update(format="jpeg"), "format is jpeg, the image's is png"),
    "path": (lambda rows: set_image(rows, image(rows) | {"path": "0.png"}), "path is 0.png"),
    "num_texts": (lambda rows: rows[0].update(num_texts=99), "num_texts is 99, not"),
    "num_images": (lambda rows: rows[0].update(num_images=99), "num_images is 99, not"),
    "num_image_slots": (lambda rows: rows[0].update(num_image_slots=99), "num_image_slots is 99"),
    "num_chars": (lambda rows: rows[0].update(num_chars=99_999), "num_chars is 99999, not"),
    "num_tokens_est": (lambda rows: rows[0].update(num_tokens_est=9), "num_tokens_est is 9, not"),
    "twice": (lambda rows: rows.append(rows[0]), "id is there twice"),
    "id": (lambda rows: rows[0].update(id="x"), "id is not 32 hexadecimal digits"),
}


@pytest.mark.parametrize("name", MUTATIONS)
def test_a_broken_promise_of_a_row_is_found(copied: Path, name: str) -> None:
    change, told = MUTATIONS[name]
    shard = shards(copied)[0]
    rewrite(copied, shard, change)
    faults = found(copied)
    assert any(told in fault for fault in faults), faults
    elsewhere = [fault for fault in faults if not fault.startswith(f"data/{shard.name}, row group 0, row ")]
    assert [fault for fault in elsewhere if "is no document of the dataset" not in fault] == []


def test_what_quick_leaves_out_is_bytes_alone(copied: Path) -> None:
    rewrite(copied, shards(copied)[0], stale)
    assert found(copied, quick=True) == []
    rewrite(copied, shards(copied)[0], MUTATIONS["num_chars"][0])
    assert len(found(copied, quick=True)) == 1


@pytest.mark.parametrize("split", ["train", "validation"])
def test_a_document_in_the_wrong_file_is_found(copied: Path, split: str) -> None:
    source, target = shards(copied)[0], shards(copied, split)[-1]
    (moved,) = pq.read_table(source).slice(0, 1).to_pylist()
    rewrite(copied, target, lambda rows: rows.append(moved))
    faults = found(copied)
    assert any(fault.endswith(f"id {moved['id']}: belongs into {source.name}") for fault in faults)
    assert any(f"id {moved['id']}: id is in another file, too" in fault for fault in faults)
    assert len(faults) == 2


def flip(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 255
    path.write_bytes(data)


FILES: dict[str, tuple[Callable[[Path], object], str]] = {
    "a bit": (lambda folder: flip(shards(folder)[0]), "sha256 is "),
    "cut": (
        lambda folder: shards(folder)[0].write_bytes(shards(folder)[0].read_bytes()[:-9]),
        "bytes, the manifest",
    ),
    "garbage": (
        lambda folder: shards(folder)[0].write_bytes(bytes(shards(folder)[0].stat().st_size)),
        "cannot be read as Parquet",
    ),
    "empty": (lambda folder: shards(folder)[0].write_bytes(b""), "cannot be read as Parquet"),
    "gone": (lambda folder: shards(folder)[0].unlink(), "is not there"),
    "one more": (
        lambda folder: shutil.copy(shards(folder)[0], folder / "data/train-00007-of-00009.parquet"),
        "train-00007-of-00009.parquet: is not in manifest.json",
    ),
    "another name": (
        lambda folder: shutil.copy(shards(folder)[0], folder / "data/extra.parquet"),
        "is not named as tables are",
    ),
    **{
        f"no {name}": (lambda folder, name=name: (folder / name).unlink(), f"{name}: is not there")
        for name in WRITTEN
    },
    **{
        f"{name} is garbage": (lambda folder, name=name: (folder / name).write_bytes(b"\xff{}"), name)
        for name in (*WRITTEN, manifests.NAME)
    },
    "another card": (
        lambda folder: (folder / "README.md").write_text("---\nconfigs: []\n---\n"),
        "README.md: does not name data/validation-*.parquet as split validation of default",
    ),
    "another row count": (
        lambda folder: edit(folder / "manifest.json", b'"rows":', b'"rows":1'),
        "the manifest says 1",
    ),
}


def edit(path: Path, old: bytes, new: bytes) -> None:
    path.write_bytes(path.read_bytes().replace(old, new))


@pytest.mark.parametrize("name", FILES)
def test_a_broken_file_is_found(copied: Path, name: str) -> None:
    change, told = FILES[name]
    change(copied)
    faults = found(copied)
    assert any(told in fault for fault in faults), faults
    assert len(faults) == len(set(faults))
    assert not any(
        "is no document" in fault for fault in faults
    )  # that cannot be known of what cannot be read


@pytest.mark.parametrize(
    ("index", "told"),
    [
        pytest.param(None, "the document has a tombstone", id="page"),
        pytest.param(0, "slot 0: the", id="image"),
    ],
)
def test_what_has_a_tombstone_is_found(copied: Path, index: int | None, told: str) -> None:
    row, slot = shown(pq.read_table(shards(copied)[0]).to_pylist())
    stone = {"id": row["id"], "index": None if index is None else slot, "url": row["image_info"][slot]["url"]}
    pq.write_table(pa.Table.from_pylist([stone], TOMBSTONES), copied / "tombstones.parquet")
    (fault,) = (fault for fault in found(copied, quick=True) if fault.startswith("data/"))
    assert f"id {row['id']}" in fault
    assert told.replace("slot 0", f"slot {slot}") in fault


@pytest.mark.parametrize(
    ("stone", "is_it"),
    [
        pytest.param({}, True, id="of the slot"),
        pytest.param({"sha256": None}, True, id="of the slot, by nothing else"),
        pytest.param({"index": 99}, True, id="by the address, whatever the slot"),
        pytest.param({"url": "http://else.example/"}, True, id="of an address that led to this one"),
        pytest.param(
            {"url": "http://else.example/", "sha256": "0" * 64}, False, id="of what was in the slot before"
        ),
    ],
)
def test_a_pair_whose_image_has_a_tombstone_is_found(
    copied: Path, stone: dict[str, Any], is_it: bool
) -> None:
    """A slot alone says nothing: others move into it where images on deny-lists go."""
    pair = next(
        row for path in sorted(copied.glob("pairs/*.parquet")) for row in pq.read_table(path).to_pylist()
    )
    told = {"id": pair["doc_id"], "index": pair["slot"], "url": pair["url"], "sha256": pair["sha256"]} | stone
    pq.write_table(pa.Table.from_pylist([told], TOMBSTONES), copied / "tombstones.parquet")
    faults = [fault for fault in found(copied, quick=True) if f"id {pair['uid']}" in fault]
    assert [fault.endswith("the image has a tombstone") for fault in faults] == [True] * is_it


@pytest.mark.parametrize("rows", [1, 3])
def test_other_row_groups_are_found(copied: Path, rows: int) -> None:
    shard = shards(copied)[0]
    whole, before = pq.read_table(shard), pq.read_metadata(shard).num_row_groups
    pq.write_table(whole, shard, row_group_size=rows)
    after = pq.read_metadata(shard).num_row_groups
    assert after != before
    faults = found(copied, quick=True)
    assert any(f"has {after} row groups, the manifest says {before}" in fault for fault in faults)


def test_the_command_line(copied: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["verify", str(copied), "--quick"]) == 0
    assert "no fault" in capsys.readouterr().out
    shards(copied)[0].unlink()
    assert main(["verify", str(copied), "--quick"]) == 1
    told = capsys.readouterr()
    assert "is not there" in told.out
    assert "1 fault; fetch the files" in told.err
    assert main(["verify", str(tmp_path)]) == 2
    assert f"no dataset (no file data/*.parquet); name {copied}" in capsys.readouterr().err
    assert main(["verify", str(copied), "--tombstones", str(tmp_path / "none")]) == 2
