"""Consent on the whole way: nothing that opts out is in the dataset or even asked for, and the evidence is kept."""

from __future__ import annotations

import io
import re
import threading
from collections.abc import Iterator
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pyarrow.parquet as pq
import pytest
from archives import page, write_warc
from msgspec.structs import replace
from PIL import Image
from spawning_stub import FAULTS, KEY, SpawningStub, listing

from beam_jobs import optouts, stages
from beam_jobs.cli import main
from beam_jobs.config import load
from beam_jobs.export import records_of
from beam_jobs.parts import Workspace, run_part
from beam_jobs.retune import retune
from beam_jobs.shard_writer import write_shard
from beam_jobs.splits import Splits
from filters.consent.policy import Policy
from obelics_pipeline.assembled import Assembled, Slot
from obelics_pipeline.document import Document, ImageNode
from obelics_pipeline.errors import InputError
from obelics_pipeline.fetch_types import FetchResult, FetchStatus
from obelics_pipeline.registry import Registry, hashes
from obelics_pipeline.registry.compiling import compile_registry
from obelics_pipeline.spawning import KEY_VARIABLE
from obelics_pipeline.spawning_options import SpawningOptions

HEADERS = {
    "noai": ("X-Robots-Tag", "NoAI"),
    "bot": ("X-Robots-Tag", "gptbot: noimageai"),
    "other": ("X-Robots-Tag", "otherbot: noai"),
    "tdm": ("TDM-Reservation", "1"),
    "usage": ("Content-Usage", "train-ai=n"),
}
XMP = b'<x:xmpmeta><rdf:Description plus:DataMining="DMI-PROHIBITED-AIMLTRAINING"/></x:xmpmeta>'

ROBOTS = {
    "img.example": "User-agent: *\nDisallow: /private\n",
    "license.example": "License: https://license.example/rsl.xml\n",
    "refusing.example": "User-agent: *\nDisallow: /\n",
    "signal.example": "User-agent: *\nContent-Signal: ai-train=no\n",
    "gptbot.example": "User-agent: GPTBot\nDisallow: /\n",
}
"""What hosts of images say of themselves; others have an error to say."""

HOSTS: list[str] = []
"""Who was asked for its robots.txt."""

ASKED: list[str] = []
"""The images that were asked for."""


class Handler(BaseHTTPRequestHandler):
    """``/<word>-<shade>.jpg`` is an image with the header or the metadata that the word stands for."""

    def do_GET(self) -> None:
        if self.path == "/robots.txt":
            return self.say_what_may_be_asked_for()
        ASKED.append(self.path)
        word, shade = self.path.strip("/").removesuffix(".jpg").split("-")
        body = io.BytesIO()
        Image.new("RGB", (200, 200), (int(shade), 0, 0)).save(
            body, "JPEG", **({"xmp": XMP} if word == "xmp" else {})
        )
        if word in ("moved", "led"):
            self.send_response(302)
            self.send_header("Location", f"/{'plain' if word == 'moved' else 'place'}-{shade}.jpg")
            self.send_header(*(("X-Robots-Tag", "noai") if word == "moved" else ("Server", "s")))
        else:
            self.send_response(200)
            self.send_header(*HEADERS.get(word, ("Server", "s")))
        self.send_header("Content-Length", str(len(body.getvalue())))
        self.end_headers()
        self.wfile.write(body.getvalue())

    def say_what_may_be_asked_for(self) -> None:
        said = ROBOTS.get(self.headers["Host"])
        HOSTS.append(self.headers["Host"])
        self.send_response(503 if said is None else 200)
        self.send_header("Content-Length", str(len(said or "")))
        self.end_headers()
        self.wfile.write((said or "").encode())

    def log_message(self, *arguments: object) -> None:
        pass


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    served = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    served.daemon_threads = True
    threading.Thread(target=served.serve_forever, daemon=True).start()
    yield f"127.0.0.1:{served.server_port}"
    served.shutdown()
    served.server_close()


