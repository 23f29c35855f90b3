"""robots.txt captures on the whole way: pages and images that it reserves are left out, and the evidence is kept."""

from __future__ import annotations

import json
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from archives import answer, page, response, write_warc
from msgspec.structs import replace

from beam_jobs.cli import main
from beam_jobs.config import load
from beam_jobs.export import records_of
from beam_jobs.parts import Workspace, run_part
from beam_jobs.retune import retune
from beam_jobs.shard_writer import write_shard
from beam_jobs.splits import Splits

DAY = "2026-01-01T00:00:00Z"
DAY_MS = 1767225600000
ROBOTS = {
    "http://open.example": answer(200, b"User-agent: *\nDisallow: /private"),
    "http://ai.example": answer(200, b"User-agent: GPTBot\nDisallow: /"),
    "http://usage.example": answer(200, b"User-agent: *\nContent-Usage: /no train-ai=n"),
    "https://signal.example": answer(200, b"User-agent: *\nContent-Signal: search=yes, ai-train=no"),
    "http://down.example": answer(503),
    "http://img.example": answer(200, b"User-agent: *\nContent-Usage: /reserved train-ai=n"),
}
PAGES = {
    "http://open.example/": page(1, ["shown.jpg", "reserved.jpg"]),
    "http://open.example/private": page(2, []),
    "http://ai.example/": page(3, []),
    "http://usage.example/yes": page(4, []),
    "http://usage.example/no/a": page(5, []),
    "http://signal.example/": page(6, []),
    "http://down.example/": page(7, []),
    "http://missing.example/": page(8, []),
}
REFUSED = {
    "http://open.example/private": "robots:obelics-builder",
    "http://ai.example/": "robots-ai-agents:gptbot",
    "http://usage.example/no/a": "content-usage:train-ai=n",
    "http://signal.example/": "content-signal:ai-train=no",
    "http://down.example/": "robots:unreachable",
}


def compiled(folder: Path, name: str, robots: dict[str, bytes]) -> Path:
    archive = folder / f"{name}.warc"
    archive.write_bytes(b"".join(response(f"{at}/robots.txt", DAY, said) for at, said in robots.items()))
    output = folder / name
    assert main(["robots", "compile", str(archive), "--output", str(output), "--name", name]) == 0
    return output


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("robots")
    write_warc(folder / "pages.warc.gz", [(url, DAY, html) for url, html in PAGES.items()])
    store = compiled(folder, "crawl", ROBOTS)
    (folder / "consent.yaml").write_text(
        f"extract: {{main_content: false}}\nconsent: {{robots: [{store}]}}\n"
        "images: {allow_private: true, hosts: {img.example: '127.0.0.1:9'}, retry_wait: 0}\n"
    )
    return folder


@pytest.fixture(scope="module")
def built(place: Path) -> Path:
    run(place / "consent.yaml", place, place / "out")
    return place / "out"


def run(config: Path, place: Path, output: Path) -> None:
    archive = str(place / "pages.warc.gz")
    assert main(["build", "--config", str(config), "--input", archive, "--output", str(output)]) == 0


def rows(output: Path, folder: str) -> Iterator[dict[str, Any]]:
    for file in sorted((output / folder).glob("*.parquet")):
        yield from pq.read_table(file).to_pylist()


def refusals(output: Path) -> dict[str, str]:
    found = (row for row in rows(output, "decisions/filter") if row["level"] == "document")
    return {row["url"]: row["excerpt"] for row in found if row["rule"] == "opt_out"}


def test_pages_are_judged_by_the_file_of_their_host(built: Path) -> None:
    assert refusals(built) == REFUSED
    assert {row["url"] for row in rows(built, "dataset/data")} == set(PAGES) - set(REFUSED)
    stages = json.loads((built / "report.json").read_bytes())["stages"]
    documents = next(stage for stage in stages if stage["stage"] == "filter")["tally"]["levels"]["documents"]
    assert (documents["in"], documents["kept"], documents["rejected"]) == (8, 3, {"opt_out": 5})


def test_images_are_judged_by_the_file_of_their_host(built: Path) -> None:
    statuses = {row["url"]: row["status"] for row in rows(built, "image_results")}
    assert statuses == {
        "http://img.example/shown.jpg": "connect",
        "http://img.example/reserved.jpg": "optout",
    }
    (evidence,) = rows(built, "consent/images")
    assert (evidence["source"], evidence["value"]) == ("robots.txt:crawl", "content-usage:train-ai=n")


def test_the_evidence_is_kept(built: Path) -> None:
    found = {row["url"]: row for row in rows(built, "consent/filter") if row["level"] == "page"}
    assert {url: row["value"] for url, row in found.items()} == REFUSED
    assert {(row["source"], row["checked_at"].isoformat()) for row in found.values()} == {
        ("robots.txt:crawl", "2026-01-01T00:00:00")
    }
    assert {row["optout"]["source"] for row in rows(built, "dataset/data")} == {"page, robots.txt:crawl"}


