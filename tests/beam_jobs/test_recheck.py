"""What opted out since is gone from a finished dataset, with a tombstone; all else is as it was."""

from __future__ import annotations

import csv
import hashlib
import json
import shutil
from pathlib import Path
from typing import Any
from unittest.mock import patch

import datasets
import pyarrow.parquet as pq
import pytest
import yaml
from spawning_stub import FAULTS, KEY, Items, Reply, SpawningStub, listing

from beam_jobs.cli import main
from obelics_pipeline.dataset_rows import places_without
from obelics_pipeline.manifest import decode
from obelics_pipeline.registry import hashes
from obelics_pipeline.registry.compiling import compile_registry
from obelics_pipeline.spawning import KEY_VARIABLE


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory, archive: Path, config_file: Path) -> Path:
    output = tmp_path_factory.mktemp("recheck")
    arguments = ["--config", str(config_file), "--input", str(archive), "--output", str(output)]
    assert main(["build", *arguments]) == 0
    return output / "dataset"


def registry(folder: Path, *entries: tuple[str, str]) -> str:
    """A compiled registry of (kind, value)."""
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "list.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["kind", "value"])
        writer.writerows(entries)
    compiled = folder / "compiled"
    assert main(["registry", "compile", str(folder / "list.csv"), "--output", str(compiled)]) == 0
    return str(compiled)


def rows(dataset: Path) -> dict[str, dict[str, Any]]:
    files = sorted(dataset.glob("data/*.parquet"))
    return {row["id"]: row for file in files for row in pq.read_table(file).to_pylist()}


def recheck(dataset: Path, output: Path, *registries: str) -> dict[str, Any]:
    named = [argument for path in registries for argument in ("--registry", path)]
    assert main(["recheck", str(dataset), *named, "--output", str(output)]) == 0
    found: dict[str, Any] = json.loads((output / "recheck.json").read_bytes())
    return found


SHARED = "http://img.example/300x200-7.png"
"""An image of several pages."""


def shown(row: dict[str, Any]) -> set[str]:
    pairs = zip(row["image_info"], row["images"], strict=True)
    return {info["url"] for info, image in pairs if image is not None}


def test_a_page_takes_its_document_along_and_nothing_else_changes(built: Path, tmp_path: Path) -> None:
    before = rows(built)
    gone = next(row for row in before.values() if SHARED not in shown(row))
    found = recheck(built, tmp_path / "out", registry(tmp_path, ("url", gone["url"])))
    after = rows(tmp_path / "out")
    assert after == {id: row for id, row in before.items() if id != gone["id"]}
    assert (found["documents_gone"], found["images_gone"], found["shards_written"]) == (1, 0, 1)
    (stone,) = pq.read_table(tmp_path / "out/tombstones.parquet").to_pylist()
    assert (stone["id"], stone["level"], stone["index"], stone["kind"]) == (
        gone["id"],
        "document",
        None,
        "url",
    )


def test_a_domain_takes_all_its_documents(built: Path, tmp_path: Path) -> None:
    before = rows(built)
    found = recheck(built, tmp_path / "out", registry(tmp_path, ("domain", "site0.example")))
    after = rows(tmp_path / "out")
    assert {row["host"] for row in before.values()} - {row["host"] for row in after.values()} >= {
        "site0.example"
    }
    assert not any(row["domain"] == "site0.example" for row in after.values())
    assert found["documents_gone"] == len(before) - len(after) > 1


@pytest.mark.parametrize("kind", ["url", "sha256"])
def test_an_image_leaves_an_empty_slot_that_says_why(built: Path, tmp_path: Path, kind: str) -> None:
    before = rows(built)
    row = next(row for row in before.values() if row["num_images"] > 1)
    slot = next(index for index, image in enumerate(row["images"]) if image is not None)
    found = recheck(built, tmp_path / "out", registry(tmp_path, (kind, row["image_info"][slot][kind])))
    after = rows(tmp_path / "out")
    assert after.keys() == before.keys()
    info = after[row["id"]]["image_info"][slot]
    assert after[row["id"]]["images"][slot] is None
    assert info["status"] == "optout"
    assert info["sha256"] == row["image_info"][slot]["sha256"]
    assert after[row["id"]]["num_images"] == row["num_images"] - 1
    assert found["images_gone"] >= 1
    left = sum(r["num_images"] for r in after.values())
    assert left == sum(r["num_images"] for r in before.values()) - found["images_gone"]
    opened = datasets.load_dataset(str(tmp_path / "out"), split="train", cache_dir=str(tmp_path / "cache"))
    assert len(opened) == len(before)


