"""The same picture under several addresses: counted by document, by its bytes or by its looks."""

from __future__ import annotations

import io
import random
import threading
from collections import Counter, defaultdict
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
import yaml
from dedup_corpus import write_run
from dedup_pages import page
from dedup_similar import components
from PIL import Image, ImageOps

from beam_jobs import runner, stages
from beam_jobs.build import build
from beam_jobs.cli import main
from beam_jobs.config import load
from beam_jobs.part_files import PartFiles
from beam_jobs.pictures import TOLD, Pictures, find_pictures, rows_of
from beam_jobs.retune import predict, retune
from beam_jobs.rows import documents as documents_in
from beam_jobs.runner import BeamOptions
from beam_jobs.stages import ASSEMBLE, Session
from obelics_pipeline.assembled import Slot
from obelics_pipeline.document import Document

# Pictures


class Files(SimpleHTTPRequestHandler):
    """Gives the files of a folder, and says nothing."""

    def log_message(self, *arguments: object) -> None:
        pass


def blots(seed: int) -> Image.Image:
    """A picture with something to see."""
    chance = random.Random(seed)
    image = Image.new("RGB", (10, 8))
    image.putdata([(chance.randrange(256), chance.randrange(256), 90) for _ in range(80)])
    return image.resize((320, 240), Image.Resampling.BICUBIC)


def png(image: Image.Image) -> bytes:
    file = io.BytesIO()
    image.save(file, "PNG")
    return file.getvalue()


def jpeg(image: Image.Image) -> bytes:
    file = io.BytesIO()
    image.save(file, "JPEG", quality=60)
    return file.getvalue()


PICTURES = {
    "a.png": png(blots(1)),
    "a-again.png": png(blots(1)),
    "a-small.jpg": jpeg(blots(1).resize((160, 120), Image.Resampling.LANCZOS)),
    "b.png": png(blots(2)),
    "b-mirrored.png": png(ImageOps.mirror(blots(2))),
    "red.png": png(Image.new("RGB", (150, 150), (200, 0, 0))),
    "red-again.png": png(Image.new("RGB", (150, 150), (200, 0, 0))),
    "blue.png": png(Image.new("RGB", (150, 160), (0, 0, 200))),
}
SHOWN = {
    "1": ("a.png", "gone.png"),
    "2": ("a-again.png",),
    "3": ("a-small.jpg",),
    "4": ("a.png", "b.png", "a-small.jpg", "a.png"),
    "5": ("red.png", "red-again.png", "blue.png"),
    "6": ("b-mirrored.png", "red.png"),
}
"""What the documents show; they are in three parts."""

BY_SIGHT = {"a.png": 4, "a-again.png": 4, "a-small.jpg": 4}
BY_BYTES = {"a.png": 3, "a-again.png": 3, "a-small.jpg": 2}
OTHERS = {"b.png": 1, "b-mirrored.png": 1, "red.png": 2, "red-again.png": 2, "blue.png": 1}
"""On how many documents each is; images of one colour have no looks, and are known by their bytes."""

SAME: dict[str, dict[str, Any]] = {"sight": {"same_picture": {"bits": 3}}, "bytes": {}}
ANY = {"picture_frequency": {"max": 100}}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    folder = tmp_path_factory.mktemp("pictures")
    for name, body in PICTURES.items():
        (folder / name).write_bytes(body)
    handler = partial(Files, directory=str(folder))
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


def write_config(path: Path, server: str, assemble: dict[str, Any]) -> Path:
    data = {
        "images": {"allow_private": True, "hosts": {"img.example": server}},
        "assemble": assemble,
    }
    path.write_text(yaml.safe_dump(data, sort_keys=False))
    return path


def session_of(config: Path, run: Path, output: Path) -> Session:
    return Session(load(str(config)), str(output), str(run), say=lambda line: None)


