"""Deny-lists on the whole way: nothing of a hit is written, neither its bytes nor its address."""

from __future__ import annotations

import hashlib
import importlib.util
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from archives import page, write_warc
from faultserver import CASES, FaultServer, reply
from PIL import Image

from beam_jobs.assemble import tell
from beam_jobs.cli import main
from beam_jobs.denylists import deny_lists
from filters.consent.policy import Policy
from obelics_pipeline.assembled import Slot
from obelics_pipeline.denylist import DenyLists, pdq_hashes, withheld
from obelics_pipeline.errors import ConfigError, InputError
from obelics_pipeline.fetch_types import FetchResult, FetchStatus
from obelics_pipeline.registry import Registry
from obelics_pipeline.registry.compiling import compile_registry

EARLIER = {"documents", "filtered", "deduplicated"}
"""The stages before images are looked at: their tables hold all addresses."""


def waves(seed: int, kind: str = "JPEG", size: tuple[int, int] = (300, 240), **options: Any) -> bytes:
    """A picture that PDQ can tell from those of other seeds."""
    chance = random.Random(seed)
    picture = Image.new("RGB", (600, 480))
    for side in (4, 8, 16, 32, 64):
        noise = Image.frombytes("RGB", (side, side), chance.randbytes(side * side * 3))
        picture = Image.blend(picture, noise.resize(picture.size, Image.Resampling.BICUBIC), 0.4)
    body = BytesIO()
    picture.resize(size).save(body, kind, **options)
    return body.getvalue()


BODIES = {
    "plain": waves(1),
    "second": waves(2),
    "by-url": waves(3),
    "by-md5": waves(4),
    "by-sha256": waves(5),
    "broken": waves(6)[:2000],
    "copy": waves(7, "PNG", (450, 360)),
    "target": waves(8),
}
SERVED = {*BODIES, "moved"}
DENIED = {"by-url", "by-md5", "by-sha256", "broken", "copy", "moved"}


@pytest.fixture(scope="module")
def server() -> Iterator[FaultServer]:
    for name, body in BODIES.items():
        CASES[f"{name}.img"] = reply(200, body)
    CASES["moved.img"] = reply(302, Location="/target.img")
    with FaultServer() as running:
        yield running
    for name in SERVED:
        del CASES[f"{name}.img"]


@pytest.fixture(scope="module")
def listed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("lists")
    original = pdq_hashes(waves(7), 10**6)[0]
    (folder / "list.csv").write_text(
        "kind,value,scope\n"
        "url,http://img.example/by-url.img,image\n"
        "url_prefix,http://img.example/target.img,\n"
        f"md5,{hashlib.md5(BODIES['by-md5']).hexdigest()},\n"
        f"sha256,{hashlib.sha256(BODIES['by-sha256']).hexdigest()},\n"
        f"sha1,{hashlib.sha1(BODIES['broken']).hexdigest()},\n"
        f"pdq,{original},\n"
    )
    compile_registry([folder / "list.csv"], folder / "deny", name="hot line")
    return folder / "deny"


