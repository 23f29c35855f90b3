"""``obelics view``: what each format holds of a dataset, read by readers that share nothing with the writers."""

from __future__ import annotations

import hashlib
import json
import subprocess
from pathlib import Path
from typing import Any

import datasets
import feed_data
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import view_readers
from view_libraries import LIBRARIES
from view_readers import READERS, texts_and_bytes

from beam_jobs.cli import main
from obelics_pipeline import pairs
from obelics_pipeline.dataset import described_schema, table_of_rows
from obelics_pipeline.recheck import TOMBSTONES
from obelics_pipeline.views.writing import VIEWS


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two splits, the first in three shards of several row groups; one document has only images, one only gaps."""
    folder = tmp_path_factory.mktemp("views")
    rows = feed_data.rows(60)
    rows[3]["texts"][rows[3]["texts"].index(next(filter(None, rows[3]["texts"])))] = "an <image> tag"
    rows += [lone("a" * 32, "ok"), lone("b" * 32, "http_4xx")]
    feed_data.write(folder, rows, shards=3)
    later = table_of_rows([{**row, "id": f"v{row['id'][1:]}"} for row in feed_data.rows(5, seed=2)])
    pq.write_table(later.cast(described_schema()), folder / "data/validation-00000-of-00001.parquet")
    write_pairs(folder, rows)
    return folder


def write_pairs(folder: Path, rows: list[dict[str, Any]]) -> None:
    """The config ``pairs`` of some documents, in two shards: every second image is a PNG, texts are not ASCII."""
    (folder / "pairs").mkdir()
    made: list[dict[str, Any]] = []
    for row in rows:
        for slot, image in enumerate(row["images"]):
            if image is not None:
                name = Path(image["path"]).with_suffix(".png" if len(made) % 2 else ".jpg").name
                made.append(
                    {
                        "uid": f"{len(made):032x}",
                        "image": {"bytes": image["bytes"], "path": name},
                        "text": f"Caf\u00e9 {len(made)}",
                        "text_source": "caption",
                        "url": row["image_info"][slot]["url"],
                        "doc_id": row["id"],
                        "slot": slot,
                    }
                )
    for shard in range(2):
        table = pa.Table.from_pylist(made[shard::2], described_schema(pairs.SCHEMA))
        pq.write_table(table, folder / f"pairs/train-{shard:05d}-of-00002.parquet", row_group_size=20)


def lone(id: str, status: str) -> dict[str, Any]:
    image = {"bytes": b"lone", "path": "lone.jpg"} if status == "ok" else None
    info = {"url": "https://images.example/lone.jpg", "status": status}
    return {"id": id, "url": "https://example.com/", "texts": [None], "images": [image], "image_info": [info]}


def view(dataset: Path, output: Path, name: str, *options: str) -> Path:
    assert main(["view", str(dataset), "--as", name, "--output", str(output), *options]) == 0
    return output


def contents(folder: Path) -> dict[str, str]:
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return {str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def filled(documents: dict[str, Any], name: str) -> dict[str, Any]:
    """What a view can hold of them."""
    needs_text = VIEWS[name].needs_text
    fits = {
        id: parts
        for id, parts in documents.items()
        if any(isinstance(part, str) or not needs_text for part in parts)
    }
    assert fits
    return fits


@pytest.mark.parametrize("name", READERS)
def test_every_document_comes_back(dataset: Path, tmp_path: Path, name: str) -> None:
    out = view(dataset, tmp_path / "out", name)
    for split in ("train", "validation"):
        assert READERS[name](out, split) == filled(texts_and_bytes(dataset, split), name)


def test_the_columns_of_obelics(dataset: Path, tmp_path: Path) -> None:
    out = view(dataset, tmp_path / "out", "obelics")
    found = view_readers.read_obelics(out)
    wanted = filled(view_readers.expected(dataset, lambda image, info: (info["url"],), "train"), "obelics")
    shown = [
        [text or (image,) for image, text in zip(row["images"], row["texts"], strict=True)] for row in found
    ]
    assert shown == list(wanted.values())
    assert [json.loads(row["general_metadata"])["url"] for row in found] == [
        row["url"] for row in view_readers.rows(dataset) if row["id"] in wanted
    ]
    kinds = datasets.Value("string")
    assert pq.read_schema(next(out.glob("data/train-*"))).names == list(found[0])
    features = datasets.load_dataset(str(out), split="train", streaming=True).features
    assert features == {
        "images": datasets.List(kinds),
        "metadata": kinds,
        "general_metadata": kinds,
        "texts": datasets.List(kinds),
    }


def test_slots_can_stay(dataset: Path, tmp_path: Path) -> None:
    found = READERS["webdataset"](view(dataset, tmp_path / "out", "webdataset", "--missing", "keep"))
    for row in view_readers.rows(dataset):
        images = [
            image and image["bytes"]
            for image, info in zip(row["images"], row["image_info"], strict=True)
            if info
        ]
        assert [part for part in found[row["id"]] if not isinstance(part, str)] == images
    assert found["b" * 32] == [None]


@pytest.mark.parametrize("name", VIEWS)
def test_workers_change_nothing(dataset: Path, tmp_path: Path, name: str) -> None:
    one, two = (view(dataset, tmp_path / n, name, "--workers", n) for n in ("1", "2"))
    assert contents(one) == contents(two)


def test_smaller_shards_hold_the_same(dataset: Path, tmp_path: Path) -> None:
    for name, size, ends in (("webdataset", "20000", "*.tar"), ("mds", "3000", "train/*.mds")):
        out = view(dataset, tmp_path / name, name, "--shard-bytes", size)
        assert len(list(out.glob(ends))) > 6
        assert READERS[name](out) == filled(texts_and_bytes(dataset), name)


@pytest.mark.parametrize("name", READERS)
def test_tombstones_are_honoured(
    dataset: Path, tmp_path: Path, name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = view_readers.rows(dataset)
    gone = rows[0]["id"]
    row = next(row for row in rows[1:] if row["num_images"] and any(row["texts"]))
    index = next(number for number, image in enumerate(row["images"]) if image is not None)
    stones = [{"id": gone, "level": "document"}, {"id": row["id"], "level": "image", "index": index}]
    path = tmp_path / "stones.parquet"
    pq.write_table(pa.Table.from_pylist(stones, TOMBSTONES), path)
    found = READERS[name](view(dataset, tmp_path / "out", name, "--tombstones", str(path)))
    assert gone not in found
    assert row["images"][index]["bytes"] not in found[row["id"]]
    same = {
        id: parts
        for id, parts in filled(texts_and_bytes(dataset), name).items()
        if id not in (gone, row["id"])
    }
    assert {id: parts for id, parts in found.items() if id != row["id"]} == same
    assert "tombstone 1" in capsys.readouterr().out


def pair_rows(dataset: Path) -> dict[str, dict[str, Any]]:
    return {row["uid"]: row for row in pq.read_table(dataset / "pairs").to_pylist()}


def tar_pairs(folder: Path) -> dict[str, dict[str, bytes]]:
    return {key: files for path in sorted(folder.glob("*.tar")) for key, files in view_readers.samples(path)}


def test_every_pair_comes_back_under_the_names_of_img2dataset(
    dataset: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    found = tar_pairs(view(dataset, tmp_path / "out", "webdataset-pairs", "--shard-bytes", "30000"))
    assert len(list((tmp_path / "out").iterdir())) > 2
    rows = pair_rows(dataset)
    assert f"{len(rows)} pairs with {len(rows)} images as webdataset-pairs" in capsys.readouterr().out
    assert found.keys() == rows.keys()
    for uid, files in found.items():
        row, about = rows[uid], json.loads(files.pop("json"))
        assert files.pop("txt").decode() == row["text"] == about["caption"]
        assert files == {row["image"]["path"].rpartition(".")[2]: row["image"]["bytes"]}
        assert (about["key"], about["status"], about["error_message"]) == (uid, "success", None)
        told = {name: value for name, value in row.items() if name not in ("image", "text")}
        assert {name: about[name] for name in told} == told


def test_pairs_of_what_has_tombstones_are_not_shown(dataset: Path, tmp_path: Path) -> None:
    rows = pair_rows(dataset)
    first, *_, last = rows.values()
    stones = [
        {"id": first["doc_id"], "level": "document"},
        {"id": last["doc_id"], "level": "image", "index": last["slot"]},
    ]
    path = tmp_path / "stones.parquet"
    pq.write_table(pa.Table.from_pylist(stones, TOMBSTONES), path)
    found = tar_pairs(view(dataset, tmp_path / "out", "webdataset-pairs", "--tombstones", str(path)))
    gone = {uid for uid, row in rows.items() if row["doc_id"] == first["doc_id"]} | {last["uid"]}
    assert found.keys() == rows.keys() - gone


def test_a_dataset_without_pairs_has_no_view_of_them(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = feed_data.write(tmp_path / "dataset", feed_data.rows(5), shards=1)
    assert main(["view", str(folder), "--as", "webdataset-pairs", "--output", str(tmp_path / "out")]) == 2
    assert "has no table of pairs" in capsys.readouterr().err


def test_tombstones_beside_the_dataset_are_taken(dataset: Path, tmp_path: Path) -> None:
    copy = tmp_path / "dataset"
    (copy / "data").mkdir(parents=True)
    shard = next(dataset.glob("data/validation-*"))
    (copy / "data" / shard.name).write_bytes(shard.read_bytes())
    gone = view_readers.rows(copy, "validation")[0]["id"]
    stone = pa.Table.from_pylist([{"id": gone, "level": "document"}], TOMBSTONES)
    pq.write_table(stone, copy / "tombstones.parquet")
    assert gone not in READERS["dense"](view(copy, tmp_path / "out", "dense"), "validation")


@pytest.mark.parametrize(
    ("options", "said"),
    [
        pytest.param(["--as", "dens"], "no view 'dens'; did you mean 'dense'?", id="a misspelt view"),
        pytest.param(["--as", "dense", "--split", "test"], "it has train, validation", id="no such split"),
        pytest.param(["--as", "dense", "--tombstones", "no.parquet"], "cannot be read", id="no tombstones"),
        pytest.param(["--as", "mds", "--shard-bytes", "0"], "no number of bytes", id="no shard"),
        pytest.param(
            ["--as", "dense", "--shard-bytes", "9"], "leave out --shard-bytes", id="no shards of its own"
        ),
        pytest.param(
            ["--as", "mds", "--no-image-bytes"], "leave out --no-image-bytes", id="always with bytes"
        ),
    ],
)
def test_mistakes_are_told(
    dataset: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], options: list[str], said: str
) -> None:
    assert main(["view", str(dataset), "--output", str(tmp_path / "out"), *options]) == 2
    assert said in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_a_folder_with_something_in_it_is_left_alone(dataset: Path, tmp_path: Path) -> None:
    (tmp_path / "mine").write_text("mine")
    assert main(["view", str(dataset), "--as", "dense", "--output", str(tmp_path)]) == 2
    assert contents(tmp_path).keys() == {"mine"}


def test_a_dataset_without_bytes_has_only_addresses(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = [row | {"images": [None] * len(row["images"])} for row in feed_data.rows(5)]
    folder = feed_data.write(tmp_path / "dataset", rows, shards=1)
    assert view_readers.read_obelics(view(folder, tmp_path / "obelics", "obelics"))[0]["images"]
    assert main(["view", str(folder), "--as", "dense", "--output", str(tmp_path / "dense")]) == 2
    assert "can be written --as obelics" in capsys.readouterr().err
    view(folder, tmp_path / "mmc4", "mmc4", "--no-image-bytes")
    assert "image_base64" not in (next(view_readers.lines(tmp_path / "mmc4"))["image_info"] or [{}])[0]


@pytest.mark.parametrize("name", ["webdataset", "webdataset-pairs", "energon", "mds"])
def test_the_libraries_of_the_formats_read_the_same(dataset: Path, tmp_path: Path, name: str) -> None:
    if not LIBRARIES.is_file():
        pytest.skip(f"no {LIBRARIES}: run scripts/setup-views, or set OBELICS_VIEW_LIBRARIES")
    out = view(dataset, tmp_path / "out", name)
    script = Path(__file__).parents[1] / "view_libraries.py"
    done = subprocess.run(
        [LIBRARIES, str(script), name, str(out)], capture_output=True, text=True, timeout=250, check=False
    )
    assert done.returncode == 0, done.stderr
    documents = (
        {uid: [row["text"], row["image"]["bytes"]] for uid, row in pair_rows(dataset).items()}
        if name == "webdataset-pairs"
        else texts_and_bytes(dataset)
    )
    wanted = {
        id: [part if isinstance(part, str) else hashlib.sha256(part).hexdigest() for part in parts]
        for id, parts in filled(documents, name).items()
    }
    assert json.loads(done.stdout.splitlines()[-1]) == wanted
