"""What is done to images before they are published: one shard of documents whose pictures tell too much."""

from __future__ import annotations

import hashlib
import io
from pathlib import Path
from typing import Any

import msgspec
import pyarrow.parquet as pq
import pytest
from PIL import Image, ImageOps

from beam_jobs.config import Config, ExportSection, section_hash
from beam_jobs.export import write_shard
from beam_jobs.parts import PartReport, Workspace, run_part
from obelics_pipeline.assembled import Assembled, Slot
from obelics_pipeline.document import Document, ImageNode, Source
from obelics_pipeline.image import ImageFacts, inspect
from obelics_pipeline.images_table import IMAGES, IMAGES_OPTIONS, ImageFile
from obelics_pipeline.parquet import ParquetFile
from obelics_pipeline.recheck import Lists, tombstones


def jpeg(orientation: int = 6, tail: bytes = b"") -> bytes:
    """A picture that says where it was taken, and by what."""
    exif = Image.Exif()
    exif[0x0112], exif[0x010F] = orientation, "Acme Camera"
    exif.get_ifd(0x8825)[27] = b"SECRET-PLACE"
    stream = io.BytesIO()
    Image.radial_gradient("L").resize((160, 120)).save(stream, "JPEG", exif=exif)
    return stream.getvalue() + tail


def unclear() -> bytes:
    """A picture that decodes, with more segments than anybody needs."""
    body = jpeg()
    return body[:2] + b"\xff\xfe\0\2" * 100_001 + body[2:]


def shard(folder: Path, config: Config, *bodies: bytes) -> tuple[PartReport, list[dict[str, Any]]]:
    """One document with these images, written as the only shard; its report and its rows."""
    with (
        (folder / "images.parquet").open("wb") as stream,
        ParquetFile(stream, IMAGES, IMAGES_OPTIONS, remember=True) as table,
    ):
        images = ImageFile(table)
        hashes = [hashlib.sha256(body).hexdigest() for body in bodies]
        for hashed, body in zip(hashes, bodies, strict=True):
            images.add("", hashed, body)
        images.flush()
    slots = []
    for hashed, body in zip(hashes, bodies, strict=True):
        facts = inspect(body, 64_000_000)
        assert isinstance(facts, ImageFacts)
        size, place = (facts.width, facts.height, len(body)), (0, images.offsets[hashed])
        slots.append(Slot("ok", 200, facts.format, *size, hashed, facts.phash, *place))
    nodes = tuple(ImageNode(f"https://a.example/{number}") for number in range(len(bodies)))
    document = Document(
        "0" * 32, "https://a.example/", "a.example", "a.example", nodes, Source("C", "w", "r", 1, 2, 3)
    )
    record = msgspec.msgpack.encode(Assembled(document, tuple(slots)))

    def work(part: Any) -> Any:
        return write_shard(part, "", [("0" * 32, record)], 1, [str(folder / "images.parquet")], config)

    report = run_part(Workspace(str(folder), "export", "f" * 32), 0, work)
    return report, pq.read_table(folder / report.files[0].path).to_pylist()


def test_images_are_published_without_what_they_tell_of_persons(tmp_path: Path) -> None:
    body, again, odd = jpeg(), jpeg(tail=b"SECRET-PLACE"), unclear()
    report, [row] = shard(tmp_path, Config(), body, again, odd)
    assert report.tally.levels["images"].kept == 2
    assert report.tally.levels["images"].unavailable == {"metadata_unclear": 1}
    first, second, gone = row["images"]
    assert first == second
    assert gone is None
    assert [word for word in (b"SECRET", b"Acme") if word in first["bytes"]] == []
    with Image.open(io.BytesIO(body)) as before, Image.open(io.BytesIO(first["bytes"])) as after:
        assert ImageOps.exif_transpose(before).tobytes() == ImageOps.exif_transpose(after).tobytes()
    for served, info in zip((body, again), row["image_info"][:2], strict=True):
        assert (
            info["sha256"] == hashlib.sha256(first["bytes"]).hexdigest() == first["path"].removesuffix(".jpg")
        )
        assert info["sha256_original"] == hashlib.sha256(served).hexdigest()
        assert info["num_bytes"] == len(first["bytes"])
        assert (info["width"], info["height"]) == (120, 160)
    assert [info["status"] for info in row["image_info"]] == ["ok", "ok", "metadata_unclear"]


def test_images_are_kept_as_they_were_served_if_that_is_wanted(tmp_path: Path) -> None:
    bodies = jpeg(), unclear()
    report, [row] = shard(tmp_path, Config(export=ExportSection("keep")), *bodies)
    assert report.tally.levels["images"].kept == 2
    assert [image["bytes"] for image in row["images"]] == list(bodies)
    assert all(info["sha256"] == info["sha256_original"] for info in row["image_info"])


@pytest.mark.parametrize("name", ["sha256", "sha256_original"])
def test_a_list_may_name_the_hash_of_what_was_served_or_of_what_was_published(
    tmp_path: Path, name: str
) -> None:
    shard(tmp_path, Config(), jpeg())
    table = pq.read_table(next(tmp_path.glob("dataset/data/*")))
    wanted = table.column("image_info").to_pylist()[0][0][name]

    class Listed(msgspec.Struct):
        kind: str = "sha256"
        value: str = wanted
        registry: str = "deny"

    lists = Lists(lambda url: None, lambda url: None, lambda hashed: Listed() if hashed == wanted else None)
    [[stone]] = tombstones(table, lists)
    assert (stone.level, stone.index, stone.registry) == ("image", 0, "deny")


def test_what_is_done_to_images_is_part_of_the_fingerprint() -> None:
    kept = Config(export=ExportSection("keep"))
    assert section_hash(kept.result_of("export")) != section_hash(Config().result_of("export"))