def asking(html: str, name: str, content: str) -> str:
    return html.replace("<head>", f"<head><meta name={name} content='{content}'>")


def shown_by(html: str, *hosts: str) -> str:
    """The page, its first images on ``hosts``."""
    for host in hosts:
        html = html.replace("http://img.example/", f"http://{host}.example/", 1)
    return html


PAGES = {
    "http://open.example/": page(1, ["plain-1.jpg", "shared-2.jpg", "listed-3.jpg"]),
    "http://open.example/images": page(2, ["noai-4.jpg", "bot-5.jpg", "other-6.jpg"]),
    "http://open.example/more": page(3, ["tdm-7.jpg", "usage-8.jpg", "xmp-9.jpg"]),
    "http://open.example/moved": page(4, ["moved-10.jpg", "fallen-11.jpg"]),
    "http://open.example/robots": shown_by(
        page(10, ["plain-14.jpg", "plain-15.jpg", "plain-16.jpg"]), "refusing", "signal", "gptbot"
    ),
    "http://open.example/hosts": shown_by(page(11, ["plain-17.jpg", "plain-18.jpg"]), "broken", "license"),
    "http://open.example/other": asking(page(5, ["plain-12.jpg", "led-19.jpg"]), "googlebot", "noai"),
    "http://noai.example/": asking(page(6, ["fallen-11.jpg"]), "robots", "noai"),
    "http://tdm.example/": asking(page(7, []), "tdm-reservation", "1"),
    "http://images.example/": asking(page(8, ["shared-2.jpg?", "place-19.jpg"]), "robots", "noimageai"),
    "http://sub.listed.example/": page(9, ["plain-13.jpg"]),
}
RELEASED = {"plain-1.jpg", "other-6.jpg", "plain-12.jpg", "plain-18.jpg"}
ASKED_FOR = {"noai-4.jpg", "bot-5.jpg", "tdm-7.jpg", "usage-8.jpg", "xmp-9.jpg", "moved-10.jpg"} | RELEASED


@pytest.fixture(scope="module", params=["builtin", "img2dataset"])
def config(server: str, tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest) -> Path:
    """The same for both engines."""
    python = request.getfixturevalue("img2dataset_python") if request.param == "img2dataset" else ""
    folder = tmp_path_factory.mktemp("config")
    listed = folder / "list.csv"
    listed.write_text(
        "kind,value,scope,source,since\n"
        "domain,listed.example,page,us,2026-01-01\n"
        "url,http://img.example/listed-3.jpg,image,us,2026-01-01\n"
    )
    compile_registry([listed], folder / "registry")
    path = folder / "consent.yaml"
    path.write_text(
        f"""
extract: {{main_content: false}}
dedup: {{url: {{}}}}
consent: {{registries: [{folder / "registry"}]}}
images:
  shard_images: 5
  retry_wait: 0
  allow_private: true
  hosts: {{"*.example": "{server}"}}
  fetcher: {request.param}
  img2dataset: {{python: "{python}"}}
"""
    )
    return path