@pytest.fixture(scope="module")
def config(server: FaultServer, listed: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("config") / "deny.yaml"
    path.write_text(
        f"""
extract: {{main_content: false}}
dedup: {{url: {{}}}}
consent: {{deny: [{listed}]}}
images: {{shard_images: 5, allow_private: true, hosts: {{img.example: "{server.endpoint}"}}}}
export: {{timestamps: true}}
"""
    )
    return path


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Path:
    names = [f"{name}.img" for name in sorted(SERVED - {"target"})]
    pages = [
        (f"http://site.example/{n}", f"2026-01-01T00:00:0{n}Z", page(n, names[n : n + 3]))
        for n in range(len(names) - 2)
    ]
    return write_warc(tmp_path_factory.mktemp("archive") / "pages.warc.gz", pages)


def run(command: str, config: Path, archive: Path, output: Path) -> int:
    return main([command, "--config", str(config), "--input", str(archive), "--output", str(output)])


@pytest.fixture(scope="module")
def built(server: FaultServer, config: Path, archive: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    output = tmp_path_factory.mktemp("built")
    server.requests.clear()
    assert run("build", config, archive, output) == 0
    return output


def rows(output: Path, folder: str) -> list[dict[str, Any]]:
    files = sorted((output / folder).glob("*.parquet"))
    return [row for file in files for row in pq.read_table(file).to_pylist()]


def traces(output: Path) -> list[str]:
    """The files after those of the stages before that hold a denied address or the bytes of a denied image."""
    names = [f"{name}.img".encode() for name in (*DENIED, "target")]
    bodies = [BODIES[name] for name in (*(DENIED & set(BODIES)), "target")]
    found = []
    for path in output.rglob("*"):
        if not path.is_file() or path.relative_to(output).parts[0] in EARLIER:
            continue
        data = path.read_bytes()
        told = repr(pq.read_table(path).to_pylist()).encode() if path.suffix == ".parquet" else b""
        if any(name in data or name in told for name in names) or any(body in data for body in bodies):
            found.append(str(path.relative_to(output)))
    return found


def test_nothing_of_a_hit_is_written(built: Path) -> None:
    assert traces(built) == []
    assert {row["url"].rpartition("/")[2] for row in rows(built, "images")} == {"plain.img", "second.img"}


def test_a_search_for_traces_finds_them(built: Path, tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"x" + BODIES["by-md5"] + b"y")
    pq.write_table(pq.read_table(built / "deduplicated/part-00000.parquet"), tmp_path / "b.parquet")
    assert sorted(traces(tmp_path)) == ["a", "b.parquet"]


def test_every_address_has_one_status_and_hits_are_withheld(built: Path) -> None:
    found = {row["url"]: row for row in rows(built, "image_results")}
    hidden = {withheld(f"http://img.example/{name}.img") for name in DENIED}
    assert {url for url, row in found.items() if row["status"] == "denylist"} == hidden
    assert len(found) == len(rows(built, "image_results")) == len(SERVED) - 1
    assert {row["url"] for row in rows(built, "image_urls")} == set(found)
    assert {row["url"] for row in rows(built, "fetch_log")} == set(found)
    for url in hidden:
        told = {name for name, value in found[url].items() if value not in (None, [])}
        assert told == {"url", "status"}


def test_hits_are_told_by_hash_list_and_time_alone(built: Path) -> None:
    found = rows(built, "quarantine")
    kinds = {row["url_sha256"]: row["kind"] for row in found}
    assert kinds == {
        withheld(f"http://img.example/{name}.img").removeprefix("sha256:"): kind
        for name, kind in {
            "by-url": "url",
            "by-md5": "md5",
            "by-sha256": "sha256",
            "broken": "sha1",
            "copy": "pdq",
            "moved": "url_prefix",
        }.items()
    }
    assert set(found[0]) == {"url_sha256", "registry", "kind", "found_at"}
    assert {row["registry"] for row in found} == {"hot line"}
    assert all(abs(row["found_at"].timestamp() - time.time()) < 86_400 * 2 for row in found)


def test_listed_addresses_are_not_asked_for(built: Path, server: FaultServer) -> None:
    assert server.count("by-url.img") == 0
    assert server.count("by-md5.img") == 1


def test_the_dataset_does_not_say_where_a_hit_was(built: Path) -> None:
    names = {info["filename"] for row in rows(built, "dataset/data") for info in row["image_info"] if info}
    assert names == {"plain.img", "second.img"}
    assert sum(row["num_image_slots"] for row in rows(built, "dataset/data")) == 3


@pytest.mark.parametrize(("status", "named"), [("ok", True), ("http_4xx", True), ("denylist", False)])
def test_what_parts_are_told_on_the_way_names_no_hit(status: str, named: bool) -> None:
    url = "http://img.example/a"
    told = list(tell((withheld(url), ([(3, url)], [(status,)], []))))
    assert told == [(3, (url if named else withheld(url), Slot(status), None))]


@pytest.mark.parametrize(
    ("kind", "size", "turned"),
    [
        pytest.param("PNG", (300, 240), False, id="another format"),
        pytest.param("JPEG", (150, 120), False, id="half the size"),
        pytest.param("WEBP", (700, 500), True, id="turned and stretched"),
    ],
)
def test_copies_are_found_by_sight(kind: str, size: tuple[int, int], turned: bool, listed: Path) -> None:
    lists = DenyLists([Registry.open(listed)], 10**6)
    body = waves(7, kind, size)
    if turned:
        stream = BytesIO()
        Image.open(BytesIO(body)).transpose(Image.Transpose.ROTATE_90).save(stream, kind)
        body = stream.getvalue()
    assert lists.of_result(FetchResult("http://a.example/", FetchStatus.OK, body=body)).status == "denylist"
    other = FetchResult("http://a.example/", FetchStatus.OK, body=waves(9, kind, size))
    assert lists.of_result(other) is other


def test_what_cannot_be_looked_at_is_not_kept(listed: Path) -> None:
    lists = DenyLists([Registry.open(listed)], max_pixels=100)
    result = lists.of_result(FetchResult("http://a.example/", FetchStatus.OK, body=waves(9)))
    assert (result.status, result.body) == (FetchStatus.UNDECODABLE, None)


@pytest.mark.parametrize("at", ["via", "final_url"])
def test_redirects_do_not_lead_over_what_is_listed(listed: Path, at: str) -> None:
    place = "http://img.example/by-url.img"
    way: dict[str, Any] = {"final_url": "http://a.example/end"} | {at: (place,) if at == "via" else place}
    result = DenyLists([Registry.open(listed)], 100).of_result(
        FetchResult("http://a.example/", FetchStatus.OK, body=b"x", **way)
    )
    assert (result.url, result.status, result.via) == ("http://a.example/", FetchStatus.DENYLIST, ())


def test_without_deny_lists_results_pass(listed: Path) -> None:
    result = FetchResult("http://img.example/by-url.img", FetchStatus.OK, body=b"x", md5="0" * 32)
    lists = deny_lists(Policy(), 100)
    assert lists.of_url(result.url) is None
    assert lists.of_result(result) is result


def test_lists_that_cannot_be_relied_on_stop_the_run_before_it_begins(
    listed: Path, config: Path, archive: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "config.yaml"
    path.write_text(config.read_text().replace(str(listed), str(tmp_path / "nowhere")))
    assert run("build", path, archive, tmp_path / "out") == 2
    assert "nowhere" in capsys.readouterr().err
    assert not (tmp_path / "out" / "documents").exists()
    with pytest.raises(InputError, match="nowhere"):
        deny_lists(Policy(deny=(str(tmp_path / "nowhere"),)), 100)


def test_a_fetcher_that_writes_first_is_refused(
    config: Path, archive: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "config.yaml"
    path.write_text(config.read_text().replace("images: {", "images: {fetcher: img2dataset, "))
    assert run("build", path, archive, tmp_path / "out") == 2
    assert "consent.deny: img2dataset writes images to disk" in capsys.readouterr().err
    assert not (tmp_path / "out" / "documents").exists()


def test_lists_of_what_is_not_asked_are_refused(
    listed: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "list.csv").write_text("kind,value,scope\nhost,a.example,page\n")
    compile_registry([tmp_path / "list.csv"], tmp_path / "pages")
    with pytest.raises(ConfigError, match="scope page"):
        deny_lists(Policy(deny=(str(tmp_path / "pages"),)), 100)
    (tmp_path / "again").symlink_to(listed)
    monkeypatch.setattr("beam_jobs.denylists.find_spec", lambda name: None)
    with pytest.raises(ConfigError, match=r"obelics-builder\[pdq\]"):
        deny_lists(Policy(deny=(str(tmp_path / "again"),)), 100)
    assert importlib.util.find_spec("pdqhash")


WORKER = """
import sys
from beam_jobs.images import fetch_part
from beam_jobs.parts import Workspace, run_part
from filters.consent.policy import Policy
from beam_jobs.config import ImagesSection

root, endpoint, listed, *names = sys.argv[1:]
urls = [(f"http://img.example/{name}", 1, ()) for name in names]
options = ImagesSection(allow_private=True, hosts={"img.example": endpoint}, concurrency=1)
policy = Policy(deny=(listed,))
run_part(Workspace(root, "images", "f" * 32), 0, lambda part: fetch_part(part, "", urls, options, policy))
"""


def test_a_killed_run_leaves_no_traces_and_asks_for_no_hit_again(
    server: FaultServer, listed: Path, tmp_path: Path
) -> None:
    """Killed when all but a stuck address are answered, the next run takes them from the spool."""
    names = [f"{name}.img" for name in sorted(SERVED - {"target"})]
    order = [*names, *(f"void/{n}" for n in range(40))]  # whatever their order, some come between the others
    command = [sys.executable, "-c", WORKER, str(tmp_path), server.endpoint, str(listed)]
    server.requests.clear()
    CASES["void"] = reply(404)
    try:
        worker = subprocess.Popen([*command, *order])
        while not {request.case for request in server.requests} >= set(names) - {"by-url.img"}:
            assert worker.poll() is None
            time.sleep(0.002)
        os.kill(worker.pid, signal.SIGKILL)
        worker.wait()
        assert any((tmp_path / "_work").rglob("scratch/part-*"))
        assert traces(tmp_path) == []
        subprocess.run([*command, *order], check=True, timeout=120)
    finally:
        del CASES["void"]
    assert traces(tmp_path) == []
    denied = [row for row in rows(tmp_path, "image_results") if row["status"] == "denylist"]
    assert len(denied) == len(rows(tmp_path, "quarantine")) == len(DENIED)
    asked = [request.path for request in server.requests if request.case != "robots.txt"]
    assert len(asked) <= len(set(asked)) + 2  # what was under way