@pytest.fixture(scope="module")
def fetched(server: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run whose images have been fetched, but not yet looked at by documents."""
    folder = tmp_path_factory.mktemp("fetched")
    texts = ("one two three", "four five six", "seven eight", "nine ten", "eleven", "twelve")
    pages = [page(id, text, images=SHOWN[id]) for id, text in zip(SHOWN, texts, strict=True)]
    write_run(folder, pages, 3)
    build(session_of(write_config(folder / "c.yaml", server, {}), folder, folder), ["dedup", "images"])
    return folder


def assembled(fetched: Path, server: str, output: Path, assemble: dict[str, Any], *more: str) -> Path:
    """The stage ``assemble`` and ``more``, of what is ``fetched``."""
    output.mkdir(parents=True, exist_ok=True)
    config = write_config(output / "config.yaml", server, assemble)
    for name in ("assemble", *more):
        source = fetched if name == "assemble" else output
        build(session_of(config, source, output), [name])
    return output


def slots(output: Path) -> dict[str, list[tuple[str, str, int | None]]]:
    """Name, status and number of documents of the images of each document."""
    found = {}
    for file in sorted((output / "assembled").glob("part-*.parquet")):
        for row in pq.read_table(file).to_pylist():
            pairs = zip(row["nodes"], row["slots"], strict=True)
            found[row["id"]] = [
                (node["image"]["url"].rpartition("/")[2], slot["status"], slot["documents"])
                for node, slot in pairs
                if slot is not None
            ]
    return found


@pytest.mark.parametrize(("same", "counts"), [("sight", BY_SIGHT), ("bytes", BY_BYTES)])
def test_a_picture_is_counted_by_document_whatever_its_addresses(
    same: str, counts: dict[str, int], fetched: Path, server: str, tmp_path: Path
) -> None:
    counts = counts | OTHERS
    output = assembled(fetched, server, tmp_path, SAME[same] | {"image": ANY})
    assert slots(output) == {
        id: [(name, *(("ok", counts[name]) if name in counts else ("http_4xx", None))) for name in names]
        for id, names in SHOWN.items()
    }
    told = defaultdict(set)
    for path in sorted((output / "pictures").glob("part-*.parquet")):
        for url, picture, documents in rows_of(str(path)):
            name = url.rpartition("/")[2]
            assert documents == counts[name]
            told[picture].add(name)
    alike = {"a.png", "a-again.png", "a-small.jpg"} if same == "sight" else {"a.png", "a-again.png"}
    assert alike in told.values()
    assert {"red.png", "red-again.png"} in told.values()


def test_what_is_on_too_many_documents_goes(fetched: Path, server: str, tmp_path: Path) -> None:
    rules = {"image": {"picture_frequency": {"max": 2}}}
    by_sight = slots(assembled(fetched, server, tmp_path / "sight", SAME["sight"] | rules))
    by_bytes = slots(assembled(fetched, server, tmp_path / "bytes", SAME["bytes"] | rules))

    def refused(found: dict[str, list[Any]]) -> Counter[str]:
        return Counter(
            name for images in found.values() for name, status, _ in images if status == "picture_frequency"
        )

    assert refused(by_sight) == {"a.png": 3, "a-again.png": 1, "a-small.jpg": 2}
    assert refused(by_bytes) == {"a.png": 3, "a-again.png": 1}


def test_of_a_picture_that_a_document_shows_again_the_first_stays(
    fetched: Path, server: str, tmp_path: Path
) -> None:
    rules = {"image": {"repeated_picture": {}}}
    for same, small in (("sight", "repeated_picture"), ("bytes", "ok")):
        output = assembled(fetched, server, tmp_path / same, SAME[same] | rules)
        found = {id: [status for _, status, _ in images] for id, images in slots(output).items()}
        assert found == {
            "1": ["ok", "http_4xx"],
            "2": ["ok"],
            "3": ["ok"],
            "4": ["ok", "ok", small, "repeated_picture"],
            "5": ["ok", "repeated_picture", "ok"],
            "6": ["ok", "ok"],
        }


def test_the_dataset_says_on_how_many_documents_a_picture_is(
    fetched: Path, server: str, tmp_path: Path
) -> None:
    for name in (
        "deduplicated",
        "signatures",
        "superseded",
        "images",
        "image_results",
        "image_urls",
        "fetch_log",
        "consent",
        "quarantine",
        "decisions",
    ):
        (tmp_path / name).symlink_to(fetched / name)
    output = assembled(fetched, server, tmp_path, SAME["sight"] | {"image": ANY}, "export")
    found = {}
    for file in (output / "dataset/data").glob("*.parquet"):
        for row in pq.read_table(file).to_pylist():
            for info in filter(None, row["image_info"]):
                found[info["filename"]] = info["dup_count"]
    assert found == BY_SIGHT | OTHERS | {"gone.png": None}


def test_where_nothing_is_compared_nothing_is_counted(fetched: Path, server: str, tmp_path: Path) -> None:
    output = assembled(fetched, server, tmp_path, {"image": {"size": {"min": 10}}})
    assert {count for images in slots(output).values() for _, _, count in images} == {None}


# What retune tells of them


@pytest.fixture(scope="module")
def compared(fetched: Path, server: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run that has compared its images by sight."""
    folder = tmp_path_factory.mktemp("compared")
    for path in fetched.iterdir():
        (folder / path.name).symlink_to(path)
    return assembled(fetched, server, folder, SAME["sight"] | {"image": ANY})


def test_retune_says_what_a_real_run_does(compared: Path, fetched: Path, server: str, tmp_path: Path) -> None:
    rules = {
        "image": {"picture_frequency": {"max": 3}, "repeated_picture": {}},
        "document": {"image_count": {"min": 1}},
    }
    output = assembled(fetched, server, tmp_path, SAME["sight"] | rules)
    config = load(str(tmp_path / "config.yaml"))
    kept = [
        prediction.id for prediction in predict(str(compared), config, "assemble", 1.0) if prediction.kept
    ]
    assert sorted(kept) == sorted(slots(output)) == ["4", "5", "6"]
    told = retune(str(compared), config, "assemble", 1.0).levels
    done = stages.read_manifest(str(output), ASSEMBLE).tally.levels
    for name, level in done.items():
        assert (told[name].entered, told[name].kept) == (level.entered, level.kept)
        assert +Counter(told[name].rejected) == Counter(level.rejected)


@pytest.mark.parametrize(
    ("assemble", "asked"),
    [
        ({"image": ANY}, "bytes"),
        ({"same_picture": {"bits": 2}, "image": {"repeated_picture": {}}}, "sight, 2 bits"),
    ],
)
def test_retune_cannot_tell_what_the_run_has_compared_otherwise(
    assemble: dict[str, Any],
    asked: str,
    compared: Path,
    server: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    config = write_config(tmp_path / "c.yaml", server, assemble)
    assert (
        main(["retune", str(compared), "--stage", "assemble", "--share", "1", "--config", str(config)]) == 2
    )
    told = capsys.readouterr().err
    assert f"pictures were compared by sight, 3 bits and not by {asked}" in told
    assert "run 'obelics assemble' with this configuration once" in told
    assert str(compared) in told


# Many hashes


def random_slots(chance: random.Random) -> dict[str, Slot]:
    """Images, of some of which the hashes are near each other, in chains."""
    found = {}
    for number in range(80):
        near = chance.choice([0, 2**63 + 5, 0xFF00FF00FF00FF00])
        for bit in chance.sample(range(12), chance.randint(0, 5)):
            near ^= 1 << (5 * bit)
        sha256 = f"{chance.randrange(60):064x}"
        phash = None if chance.random() < 0.2 else f"{near:016x}"
        status = "ok" if chance.random() < 0.9 else "http_4xx"
        found[f"http://img.example/{number}"] = Slot(status, sha256=sha256, phash=phash)
    return found


def plain_pictures(
    documents: list[Document], known: dict[str, Slot], bits: int | None
) -> dict[str, tuple[bytes, int]]:
    """The picture of each URL that is there, and the number of its documents."""
    hashes = {slot.phash for slot in known.values() if slot.phash}
    pairs = [
        (one, other)
        for one in hashes
        for other in hashes
        if bits is not None and one < other and (int(one, 16) ^ int(other, 16)).bit_count() <= bits
    ]
    least = {hashed: min(group) for group in components(pairs) for hashed in group}
    of = {}
    for url, slot in known.items():
        if slot.status == "ok":
            assert slot.sha256 is not None
            by_sight = slot.phash if bits is not None else None
            of[url] = bytes.fromhex(least.get(by_sight, by_sight) if by_sight else slot.sha256)
    counts = Counter(
        picture for document in documents for picture in {of[i.url] for i in document.images if i.url in of}
    )
    return {url: (picture, counts[picture]) for url, picture in of.items()}


@pytest.mark.parametrize("bits", [None, 0, 1, 3])
def test_pictures_are_what_steps_of_few_bits_connect(bits: int | None, tmp_path: Path) -> None:
    chance = random.Random(bits)
    known = random_slots(chance)
    names = [url.rpartition("/")[2] for url in known]
    pages = [page(str(n), images=tuple(chance.choices(names, k=chance.randint(0, 4)))) for n in range(60)]
    manifest = write_run(tmp_path, pages, 3)
    paths = [str(tmp_path / entry.path) for entry in manifest.under("filtered")]
    files = PartFiles(str(tmp_path / "work"), len(paths))
    shown = []
    for number, path in enumerate(paths):
        urls = {image.url for document in documents_in(path) for image in document.images}
        files.write(TOLD, number, {url: known[url] for url in sorted(urls)})
        shown.append(urls)
    everywhere = set().union(*shown)
    expected = plain_pictures(pages, {url: slot for url, slot in known.items() if url in everywhere}, bits)
    find_pictures(files, paths, bits, lambda wire: runner.run(wire, BeamOptions()) and None)
    for number, urls in enumerate(shown):
        found = files.read("pictures", number, Pictures)
        told = {url: (picture, found.documents.get(picture, 1)) for url, picture in found.of.items()}
        assert told == {url: value for url, value in expected.items() if url in urls}
    assert max(count for _, count in expected.values()) > 3