def test_without_a_hit_every_shard_is_the_same_file(built: Path, tmp_path: Path) -> None:
    found = recheck(built, tmp_path / "out", registry(tmp_path, ("domain", "elsewhere.example")))
    assert (found["shards_written"], found["documents_gone"], found["images_gone"]) == (0, 0, 0)
    for shard in built.glob("data/*.parquet"):
        assert (tmp_path / "out/data" / shard.name).read_bytes() == shard.read_bytes()


def test_checking_twice_finds_nothing_new(built: Path, tmp_path: Path) -> None:
    lists = registry(tmp_path, ("domain", "site0.example"), ("url", "http://img.example/300x200-7.png"))
    assert recheck(built, tmp_path / "once", lists)["shards_written"] > 0
    again = recheck(tmp_path / "once", tmp_path / "twice", lists)
    assert (again["documents_gone"], again["images_gone"], again["shards_written"]) == (0, 0, 0)


def test_mistakes(built: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    lists = registry(tmp_path, ("domain", "site0.example"))
    full = tmp_path / "full"
    full.mkdir()
    (full / "mine.txt").write_text("mine")
    cases = {
        (str(tmp_path / "none"), lists, str(tmp_path / "o")): "no dataset",
        (str(built.parent), lists, str(tmp_path / "o")): f"name {built}",
        (str(built), str(tmp_path / "no-registry"), str(tmp_path / "o")): "no-registry",
        (str(built), lists, str(full)): "is not empty",
    }
    capsys.readouterr()
    for (dataset, listed, output), message in cases.items():
        assert main(["recheck", dataset, "--registry", listed, "--output", output]) == 2
        assert message in capsys.readouterr().err
    assert not (tmp_path / "o/data").exists()


def test_the_manifest_and_the_card_are_true_for_what_is_left(built: Path, tmp_path: Path) -> None:
    lists = registry(tmp_path, ("domain", "site0.example"), ("url", "http://img.example/300x200-7.png"))
    recheck(built, tmp_path / "out", lists)
    left, before = rows(tmp_path / "out"), rows(built)
    manifest = decode((tmp_path / "out/_MANIFEST.json").read_bytes(), "manifest")
    files = {path for path in (tmp_path / "out").rglob("*") if path.is_file()}
    assert {tmp_path / "out" / entry.path for entry in manifest.files} | {
        tmp_path / "out/_MANIFEST.json"
    } == files
    for entry in manifest.files:
        data = (tmp_path / "out" / entry.path).read_bytes()
        assert (entry.bytes, entry.sha256) == (len(data), hashlib.sha256(data).hexdigest())
    images = [sum(row["num_images"] for row in table.values()) for table in (before, left)]
    documents, pictures = manifest.tally.level("documents"), manifest.tally.level("images")
    assert (documents.entered, documents.kept, documents.left) == (len(before), len(left), 0)
    assert (pictures.entered, pictures.kept, pictures.left) == (*images, 0)
    assert f"{len(left)} web documents with {images[1]} images" in (tmp_path / "out/README.md").read_text()


def test_a_dataset_that_is_not_whole_is_refused(
    built: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.copytree(built, tmp_path / "cut")
    next((tmp_path / "cut/data").iterdir()).unlink()
    given = ["--registry", registry(tmp_path, ("domain", "a.example")), "--output", str(tmp_path / "out")]
    assert main(["recheck", str(tmp_path / "cut"), *given]) == 2
    assert "copy it again" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def asking(folder: Path, consent: str) -> list[str]:
    (folder / "consent.yaml").write_text(f"consent: {{{consent}}}\n")
    return ["--config", str(folder / "consent.yaml"), "--output", str(folder / "out")]


def stones(folder: Path) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = pq.read_table(folder / "out/tombstones.parquet").to_pylist()
    return found


def test_a_service_is_asked_of_all_pages_and_images(
    built: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(KEY_VARIABLE, KEY)
    before = rows(built)
    page, silent, *_ = sorted(row["url"] for row in before.values())
    image = "http://img.example/300x200-7.png"

    def forgetful(items: Items) -> Reply:
        return listing([item for item in items if item["url"] != silent])

    with SpawningStub(page, image, always=forgetful) as service:
        spawning = f"spawning: {{endpoint: '{service.endpoint}', attempts: 1}}"
        assert main(["recheck", str(built), *asking(tmp_path, spawning)]) == 0
        shown = {info["url"] for row in before.values() for info in row["image_info"] if info is not None}
        assert set(service.asked) == {row["url"] for row in before.values()} | shown
    found = stones(tmp_path)
    assert {(stone["url"], stone["registry"], stone["kind"], stone["value"]) for stone in found} == {
        (page, "spawning", "spawning", "spawning:opted_out"),
        (silent, "spawning", "unknown", "spawning:missing"),
        (image, "spawning", "spawning", "spawning:opted_out"),
    }
    left = rows(tmp_path / "out")
    assert {row["url"] for row in left.values()} == {row["url"] for row in before.values()} - {page, silent}
    assert not any(
        info is not None and info["url"] == image and shown is not None
        for row in left.values()
        for info, shown in zip(row["image_info"], row["images"], strict=True)
    )


@pytest.mark.parametrize("key", ["", KEY])
def test_a_service_that_says_nothing_leaves_no_dataset(
    key: str, built: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv(KEY_VARIABLE, key)
    with SpawningStub(always=FAULTS["503"]) as service:
        spawning = f"spawning: {{endpoint: '{service.endpoint}', attempts: 1, backoff: 0.01}}"
        assert main(["recheck", str(built), *asking(tmp_path, spawning)]) == 1
    assert "Spawning: no verdict on any of" in capsys.readouterr().err
    assert {path.name for path in tmp_path.iterdir()} == {"consent.yaml"}


def test_a_list_may_be_joined(built: Path, tmp_path: Path) -> None:
    (tmp_path / "list.csv").write_text(
        "kind,value\n" + "".join(f"url,http://a.example/{n}\n" for n in range(9))
    )
    with (tmp_path / "list.csv").open("a") as stream:
        gone = next(row["url"] for row in rows(built).values() if SHARED not in shown(row))
        stream.write(f"url,{gone}\n")
    with patch.object(hashes, "PIECE", 2):
        compile_registry([tmp_path / "list.csv"], tmp_path / "joined", joined=True)
    recheck(built, tmp_path / "out", str(tmp_path / "joined"))
    assert [(stone["url"], stone["registry"]) for stone in stones(tmp_path)] == [(gone, "joined")]


@pytest.mark.parametrize("action", ["drop_document", "drop_image"])
def test_the_images_of_a_page_go_from_all_others(built: Path, tmp_path: Path, action: str) -> None:
    showing = [row["url"] for row in rows(built).values() if SHARED in shown(row)]
    assert len(showing) > 1
    listed = registry(tmp_path, ("url", showing[0]))
    given = asking(tmp_path, f"registries: [{listed}], signals: {{registry: {action}}}")
    assert main(["recheck", str(built), *given]) == 0
    left = rows(tmp_path / "out").values()
    assert {row["url"] for row in left} >= set(showing[1:])
    assert not any(SHARED in shown(row) for row in left)
    assert {(stone["kind"], stone["value"]) for stone in stones(tmp_path)} == {
        ("url", stones(tmp_path)[0]["value"])
    }


def test_a_list_of_what_a_dataset_does_not_hold_is_no_answer(
    built: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    md5 = ("md5", "d41d8cd98f00b204e9800998ecf8427e")
    alone, mixed = (
        registry(tmp_path / "alone", md5),
        registry(tmp_path / "mixed", md5, ("domain", "a.example")),
    )
    for option in ("registries", "deny"):
        assert main(["recheck", str(built), *asking(tmp_path, f"{option}: [{alone}]")]) == 2
        assert "lists nothing but md5" in capsys.readouterr().err
    found = recheck(built, tmp_path / "out", mixed)
    assert found["not_asked"] == {"compiled": ["md5"]}
    assert "entries of md5 cannot be asked" in capsys.readouterr().out


def test_a_policy_may_take_the_images_of_a_page_alone(built: Path, tmp_path: Path) -> None:
    listed = registry(tmp_path, ("url", "http://site1.example/page/4"))
    given = asking(tmp_path, f"registries: [{listed}], signals: {{registry: drop_image}}")
    assert main(["recheck", str(built), *given]) == 0
    (row,) = (row for row in rows(tmp_path / "out").values() if row["url"] == "http://site1.example/page/4")
    assert (row["num_images"], row["num_texts"] > 0) == (0, True)


def test_of_an_image_on_a_deny_list_nothing_is_left_as_in_a_build(
    built: Path, tmp_path: Path, archive: Path, config_file: Path
) -> None:
    everything = rows(built)
    before = next(row for row in everything.values() if between_texts(row) and row["num_images"] > 1)
    denied = before["image_info"][between_texts(before)[0]]
    other = next(
        info for info in before["image_info"] if info and info["sha256"] not in (None, denied["sha256"])
    )
    listed = registry(tmp_path / "denied", ("sha256", denied["sha256"]))
    optout = registry(tmp_path / "listed", ("url", other["url"]))
    given = asking(tmp_path, f"deny: [{listed}], registries: [{optout}]")
    assert main(["recheck", str(built), *given]) == 0
    after = rows(tmp_path / "out")
    told = [(stone["url"], stone["kind"]) for stone in stones(tmp_path)]
    assert set(told) == {(other["url"], "url")}
    assert json.loads((tmp_path / "out/recheck.json").read_bytes())["by_registry"] == {
        "compiled/deny": sum(denied["sha256"] in hashes_of(row) for row in everything.values()),
        "compiled/url": len(told),
    }
    assert main(["verify", str(tmp_path / "out")]) == 0  # which knows that slots have moved
    for path in (tmp_path / "out").rglob("*"):
        if path.suffix != ".parquet" and path.is_file():
            assert not any(text in path.read_text() for text in (denied["sha256"], denied["url"]))

    config = yaml.safe_load(config_file.read_text()) | {"consent": {"deny": [listed]}}
    (tmp_path / "build.yaml").write_text(yaml.safe_dump(config))
    named = ["--config", str(tmp_path / "build.yaml"), "--input", str(archive)]
    assert main(["build", *named, "--output", str(tmp_path / "build")]) == 0
    alone = asking(tmp_path, f"deny: [{listed}]")[:2]
    assert main(["recheck", str(built), *alone, "--output", str(tmp_path / "denied/out")]) == 0
    again = rows(tmp_path / "build/dataset")
    assert again == {id: row for id, row in rows(tmp_path / "denied/out").items() if id in again}
    assert again[before["id"]] != before
    assert after[before["id"]]["num_image_slots"] == again[before["id"]]["num_image_slots"]


def between_texts(row: dict[str, Any]) -> list[int]:
    """The images of a row that part two texts."""
    texts, images = row["texts"], row["images"]
    return [n for n in range(1, len(texts) - 1) if images[n] and texts[n - 1] and texts[n + 1]]


def hashes_of(row: dict[str, Any]) -> list[str]:
    return [info["sha256"] for info in row["image_info"] if info]


def test_who_asks_for_nothing_is_told(
    built: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["recheck", str(built), "--output", str(tmp_path / "out")]) == 2
    assert "name --registry" in capsys.readouterr().err


SLOTS = [
    pytest.param(["a", None, "b"], [1], [[0, 2]], id="between texts"),
    pytest.param(["a", None, None, "b"], [1], [[0], [2], [3]], id="beside an image"),
    pytest.param(["a", None, None, "b", None], [1, 2], [[0, 3], [4]], id="two in a row"),
    pytest.param(["a", None, "b", None, "c"], [1, 3], [[0, 2, 4]], id="all"),
    pytest.param([None], [0], [], id="nothing else"),
]


@pytest.mark.parametrize(("texts", "slots", "left"), SLOTS)
def test_what_a_slot_parted_is_one(texts: list[str | None], slots: list[int], left: list[list[int]]) -> None:
    assert places_without(texts, slots) == left