@pytest.fixture(scope="module")
def built(config: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("built")
    pages = [(url, f"2026-01-01T00:00:0{n}Z", html) for n, (url, html) in enumerate(PAGES.items())]
    archive = write_warc(folder / "pages.warc.gz", pages)
    ASKED.clear()
    output = folder / "out"
    assert main(["build", "--config", str(config), "--input", str(archive), "--output", str(output)]) == 0
    return output


def rows(output: Path, folder: str) -> list[dict[str, Any]]:
    files = sorted((output / folder).glob("*.parquet"))
    return [row for file in files for row in pq.read_table(file).to_pylist()]


def test_no_page_that_opts_out_is_in_the_dataset(built: Path) -> None:
    found = {row["url"] for row in rows(built, "dataset/data")}
    assert found == {url for url in PAGES if "open" in url or "images" in url}
    refused = [row for row in rows(built, "decisions/filter") if row["level"] == "document"]
    assert {row["url"]: (row["rule"], row["excerpt"]) for row in refused} == {
        "http://noai.example/": ("opt_out", "meta-robots:noai"),
        "http://tdm.example/": ("opt_out", "tdm-reservation:1"),
        "http://sub.listed.example/": ("opt_out", "domain:listed.example"),
    }


def test_the_dataset_says_what_was_asked(built: Path) -> None:
    released = {"checked_at": None, "source": "page, registry", "result": "released"}
    assert [row["optout"] for row in rows(built, "dataset/data")] == [released] * 8


def test_a_shard_has_no_document_that_opts_out_since(built: Path, config: Path, tmp_path: Path) -> None:
    """The registry grows between two stages: the last one asks again."""
    grown = load(str(config))
    grown = replace(
        grown, consent=replace(grown.consent, registries=(*grown.consent.registries, later(tmp_path)))
    )
    work = partial(
        write_shard,
        splits=Splits(1, 1, 0),
        images=[str(path) for path in sorted(built.glob("images/part-*"))],
        config=grown,
    )
    records = [
        (id, record)
        for path in built.glob("assembled/part-*")
        for _, (id, record) in records_of(str(path), Splits(1, 1, 0))
    ]
    space = Workspace(str(tmp_path), "export", "f" * 32)
    report = run_part(space, 0, lambda part: work(part, "", records))
    documents, images = (report.tally.level(name) for name in ("documents", "images"))
    assert (documents.entered, documents.kept, documents.rejected) == (8, 1, {"opt_out": 7})
    assert images.left == 0
    assert [row["url"] for row in rows(tmp_path, "dataset/data")] == ["http://images.example/"]


def later(folder: Path) -> str:
    (folder / "later.csv").write_text("kind,value\nhost,open.example\n")
    compile_registry([folder / "later.csv"], folder / "later")
    return str(folder / "later")


def test_no_image_that_opts_out_is_in_the_dataset(built: Path) -> None:
    shown: dict[str, set[str]] = {}
    for row in rows(built, "dataset/data"):
        for image, info in zip(row["images"], row["image_info"], strict=True):
            if info is not None:
                shown.setdefault(info["status"], set()).add(info["filename"])
                assert (image is None) == (info["status"] != "ok")
    assert shown.pop("ok") == RELEASED
    assert set(shown) == {"optout"}
    stored = {row["url"].rpartition("/")[2] for row in rows(built, "images")}
    assert stored == RELEASED | {"led-19.jpg"}  # nobody knew on the way to it whose picture it is


def test_what_is_known_before_is_not_asked_for(built: Path) -> None:
    assert {path.strip("/") for path in ASKED} - {"plain-10.jpg"} == ASKED_FOR | {
        "led-19.jpg",
        "place-19.jpg",
    }
    assert set(HOSTS) == {*ROBOTS, "broken.example"}


def test_the_evidence_is_kept(built: Path) -> None:
    images = {
        row["url"].rpartition("/")[2]: (row["source"], row["what"], row["verdict"], row["rule"])
        for row in rows(built, "consent/images")
    }
    drop = ("opted_out", "drop_image")
    assert images == {
        "listed-3.jpg": ("registry:registry", "registry", *drop),
        "noai-4.jpg": ("x-robots-tag", "noai", *drop),
        "bot-5.jpg": ("x-robots-tag", "noimageai", *drop),
        "tdm-7.jpg": ("tdm-reservation", "tdm_reservation", *drop),
        "usage-8.jpg": ("content-usage", "content_usage", *drop),
        "xmp-9.jpg": ("data-mining", "data_mining", *drop),
        "moved-10.jpg": ("x-robots-tag", "noai", *drop),
        "plain-14.jpg": ("robots", "robots", *drop),
        "plain-15.jpg": ("content-signal", "content_signal", *drop),
        "plain-16.jpg": ("robots-ai-agents", "robots_ai_agents", *drop),
        "plain-17.jpg": ("robots", "robots", *drop),
        "plain-18.jpg": ("license", "license", "released", "keep"),
    }
    pages = [row["url"] for row in rows(built, "consent/filter") if row["level"] == "page"]
    assert sorted(pages) == sorted(url for url in PAGES if "open" not in url)


def test_an_image_is_not_taken_by_a_redirect_to_what_a_page_reserves(built: Path) -> None:
    (row,) = rows(built, "consent/assemble")
    assert row == {
        "level": "image",
        "url": "http://img.example/led-19.jpg",
        "source": "meta-robots",
        "what": "noimageai",
        "value": "meta-robots:noimageai http://images.example/ http://img.example/place-19.jpg",
        "checked_at": rows(built, "consent/filter")[0]["checked_at"].replace(second=9),
        "verdict": "opted_out",
        "rule": "drop_image",
    }
    tally = stages.read_manifest(str(built), stages.ASSEMBLE).tally.level("images")
    slots = [slot for row in rows(built, "assembled") for slot in row["slots"] if slot is not None]
    refused = sum(slot["status"] == "optout" for slot in slots)
    assert tally.unavailable == {"optout": refused}
    assert (tally.entered, tally.kept) == (len(slots), len(RELEASED))


def test_a_redirect_to_what_a_page_reserves_is_foreseen(built: Path, config: Path) -> None:
    foreseen = retune(str(built), load(str(config)), "assemble", 1.0).levels["images"]
    made = stages.read_manifest(str(built), stages.ASSEMBLE).tally.level("images")
    assert (foreseen.kept, foreseen.unavailable) == (made.kept, made.unavailable)


def exported(built: Path, config: Path, folder: Path, consent: str, entries: str, **given: Any) -> Path:
    """The dataset that ``export`` alone makes of what is there, with a list that has come since."""
    (folder / "since.csv").write_text(f"kind,value,scope\n{entries}")
    compile_registry([folder / "since.csv"], folder / "since", **given)
    policy = f"consent: {{{consent.format(folder / 'since')}}}"
    (folder / "config.yaml").write_text(re.sub(r"consent: .*", policy, config.read_text()))
    output = folder / "out"
    arguments = ["--config", str(folder / "config.yaml"), "--input", str(built), "--output", str(output)]
    assert main(["export", *arguments]) == 0
    return output


def shown_in(output: Path, refused: int = 0) -> set[str]:
    """The images that the dataset has bytes of; the others of its slots have none and say that they are reserved."""
    shown = set()
    for row in rows(output, "dataset/data"):
        for image, info in zip(row["images"], row["image_info"], strict=True):
            if info is not None:
                assert info["status"] == ("optout" if image is None else "ok")
                shown |= {info["filename"]} if image is not None else set()
    assert {row["url"].rpartition("/")[2] for row in rows(output, "dataset/pairs")} <= shown
    images = stages.read_manifest(str(output), stages.EXPORT).tally.level("images")
    rejected = {"document_rejected": refused} if refused else {}
    assert (images.entered, images.kept, images.rejected) == (len(RELEASED), len(shown), rejected)
    assert images.unavailable == {"optout": len(RELEASED) - len(shown) - refused}
    return shown


@pytest.mark.parametrize("kind", ["url", "md5", "sha1", "sha256"])
def test_export_asks_about_images_by_all_that_is_known_of_them(
    kind: str, built: Path, config: Path, tmp_path: Path
) -> None:
    (result,) = (row for row in rows(built, "image_results") if row["url"].endswith("plain-1.jpg"))
    output = exported(built, config, tmp_path, "registries: [{}]", f"{kind},{result[kind]},image\n", name="n")
    assert shown_in(output) == RELEASED - {"plain-1.jpg"}
    assert {row["optout"]["source"] for row in rows(output, "dataset/data")} == {"page, n"}


def test_export_asks_joined_lists_about_images(built: Path, config: Path, tmp_path: Path) -> None:
    entries = "url,http://img.example/plain-1.jpg,image\nurl,http://img.example/plain-12.jpg,image\n"
    with patch.object(hashes, "PIECE", 1):
        output = exported(built, config, tmp_path, "joined: [{}]", entries, joined=True)
    assert shown_in(output) == RELEASED - {"plain-1.jpg", "plain-12.jpg"}


def test_export_leaves_out_the_images_of_a_page_that_reserves_them_since(
    built: Path, config: Path, tmp_path: Path
) -> None:
    policy = "signals: {{registry: drop_image}}, registries: [{}]"
    output = exported(built, config, tmp_path, policy, "host,open.example,page\n")
    assert shown_in(output) == set()
    assert len(rows(output, "dataset/data")) == 8


def test_export_asks_services_anew_and_releases_nothing_without_an_answer(
    built: Path,
    config: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv(KEY_VARIABLE, KEY)
    with SpawningStub("http://open.example/other", "http://img.example/plain-1.jpg") as service:
        policy = f"spawning: {{{{endpoint: '{service.endpoint}', attempts: 1}}}}, registries: [{{}}]"
        output = exported(built, config, tmp_path, policy, "host,never.example,\n", name="n")
        found = rows(output, "dataset/data")
        assert {row["optout"]["source"] for row in found} == {"page, n, spawning"}
        asked = {
            info["url"] for row in found for info in row["image_info"] if info and info["status"] == "ok"
        }
        assert {row["url"] for row in found} | asked < set(service.asked)
        service.faults.append(FAULTS["503"])
        arguments = ["--config", str(tmp_path / "config.yaml"), "--input", str(built)]
        assert main(["export", *arguments, "--output", str(tmp_path / "silent")]) == 1
    assert "Spawning: no verdict on any of" in capsys.readouterr().err
    assert "http://open.example/other" not in {row["url"] for row in found}
    assert shown_in(output, refused=1) == RELEASED - {"plain-1.jpg", "plain-12.jpg"}


def test_export_judges_every_address_of_an_image(tmp_path: Path) -> None:
    (tmp_path / "list.csv").write_text("kind,value\nhost,cdn.example\n")
    compile_registry([tmp_path / "list.csv"], tmp_path / "list")
    policy, there = Policy(registries=(str(tmp_path / "list"),)), "http://cdn.example/x"
    nodes = (ImageNode("http://a.example/1"),)
    document = Document("1", "http://a.example/", "a.example", "a.example", nodes)
    consent = optouts.ReleaseConsent(policy, False, (), (), (), ())
    places = ({}, {"fetched_url": there}, {"final_url": there}, {"via": [there]})
    found = [consent.released(Assembled(document, (Slot("ok", **place),))) for place in places]
    assert [row and row.slots[0] and row.slots[0].status for row in found] == ["ok"] + ["optout"] * 3


def test_a_registry_that_cannot_be_relied_on_stops_the_run(
    built: Path, config: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "config.yaml"
    path.write_text(config.read_text().replace("/registry]", "/nowhere]"))
    archive = built.parent / "pages.warc.gz"
    arguments = ["--config", str(path), "--input", str(archive), "--output", str(tmp_path / "out")]
    assert main(["build", *arguments]) != 0
    assert "nowhere" in capsys.readouterr().err
    assert rows(tmp_path / "out", "filtered") == []


def test_images_of_a_run_without_evidence_are_not_fetched(built: Path) -> None:
    found = stages.read_manifest(str(built), stages.FILTER)
    assert optouts.evidence_files(str(built), found)
    files = tuple(entry for entry in found.files if not entry.path.startswith("consent/"))
    with pytest.raises(InputError, match="run 'obelics filter' again"):
        optouts.evidence_files(str(built), replace(found, files=files))


def test_a_failure_stays_what_it_is() -> None:
    gone = FetchResult("http://a.example/", FetchStatus.HTTP_4XX, signals=("x-robots-tag:noai",))
    consent = optouts.ImageConsent(Policy(), {}, ())
    assert consent.of_result(gone) is gone
    assert [row.what for row in consent.rows] == ["noai"]


def build_with(service: SpawningStub, config: Path, archive: Path, folder: Path) -> int:
    """A build that asks ``service`` besides."""
    path = folder / "config.yaml"
    options = f"spawning: {{endpoint: '{service.endpoint}', attempts: 1, backoff: 0.01}}"
    path.write_text(config.read_text().replace("consent: {", f"consent: {{{options}, "))
    return main(["build", "--config", str(path), "--input", str(archive), "--output", str(folder / "out")])


def test_what_a_service_lists_or_has_no_word_on_is_left_out(
    built: Path, config: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(KEY_VARIABLE, KEY)
    listed = ("http://open.example/other", "http://img.example/plain-1.jpg")
    with SpawningStub(*listed) as service:
        service.faults.append(lambda items: listing([item for item in items if "more" not in item["url"]]))
        assert build_with(service, config, built.parent / "pages.warc.gz", tmp_path) == 0
        assert "http://img.example/shared-2.jpg" not in service.asked  # a page has said enough
    found = rows(tmp_path / "out", "dataset/data")
    urls = {
        "http://open.example/",
        "http://open.example/images",
        "http://open.example/moved",
        "http://open.example/robots",
        "http://open.example/hosts",
        "http://images.example/",
    }
    assert {row["url"] for row in found} == urls
    assert {row["optout"]["source"] for row in found} == {"page, registry, spawning"}
    shown = {
        info["filename"]
        for row in found
        for image, info in zip(row["images"], row["image_info"], strict=True)
        if image is not None
    }
    assert shown == {"other-6.jpg", "plain-18.jpg"}
    decisions = [row for row in rows(tmp_path / "out", "decisions/filter") if row["level"] == "document"]
    refused = {row["url"]: row["excerpt"] for row in decisions}
    assert refused["http://open.example/other"] == "spawning:opted_out"
    assert refused["http://open.example/more"] == "spawning:missing"


def test_a_service_that_falls_silent_on_candidates_releases_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(KEY_VARIABLE, KEY)
    with SpawningStub() as service:
        options = SpawningOptions(endpoint=service.endpoint, attempts=1, backoff=0.01)
        consent = optouts.ImageConsent(Policy(spawning=options), {}, ())
        consent.ask_about(["http://a.example/1"])
        service.faults.append(FAULTS["503"])
        consent.ask_about(["http://a.example/2"])
    assert consent.refusal("http://a.example/1") is None
    refused = consent.refusal("http://a.example/2")
    assert refused is not None
    assert refused.status is FetchStatus.OPTOUT


@pytest.mark.parametrize("key", ["", KEY])
def test_a_service_that_says_nothing_releases_nothing(
    key: str,
    built: Path,
    config: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv(KEY_VARIABLE, key)
    with SpawningStub(always=FAULTS["503"]) as service:
        assert build_with(service, config, built.parent / "pages.warc.gz", tmp_path) == 1
    assert "Spawning: no verdict on any of" in capsys.readouterr().err
    assert rows(tmp_path / "out", "filtered") == []


def test_images_are_judged_by_their_hashes_and_by_where_they_were_found(tmp_path: Path) -> None:
    (tmp_path / "list.csv").write_text(f"kind,value\nsha256,{'5' * 64}\nhost,cdn.example\n")
    compile_registry([tmp_path / "list.csv"], tmp_path / "hashes")
    policy = Policy(registries=(str(tmp_path / "hashes"),))
    assert Registry.open(tmp_path / "hashes").content(sha256="5" * 64)
    ok = FetchResult(
        "http://a.example/", FetchStatus.OK, body=b"x", md5="1" * 32, sha1="2" * 40, sha256="3" * 64
    )
    consent = optouts.ImageConsent(policy, {}, ())
    assert consent.of_result(ok) is ok
    over = replace(ok, via=("http://cdn.example/x",), final_url="http://end.example/")
    for reserved in (replace(ok, sha256="5" * 64), replace(ok, final_url="http://cdn.example/x"), over):
        found = consent.of_result(reserved)
        assert (found.status, found.body) == (FetchStatus.OPTOUT, None)
