"""What is done to images before they are published: one shard of documents whose pictures tell too much."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Collection
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pyarrow.parquet as pq
import pytest
from PIL import Image, ImageOps
from tiny_detectors import boxes_by_colour, described

from beam_jobs.config import Config, ExportSection, load, section_hash
from beam_jobs.parts import PartReport, Workspace, run_part
from beam_jobs.shard_writer import write_shard
from beam_jobs.splits import Splits
from obelics_pipeline.assembled import Assembled, Slot
from obelics_pipeline.document import Document, ImageNode, Node, Source, TextNode
from obelics_pipeline.errors import ConfigError
from obelics_pipeline.faces import FaceOptions
from obelics_pipeline.image import ImageFacts, inspect
from obelics_pipeline.image_metadata import stripped
from obelics_pipeline.images_table import IMAGES, IMAGES_OPTIONS, ImageFile
from obelics_pipeline.parquet import ParquetFile
from obelics_pipeline.recheck import Lists, Objection, tombstones
from obelics_pipeline.release import Shown, Withheld, check_release, release


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


def shard(
    folder: Path, config: Config, *bodies: bytes, text: str = ""
) -> tuple[PartReport, list[dict[str, Any]]]:
    """One document with these images, and a text, written as the only shard; its report and its rows."""
    folder.mkdir(exist_ok=True)
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
    nodes: tuple[Node, ...] = tuple(ImageNode(f"https://a.example/{number}") for number in range(len(bodies)))
    nodes += (TextNode("paragraph", text),) * bool(text)
    document = Document(
        "0" * 32, "https://a.example/", "a.example", "a.example", nodes, Source("C", "w", "r", 1, 2, 3)
    )
    record = msgspec.msgpack.encode(Assembled(document, (*slots, *[None] * bool(text))))

    def work(part: Any) -> Any:
        return write_shard(
            part, "", [("0" * 32, record)], Splits(1, 1, 0), [str(folder / "images.parquet")], config
        )

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
    report, [row] = shard(tmp_path, Config(export=ExportSection(image_metadata="keep")), *bodies)
    assert report.tally.levels["images"].kept == 2
    assert [image["bytes"] for image in row["images"]] == list(bodies)
    assert all(info["sha256"] == info["sha256_original"] for info in row["image_info"])


def squares(colour: tuple[int, int, int], orientation: int = 1, kind: str = "JPEG") -> bytes:
    """A picture of one colour, with fine squares in it."""
    fine = np.random.default_rng(1).integers(0, 128, (30, 40, 3), np.uint8)
    values = np.array(colour, np.uint8) // 2 + fine
    exif = Image.Exif()
    exif[0x0112] = orientation
    stream = io.BytesIO()
    picture = Image.fromarray(values).resize((160, 120), Image.Resampling.NEAREST)
    picture.save(stream, kind, exif=exif, **({"quality": 98} if kind == "JPEG" else {}))
    return stream.getvalue()


def seen(body: bytes) -> Any:
    with Image.open(io.BytesIO(body)) as image:
        return np.asarray(ImageOps.exif_transpose(image).convert("RGB")).astype(int)


def detecting(folder: Path, **options: Any) -> Config:
    """Red pictures have a face in the left half of what is seen, blue ones have none."""
    path = described(folder, boxes_by_colour((0.0, 0.0, 0.25, 0.5)))
    return Config(
        export=ExportSection(faces=FaceOptions(path, **{"min_score": 0.3, "margin": 0.0, **options}))
    )


def test_faces_are_blurred_and_pictures_without_stay_as_they_are(tmp_path: Path) -> None:
    red, blue = squares((255, 0, 0)), stripped(squares((0, 0, 255)))
    assert blue is not None
    report, [row] = shard(tmp_path, detecting(tmp_path), red, blue)
    assert report.tally.levels["images"].kept == 2
    first, second = (image["bytes"] for image in row["images"])
    assert second == blue
    difference = np.abs(seen(first) - seen(red)).mean(axis=2)
    # What is seen has 64 × 85 of 64 × 96 pixels, so the box is 24 / 85 of the width and half of the height.
    assert difference[:58, :44].mean() > 20
    assert difference[:, 56:].mean() < 4
    assert difference[72:].mean() < 4
    info = row["image_info"][0]
    assert info["sha256"] == hashlib.sha256(first).hexdigest() != info["sha256_original"]
    assert info["sha256_original"] == hashlib.sha256(red).hexdigest()
    assert (info["width"], info["height"], info["format"]) == (160, 120, "jpeg")


def test_the_same_picture_is_always_blurred_alike(tmp_path: Path) -> None:
    config, body = detecting(tmp_path), squares((255, 0, 0), kind="PNG")
    first, second = (shard(tmp_path, config, body)[1][0]["images"][0] for _ in range(2))
    assert first == second
    assert first["bytes"] != body


def test_faces_are_found_upright(tmp_path: Path) -> None:
    body = squares((255, 0, 0), orientation=6, kind="PNG")
    _, [row] = shard(tmp_path, detecting(tmp_path), body)
    difference = np.abs(seen(row["images"][0]["bytes"]) - seen(body)).mean(axis=2)
    assert difference.shape == (160, 120)
    # Seen are 64 × 48 pixels: the box is half of the width and half of the height.
    assert difference[:80, :60].mean() > 20
    assert difference[80:].sum() == difference[:, 60:].sum() == 0


def test_what_cannot_be_looked_at_is_not_published(tmp_path: Path) -> None:
    """A picture of more pixels than are decoded stands for one that kills the decoder."""
    slot = Slot("ok", 200, "jpeg", 160, 120)
    options = detecting(tmp_path).export
    body = squares((255, 0, 0))
    assert isinstance(release(body, slot, 64_000_000, options), Shown)
    plain = stripped(body)
    assert plain is not None
    assert release(plain, slot, 160 * 120 - 1, options) is Withheld.FACES


def test_a_detector_that_cannot_be_used_is_told_before_anything_runs(tmp_path: Path) -> None:
    options = detecting(tmp_path).export
    check_release(options)
    (tmp_path / "tiny.onnx").unlink()
    with pytest.raises(ConfigError, match=r"export.faces.detector: .*tiny.json: model: .*cannot be read"):
        check_release(options)


def test_previews_of_faces_do_not_stay(tmp_path: Path) -> None:
    path = tmp_path / "c.yaml"
    path.write_text("export: {image_metadata: keep, faces: {detector: d.yaml}}")
    with pytest.raises(ConfigError, match="export: faces needs image_metadata: strip"):
        load(str(path))


@pytest.mark.parametrize("name", ["sha256", "sha256_original"])
def test_a_list_may_name_the_hash_of_what_was_served_or_of_what_was_published(
    tmp_path: Path, name: str
) -> None:
    shard(tmp_path, Config(), jpeg())
    table = pq.read_table(next(tmp_path.glob("dataset/data/*")))
    wanted = table.column("image_info").to_pylist()[0][0][name]

    def listed(addresses: Collection[str], hashes: Collection[str]) -> Objection | None:
        return Objection("deny", "sha256", wanted) if wanted in hashes else None

    lists = Lists(lambda url: None, listed)
    [[stone]] = tombstones(table, lists)
    assert (stone.level, stone.index, stone.registry) == ("image", 0, "deny")


def test_what_is_done_to_images_is_part_of_the_fingerprint() -> None:
    kept = Config(export=ExportSection(image_metadata="keep"))
    assert section_hash(kept.result_of("export")) != section_hash(Config().result_of("export"))


def test_so_is_the_model(tmp_path: Path) -> None:
    config = detecting(tmp_path)
    before = section_hash(config.result_of("export"))
    described(tmp_path, boxes_by_colour((0.0, 0.0, 0.5, 0.5)))
    assert section_hash(config.result_of("export")) != before


def test_a_document_is_no_larger_than_it_may_be(tmp_path: Path) -> None:
    body = squares((255, 0, 0))
    section = ExportSection(image_metadata="keep", max_document_bytes=len(body) + 9)
    report, [row] = shard(tmp_path / "full", Config(export=section), body, body, text="nine char")
    assert [info and info["status"] for info in row["image_info"]] == ["ok", "document_full", None]
    assert report.tally.levels["images"].unavailable == {"document_full": 1}
    report, rows = shard(tmp_path / "over", Config(export=section), body, text="x" * (len(body) + 10))
    assert rows == []
    assert report.tally.levels["documents"].rejected == {"document_bytes": 1}
    assert report.tally.levels["images"].rejected == {"document_rejected": 1}


def test_without_bytes_no_image_is_read(tmp_path: Path) -> None:
    body = jpeg()
    report, [row] = shard(tmp_path, Config(export=ExportSection(images="none")), body)
    assert report.tally.levels["images"].unavailable == {"left_out": 1}
    assert row["images"] == [None]
    [info] = row["image_info"]
    assert (info["status"], info["num_bytes"]) == ("left_out", len(body))
    assert info["sha256"] == hashlib.sha256(body).hexdigest()