def test_a_store_that_says_something_else_makes_stages_run_again(place: Path, built: Path) -> None:
    before = load(str(place / "consent.yaml"))
    other = compiled(place, "other", {"http://open.example": answer(404)})
    after = replace(before, consent=replace(before.consent, robots=(str(other),)))
    first, second = (json.dumps(config.result_of("filter"), default=str) for config in (before, after))
    assert first.replace(str(place / "crawl"), str(other)) != second


def test_what_no_store_knows_may_be_refused(
    place: Path, built: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config = place / "strict.yaml"
    config.write_text(
        (place / "consent.yaml").read_text().replace("consent: {", "consent: {robots_missing: unknown, ")
    )
    found = retune(str(built), load(str(config)), "filter", 1.0)
    assert "opt_out" in found.encode().decode()
    run(config, place, place / "strict")
    assert refusals(place / "strict") == REFUSED | {"http://missing.example/": "robots:missing"}
    (row,) = (row for row in rows(place / "strict", "consent/filter") if "missing" in row["url"])
    assert (row["source"], row["verdict"], row["rule"]) == ("robots.txt", "unknown", "unknown")


def test_a_shard_has_no_document_that_a_later_store_refuses(place: Path, built: Path, tmp_path: Path) -> None:
    config = load(str(place / "consent.yaml"))
    later = compiled(tmp_path, "later", {"http://open.example": answer(200, b"User-agent: *\nDisallow: /")})
    policy = replace(config.consent, robots=(*config.consent.robots, str(later)))
    work = partial(
        write_shard,
        splits=Splits(1, 1, 0),
        images=[str(path) for path in sorted(built.glob("images/part-*"))],
        config=replace(config, consent=policy),
    )
    records = [
        record
        for path in built.glob("assembled/part-*")
        for _, record in records_of(str(path), Splits(1, 1, 0))
    ]
    space = Workspace(str(tmp_path), "export", "f" * 32)
    documents = run_part(space, 0, lambda part: work(part, "", records)).tally.level("documents")
    assert (documents.entered, documents.kept, documents.rejected) == (3, 2, {"opt_out": 1})


def test_a_damaged_store_stops_a_build_before_it_begins(
    place: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    store = compiled(tmp_path, "damaged", ROBOTS)
    (store / "bodies").write_bytes(b"")
    config = tmp_path / "config.yaml"
    config.write_text(f"consent: {{robots: [{store}]}}\nimages: {{allow_private: true}}\n")
    archive = str(place / "pages.warc.gz")
    output = tmp_path / "out"
    assert main(["build", "--config", str(config), "--input", archive, "--output", str(output)]) == 2
    assert f"{store / 'bodies'}: has 0 bytes" in capsys.readouterr().err
    assert not output.exists()


def test_explain_asks_the_store(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (place / "page.html").write_text(PAGES["http://open.example/"])
    arguments = ["--config", str(place / "consent.yaml"), "--url", "http://open.example/private/x"]
    assert main(["explain", str(place / "page.html"), *arguments]) == 0
    assert "opt_out: robots:obelics-builder" in capsys.readouterr().out


def test_compile_show_check(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    robots = ROBOTS | {
        "http://moved.example": answer(301, Location="/gone"),
        "http://no.example": answer(404),
    }
    store = compiled(tmp_path, "autumn", robots)
    said = capsys.readouterr().out
    size = sum(path.stat().st_size for path in store.iterdir() if path.suffix != ".json") / 1e6
    assert said.splitlines() == [
        f"autumn: 7 origins, captured from 2026-01-01 to 2026-01-01; {size:,.1f} MB",
        "  allows all               1",
        "  rules                    5",
        "  unreachable              1",
        "  bodies                   6",
        "  1 more lead on to what is not there, and count as not captured",
        "  records: captures 8",
    ]
    assert main(["robots", "show", str(store)]) == 0
    assert capsys.readouterr().out.startswith(f"{said}version ")
    urls = ["http://open.example/a", "http://open.example/private", "http://missing.example/"]
    assert main(["robots", "check", str(store), *urls]) == 0
    assert capsys.readouterr().out.splitlines() == [
        f"nothing  {urls[0]}",
        f"robots:obelics-builder  {urls[1]}",
        f"not captured  {urls[2]}",
    ]
    assert main(["robots", "compile", str(tmp_path / "none.warc"), "--output", str(tmp_path / "x")]) == 2
    assert f"WARC {tmp_path / 'none.warc'}: no such file" in capsys.readouterr().err
