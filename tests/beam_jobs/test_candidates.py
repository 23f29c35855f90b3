"""The next address of a picture when the first has none any more: what is asked, what never, and what is told of it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from archives import page, write_warc
from faultserver import JPEG, FaultServer
from hypothesis import given
from hypothesis import strategies as st

from beam_jobs.candidates import GONE, Fetched, Shown, follow, merged
from beam_jobs.cli import main
from obelics_pipeline.fetch_types import FetchResult, FetchStatus

# Which candidates a URL has

SHOWN = st.tuples(
    st.integers(0, 5),
    st.lists(st.sampled_from("abcdefgh"), unique=True, max_size=4).map(lambda urls: tuple(enumerate(urls))),
)


@given(st.lists(SHOWN, max_size=6), st.data())
def test_candidates_are_merged_alike_in_any_order_and_portions(
    shown: list[Shown], data: st.DataObject
) -> None:
    whole = merged(3, shown)
    mixed = data.draw(st.permutations(shown))
    cut = data.draw(st.integers(0, len(mixed)))
    assert merged(3, [merged(3, mixed[:cut]), merged(3, mixed[cut:])]) == whole
    assert whole[0] == sum(count for count, _ in shown)
    urls = {url for _, candidates in shown for _, url in candidates}
    assert {url for _, url in whole[1]} <= urls
    assert len(whole[1]) == min(3, len(urls))


# Which of them decides

A, B, C, ELSEWHERE = "http://a.example/1", "http://a.example/2", "http://a.example/3", "http://b.example/1"


def followed(
    answers: dict[str, str | int], ways: dict[str, Iterable[str]], objected: frozenset[str] = frozenset()
) -> tuple[dict[str, tuple[str, str, str | None]], list[str]]:
    """Address and status that decided of each URL, and how its own ended if another did; what was asked, in turn."""
    asked: list[str] = []

    def ask(urls: list[str]) -> Iterator[Fetched]:
        for url in urls:
            asked.append(url)
            code = answers[url] if isinstance(answers[url], int) else None
            yield FetchResult(url, FetchStatus("http_4xx" if code else answers[url]), http_status=code), 0  # type: ignore[arg-type]

    outcomes = follow({url: tuple(others) for url, others in ways.items()}, ask, lambda: objected)
    return {one.url: (one.result.url, one.result.status.value, one.first) for one in outcomes}, asked


@pytest.mark.parametrize("status", FetchStatus)
def test_only_what_is_gone_is_looked_for_elsewhere(status: FetchStatus) -> None:
    found, asked = followed({A: status.value, ELSEWHERE: "ok"}, {A: [ELSEWHERE]})
    if status in GONE:
        assert (found, asked) == ({A: (ELSEWHERE, "ok", status)}, [A, ELSEWHERE])
    else:
        assert (found, asked) == ({A: (A, status.value, None)}, [A])


def test_what_somebody_refuses_is_not_gone() -> None:
    """A status that is new belongs here or into ``GONE``."""
    assert set(FetchStatus) - GONE == {
        FetchStatus.OK,
        FetchStatus.NOT_FETCHED,
        FetchStatus.OPTOUT,
        FetchStatus.DENYLIST,
        FetchStatus.BLOCKED_ADDRESS,
        FetchStatus.LOST,  # nobody saw what its headers say
    }


@pytest.mark.parametrize(
    ("answers", "decides", "asked"),
    [
        pytest.param({A: 404, B: 404, C: "ok"}, (C, "ok", "http_4xx"), [A, B, C], id="the third"),
        pytest.param({A: 404, B: "empty", C: 410}, (A, "http_4xx", None), [A, B, C], id="none"),
        pytest.param({A: 404, B: "optout", C: "ok"}, (B, "optout", "http_4xx"), [A, B], id="reserved there"),
        pytest.param({A: 451, B: "ok"}, (A, "http_4xx", None), [A], id="for legal reasons"),
        pytest.param(
            {A: "dns", B: "ok", ELSEWHERE: "ok"},
            (ELSEWHERE, "ok", "dns"),
            [A, ELSEWHERE],
            id="a host that fails",
        ),
        pytest.param({A: "host_busy", B: "ok"}, (A, "host_busy", None), [A], id="a host that wants patience"),
        pytest.param({A: "timeout", B: "ok"}, (B, "ok", "timeout"), [A, B], id="an answer too late"),
    ],
)
def test_the_next_candidate(
    answers: dict[str, str | int], decides: tuple[str, str, str | None], asked: list[str]
) -> None:
    first, *others = answers
    assert followed(answers, {first: others}) == ({first: decides}, asked)


def test_what_was_objected_to_is_not_taken_elsewhere() -> None:
    answers: dict[str, str | int] = {A: 404, B: 404, C: "ok"}
    assert followed(answers, {A: [B, C]}, frozenset({B})) == ({A: (A, "http_4xx", None)}, [A, B])


def test_no_address_is_asked_twice() -> None:
    answers: dict[str, str | int] = {A: 404, B: 404, C: "ok"}
    found, asked = followed(answers, {A: [C], B: [C], C: []})
    assert found == {A: (C, "ok", "http_4xx"), B: (C, "ok", "http_4xx"), C: (C, "ok", None)}
    assert asked == [A, B, C]


# On the whole way


def figure(src: str, *candidates: str) -> str:
    """An image with these candidates, for ``archives.page``; two slashes begin a host of its own."""
    urls = (f"http:{name}" if name.startswith("//") else f"http://img.example/{name}" for name in candidates)
    listed = ", ".join(f"{url} {9 - place}00w" for place, url in enumerate(urls, 1))
    return f'{src}" srcset="{listed}'


PAGES = [
    page(1, [figure("404/1", "500/1", "jpeg/1"), figure("404/2", "jpeg/shared")]),
    page(2, [figure("404/3", "jpeg/shared"), "jpeg/2", figure("404/4", "jpeg/2")]),
    page(3, [figure("noai/1", "jpeg/never-1"), figure("404/5", "noai/2", "jpeg/never-2")]),
    page(4, [figure("404/6", "jpeg/reserved"), figure("404/7", "410/1", "half-jpeg/1", "204/1", "jpeg/4th")]),
    page(5, ["jpeg/reserved"]).replace("<head>", "<head><meta name=robots content=noimageai>"),
    page(
        6,
        [
            figure("jpeg/3", "jpeg/never-3"),
            figure("404/8", "//disallow.example/jpeg/never-4", "jpeg/never-5"),
        ],
    ),
]
OUTCOMES = {
    "404/1": ("ok", "jpeg/1", "http_4xx"),
    "404/2": ("ok", "jpeg/shared", "http_4xx"),
    "404/3": ("ok", "jpeg/shared", "http_4xx"),
    "404/4": ("ok", "jpeg/2", "http_4xx"),
    "404/5": ("optout", None, "http_4xx"),
    "404/6": ("optout", None, "http_4xx"),
    "404/7": ("http_4xx", None, None),
    "404/8": ("optout", None, "http_4xx"),
    "jpeg/2": ("ok", "jpeg/2", None),
    "jpeg/3": ("ok", "jpeg/3", None),
    "noai/1": ("optout", None, None),
}


def rows(output: Path, folder: str) -> list[dict[str, Any]]:
    files = sorted((output / folder).glob("*.parquet"))
    return [row for file in files for row in pq.read_table(file).to_pylist()]


def name_of(url: str | None) -> str | None:
    return None if url is None else url.removeprefix("http://img.example/")


def build(folder: Path, server: FaultServer, shard_images: int, candidates: int, *more: str) -> Path:
    folder.mkdir()
    warc = write_warc(
        folder / "pages.warc.gz",
        [(f"http://{n}.example/", f"2026-01-01T00:00:0{n}Z", html) for n, html in enumerate(PAGES)],
    )
    config = folder / "config.yaml"
    config.write_text(
        "extract: {main_content: false}\nexport: {timestamps: true}\n"
        f"images: {{shard_images: {shard_images}, candidates: {candidates}, allow_private: true, retry_wait: 0.1, "
        f'hosts: {{"*.example": "{server.endpoint}"}}}}\n'
    )
    output = folder / "out"
    command = ["build", "--config", str(config), "--input", str(warc), "--output", str(output)]
    assert main([*command, *more]) == 0
    return output


@pytest.fixture(scope="module")
def server() -> Iterator[FaultServer]:
    with FaultServer() as server:
        yield server


@pytest.fixture(scope="module")
def built(server: FaultServer, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Counter[str]]:
    """A build in one part, and what it asked for."""
    server.requests.clear()
    output = build(tmp_path_factory.mktemp("candidates") / "one", server, 1000, 3)
    return output, Counter(request.path.strip("/") for request in server.requests)


def test_a_picture_that_moved_is_found_and_a_reserved_one_is_not(built: tuple[Path, Counter[str]]) -> None:
    output, asked = built
    log = {row["url"]: row["first_status"] for row in rows(output, "fetch_log")}
    found = {
        name_of(row["url"]): (row["status"], name_of(row["fetched_url"]), log[row["url"]])
        for row in rows(output, "image_results")
    }
    assert found == OUTCOMES
    assert not {name for name in asked if "never" in name or "reserved" in name or "4th" in name}
    twice = {name for name, count in asked.items() if count > 1}
    assert twice == {"500/1", "robots.txt"}  # it may pass; of two hosts


def test_the_dataset_says_where_the_bytes_came_from(built: tuple[Path, Counter[str]]) -> None:
    output, _ = built
    infos = [info for row in rows(output, "dataset/data") for info in row["image_info"] if info]
    assert {name_of(info["url"]): name_of(info["fetched_url"]) for info in infos} == {
        url: fetched for url, (_, fetched, _) in OUTCOMES.items()
    }
    bodies = {image["bytes"] for row in rows(output, "dataset/data") for image in row["images"] if image}
    assert bodies == {JPEG}


def test_evidence_against_a_candidate_is_kept(built: tuple[Path, Counter[str]]) -> None:
    output, _ = built
    evidence = {(name_of(row["url"]), row["what"], row["verdict"]) for row in rows(output, "consent/images")}
    assert {row for row in evidence if row[2] == "opted_out"} == {
        ("noai/1", "noai", "opted_out"),
        ("noai/2", "noai", "opted_out"),
        ("http://disallow.example/jpeg/never-4", "robots", "opted_out"),
    }


@pytest.mark.timeout(300)
def test_the_parts_and_the_workers_change_nothing(
    built: tuple[Path, Counter[str]], server: FaultServer, tmp_path: Path
) -> None:
    """With several parts the page that reserves an address is in another one than the URL whose candidate it is."""
    one, _ = built
    several = build(tmp_path / "several", server, 3, 3)
    more = build(tmp_path / "more", server, 3, 3, "--workers", "2")
    place = {"part", "offset"}
    plain = [
        sorted(
            tuple((name, str(value)) for name, value in row.items() if name not in place)
            for row in rows(output, "image_results")
        )
        for output in (one, several, more)
    ]
    assert plain[0] == plain[1] == plain[2]
    assert len(list(several.glob("image_results/*.parquet"))) > 2
    for path in sorted(several.glob("image_results/*.parquet")):
        assert path.read_bytes() == (more / "image_results" / path.name).read_bytes()


def test_without_candidates_only_first_addresses_are_asked(server: FaultServer, tmp_path: Path) -> None:
    server.requests.clear()
    output = build(tmp_path / "none", server, 1000, 0)
    asked = {request.path.strip("/") for request in server.requests}
    assert asked == set(OUTCOMES) | {"robots.txt"}
    statuses = Counter(row["status"] for row in rows(output, "image_results"))
    assert statuses == {"http_4xx": 8, "ok": 2, "optout": 1}
