"""Stores of robots.txt answer as the newest capture of each host does, and are not opened when damaged."""

from __future__ import annotations

import gzip
import io
import tempfile
from collections.abc import Iterable, Sequence
from itertools import pairwise
from pathlib import Path

import pytest
from archives import answer, response
from hypothesis import given, settings
from hypothesis import strategies as st

from obelics_pipeline.errors import InputError
from obelics_pipeline.robots import MAX_BYTES, Robots
from obelics_pipeline.robots_store import RobotsStore, compile_robots, folder, lookup
from obelics_pipeline.robots_store.compiling import MAX_REDIRECTS
from obelics_pipeline.url import host_of, resolve
from tests.obelics_pipeline.test_url import URL_PIECES

OURS = ["obelics-builder"]
AI = ["CCBot", "GPTBot"]
NO = b"User-agent: *\nDisallow: /no\n"
US = ("robots:obelics-builder",)
DOWN = ("robots:unreachable",)
DAY = "2026-01-01T00:00:00Z"
DAY_MS = 1767225600000

Record = tuple[str, str, bytes]


def store_of(records: Iterable[Record], place: Path, *, gzipped: bool = False) -> RobotsStore:
    """A store of response records."""
    pieces = [response(*record) for record in records]
    data = b"".join(map(gzip.compress, pieces)) if gzipped else b"".join(pieces)
    compile_robots([("robots.warc", io.BytesIO(data))], place / "store")
    return RobotsStore.open(place / "store", verify=True)


def robots(url: str, status: int = 200, body: bytes = NO, date: str = DAY, **headers: str) -> Record:
    return url, date, answer(status, body, **headers)


A = "http://a.example/robots.txt"
OTHER = [robots("http://other.example/robots.txt")]

CASES = [
    pytest.param([robots(A)], "http://a.example/no/x", US, id="forbidden"),
    pytest.param([robots(A)], "http://a.example/yes", (), id="allowed"),
    pytest.param([robots(A)], "http://A.EXAMPLE.:80/no", US, id="other spellings of the host"),
    pytest.param(
        [robots("http://a.example.:80/robots.txt")], "http://a.example/no", US, id="and of the file"
    ),
    pytest.param(
        [robots("<http://a.example/robots.txt>")], "http://a.example/no", US, id="as Wget writes it"
    ),
    pytest.param([robots(A)], "https://a.example/no", US, id="http answers for https"),
    pytest.param(
        [robots("https://a.example/robots.txt")], "http://a.example/no", US, id="and https for http"
    ),
    pytest.param(
        [robots(A), robots("https://a.example/robots.txt", body=b"")],
        "https://a.example/no",
        (),
        id="each scheme for itself first",
    ),
    pytest.param([robots(A)], "http://a.example:8080/no", None, id="another port"),
    pytest.param([robots("http://a.example:8080/robots.txt")], "http://a.example:8080/no", US, id="a port"),
    pytest.param(
        [robots("http://a.example:443/robots.txt")],
        "https://a.example/no",
        None,
        id="443 of http is no https",
    ),
    pytest.param([robots(A)], "http://www.a.example/no", None, id="another host"),
    pytest.param([robots("http://[::1]/robots.txt")], "https://[0::1]/no", US, id="an address"),
    pytest.param([robots(A)], "ftp://a.example/no", None, id="no URL of the web"),
    pytest.param([robots(A, 404), *OTHER], "http://a.example/no", (), id="404"),
    pytest.param([robots(A, 403), *OTHER], "http://a.example/no", (), id="403"),
    pytest.param([robots(A, 503), *OTHER], "http://a.example/yes", DOWN, id="503"),
    pytest.param([robots(A, 999), *OTHER], "http://a.example/yes", DOWN, id="999"),
    pytest.param([robots(A, 204, b""), *OTHER], "http://a.example/no", (), id="204"),
    pytest.param([(A, DAY, b"hello"), *OTHER], "http://a.example/yes", DOWN, id="no HTTP"),
    pytest.param(
        [robots(A, date="2026-01-02T00:00:00Z"), robots(A, 404)], "http://a.example/no", US, id="newest first"
    ),
    pytest.param(
        [robots(A, 404), robots(A, date="2026-01-02T00:00:00Z")], "http://a.example/no", US, id="newest last"
    ),
    pytest.param([robots(A, 404), robots(A)], "http://a.example/no", US, id="of one moment the last"),
    pytest.param(
        [robots(A, date="no date"), robots(A, 404, date="2000-01-01T00:00:00Z")],
        "http://a.example/no",
        (),
        id="without a date the oldest",
    ),
    pytest.param(
        [robots(A, 200, gzip.compress(NO), **{"Content-Encoding": "gzip"})],
        "http://a.example/no",
        US,
        id="encoded",
    ),
    pytest.param(
        [robots(A, body=b"<!doctype html>\n<p>User-agent: *\nDisallow: /no"), *OTHER],
        "http://a.example/no",
        (),
        id="a page without rules",
    ),
    pytest.param(
        [robots(A, body=b"<p>\n \tUSER-AGENT: *\nDisallow: /no\n", **{"Content-Type": "text/html"})],
        "http://a.example/no",
        US,
        id="a page with rules",
    ),
    pytest.param(
        [robots(A, body=b"Content-Usage: train-ai=n")],
        "http://a.example/",
        ("content-usage:train-ai=n",),
        id="use",
    ),
    pytest.param(
        [robots(A, body=b"User-agent: *\nContent-Usage: /pictures train-ai=n\nContent-Usage: train-ai=y")],
        "http://a.example/pictures/1.jpg",
        ("content-usage:train-ai=n",),
        id="use of a path",
    ),
    pytest.param(
        [robots(A, body=b"User-agent: GPTBot\nDisallow: /")],
        "http://a.example/",
        ("robots-ai-agents:gptbot",),
        id="others that train",
    ),
    pytest.param(
        [robots(A, 301, Location="https://b.example/x.txt"), robots("https://b.example/x.txt")],
        "http://a.example/no",
        US,
        id="redirect to any name",
    ),
    pytest.param(
        [robots(A, 302, Location="/x/../r?a"), robots("http://a.example/r?a")],
        "https://a.example/no",
        US,
        id="relative redirect",
    ),
    pytest.param([robots(A, 302, Location="/gone"), *OTHER], "http://a.example/no", None, id="led nowhere"),
    pytest.param([robots(A, 302), *OTHER], "http://a.example/no", None, id="no Location"),
    pytest.param([robots(A, 302, Location="file:///x"), *OTHER], "http://a.example/no", None, id="to a file"),
    pytest.param([robots(A, 302, Location=A), *OTHER], "http://a.example/no", None, id="to itself"),
    pytest.param([robots(A, 304), *OTHER], "http://a.example/yes", DOWN, id="304 leads nowhere"),
    pytest.param(
        [robots(A, 302, Location="/gone"), robots("https://a.example/robots.txt")],
        "http://a.example/no",
        US,
        id="the other scheme for what led nowhere",
    ),
]


@pytest.mark.parametrize("gzipped", [False, True], ids=["plain", "gzip"])
@pytest.mark.parametrize(("records", "url", "signals"), CASES)
def test_signals(
    records: list[Record], url: str, signals: tuple[str, ...] | None, gzipped: bool, tmp_path: Path
) -> None:
    store = store_of(records, tmp_path, gzipped=gzipped)
    assert store.signals(url, OURS, AI) == signals


@pytest.mark.parametrize(("hops", "signals"), [(MAX_REDIRECTS, US), (MAX_REDIRECTS + 1, None)])
def test_redirects_are_followed_so_far(hops: int, signals: object, tmp_path: Path) -> None:
    names = ["robots.txt", *(f"{hop}.txt" for hop in range(hops))]
    chain = [robots(f"http://a.example/{name}", 301, Location=f"/{then}") for name, then in pairwise(names)]
    store = store_of([*chain, robots(f"http://a.example/{names[-1]}"), *OTHER], tmp_path)
    assert store.signals("http://a.example/no", OURS) == signals
    assert store.manifest.unresolved == (0 if signals else 1)


def test_what_archives_held_is_counted(tmp_path: Path) -> None:
    sound = [
        gzip.compress(response(*record))
        for record in (
            robots(A, date="2026-01-02T00:00:00Z"),
            robots(A, 404),
            robots("http://b.example/robots.txt"),
            robots("http://c.example/robots.txt", 500),
            robots("http://d.example/robots.txt", 410),
            robots("http://e.example/robots.txt", 301, Location="/gone"),
            robots("http://f.example/", 200, b"<p>a page"),
            robots("dns:a.example"),
        )
    ]
    request = response(*robots(A)).replace(b"WARC-Type: response", b"WARC-Type: request")
    data = b"".join([*sound, gzip.compress(request), sound[0][:-20]])
    compile_robots([("a.warc.gz", io.BytesIO(data))], tmp_path / "winter")
    found = RobotsStore.open(tmp_path / "winter", verify=True).manifest
    assert (found.name, found.origins, found.bodies, found.unresolved) == ("winter", 4, 2, 1)
    assert (found.oldest, found.newest) == ("2026-01-01", "2026-01-02")
    assert found.answers == {"allows all": 1, "rules": 2, "unreachable": 1}
    assert found.records == {"captures": 7, "no_url": 1, "request": 1, "truncated": 1}


def test_a_body_is_stored_once(tmp_path: Path) -> None:
    shared = NO + b"Disallow: /of-a-kind\n" * 500
    records = [
        robots(
            f"http://h{n}.example/robots.txt", body=b"%sSitemap: http://h%d.example/x\n# %d" % (shared, n, n)
        )
        for n in range(200)
    ]
    store = store_of(records, tmp_path)
    assert (store.manifest.origins, store.manifest.bodies) == (200, 2)
    assert (tmp_path / "store" / "bodies").stat().st_size < len(shared)
    assert store.signals("http://h150.example/no", OURS) == US


def test_when_it_was_captured(tmp_path: Path) -> None:
    found = store_of([robots(A)], tmp_path).find("http://a.example/")
    assert found is not None
    assert found.at == DAY_MS


def test_huge_files_are_read_to_the_bound_and_few_are_kept_ready(tmp_path: Path) -> None:
    begin, end = b"User-agent: *\nDisallow: /no\n", b"Disallow: /other\n"
    hosts = range(lookup.READY_LARGE + 2)
    records = [
        robots(
            f"http://h{n}.example/robots.txt",
            body=begin + b"Allow: /%d filler\n" % n * (MAX_BYTES // 10) + end,
        )
        for n in hosts
    ]
    store = store_of(records, tmp_path)
    for n in hosts:
        assert store.signals(f"http://h{n}.example/no", OURS) == US
        assert store.signals(f"http://h{n}.example/other", OURS) == ()
    assert store._large.cache_info().currsize == lookup.READY_LARGE
    assert store._small.cache_info().currsize == 0


HOSTS = ["a.example", "b.example", "c.example:8080"]
URLS = [
    f"{scheme}://{host}/{name}"
    for scheme in ("http", "https")
    for host in HOSTS
    for name in ("robots.txt", "x")
]
LINES = [
    "User-agent: *",
    "User-agent: GPTBot",
    "Disallow: /no",
    "Content-Usage: train-ai=n",
    "Allow: /",
    "#",
    "<p>",
]
BODIES = st.lists(st.sampled_from(LINES) | st.text(max_size=8), max_size=5).map(
    lambda lines: "\n".join(lines).encode("utf-8", "replace")
)
ANSWERS = st.tuples(
    st.sampled_from([200, 200, 200, 404, 503, 301]), BODIES | st.binary(max_size=20), st.sampled_from(URLS)
)


def expected(answers: dict[str, tuple[int, bytes, str]], url: str) -> Robots | None:
    """By RFC 9309 from the newest answers, as they are."""
    for _ in range(MAX_REDIRECTS + 1):
        if url not in answers:
            return None
        status, body, target = answers[url]
        if status != 301:
            return Robots.answered(status, body)
        url = target
    return None


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.sampled_from(URLS), ANSWERS), min_size=1, max_size=12), st.randoms())
def test_a_store_answers_as_the_newest_captures_do(
    given_answers: Sequence[tuple[str, tuple[int, bytes, str]]], random: object
) -> None:
    records = [
        robots(url, status, body, f"2026-01-01T00:00:{second:02d}Z", Location=target)
        for second, (url, (status, body, target)) in enumerate(given_answers)
    ]
    random.shuffle(records)  # type: ignore[attr-defined]
    newest = dict(given_answers)
    with tempfile.TemporaryDirectory() as place:
        store = store_of([*records, *OTHER], Path(place))
        for url in URLS:
            scheme, _, rest = url.partition("://")
            other = {"http": "https", "https": "http"}[scheme]
            host = rest.partition("/")[0]
            own = expected(newest, f"{scheme}://{host}/robots.txt")
            if own is None and ":" not in host:
                own = expected(newest, f"{other}://{host}/robots.txt")
            asked = f"{scheme}://{host}/no"
            assert store.signals(asked, OURS, AI) == (None if own is None else own.signals(asked, OURS, AI))


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> RobotsStore:
    return store_of([robots(A)], tmp_path_factory.mktemp("small"))


@given(st.text() | URL_PIECES | URL_PIECES.map("http://a.example".__add__))
def test_anything_can_be_looked_up(small: RobotsStore, url: str) -> None:
    found = small.signals(url, OURS, AI)
    assert found is None or host_of(resolve(url) or "") == "a.example"


def damage(file: Path, how: str) -> None:
    data = file.read_bytes()
    if how == "missing":
        file.unlink()
    else:
        file.write_bytes(data[:-2] if how == "cut" else bytes([data[0] ^ 1]) + data[1:])


@pytest.mark.parametrize("how", ["missing", "cut", "changed"])
@pytest.mark.parametrize("name", ["manifest.json", *folder.COLUMNS, "offsets", "bodies", "dictionary"])
def test_a_damaged_store_is_not_opened(name: str, how: str, tmp_path: Path) -> None:
    store_of([robots(A)], tmp_path)
    damage(tmp_path / "store" / name, how)
    with pytest.raises(InputError, match=name):
        RobotsStore.open(tmp_path / "store")


@pytest.mark.parametrize("at", [0, -1], ids=["first byte", "last byte"])
def test_damage_of_a_large_file_is_noticed_when_it_is_read(
    at: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("obelics_pipeline.sealed.SMALL", 0)
    store_of([robots(A)], tmp_path)
    file = tmp_path / "store" / "bodies"
    data = bytearray(file.read_bytes())
    data[at if at else data.index(b"\x28\xb5\x2f\xfd", 1)] ^= 1
    file.write_bytes(data)
    store = RobotsStore.open(tmp_path / "store")
    with pytest.raises(InputError, match="bodies: is damaged"):
        store.find("http://a.example/")
    with pytest.raises(InputError, match="SHA-256"):
        RobotsStore.open(tmp_path / "store", verify=True)


def test_keys_written_in_another_way_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store_of([robots(A)], tmp_path)
    monkeypatch.setattr(folder, "fingerprint", lambda: "another")
    with pytest.raises(InputError, match="obelics robots compile"):
        RobotsStore.open(tmp_path / "store")


def test_nothing_is_written_over_or_left_behind(tmp_path: Path) -> None:
    store_of([robots(A)], tmp_path)
    with pytest.raises(InputError, match="exists"):
        store_of([robots(A)], tmp_path)
    page = io.BytesIO(response("http://a.example/", DAY, answer(200, b"<p>")))
    with pytest.raises(InputError, match=r"no answer for any robots\.txt in 1 records"):
        compile_robots([("a.warc", page)], tmp_path / "pages")
    with pytest.raises(InputError, match=r"b\.warc"):
        compile_robots([("b.warc", io.BytesIO(b"no archive"))], tmp_path / "none")
    assert [path.name for path in tmp_path.iterdir()] == ["store"]


def test_the_version_names_what_is_stored(tmp_path: Path) -> None:
    versions = set()
    for number, body in enumerate([NO, NO, b"User-agent: *\nDisallow: /"]):
        (tmp_path / str(number)).mkdir()
        versions.add(store_of([robots(A, body=body)], tmp_path / str(number)).version)
    assert len(versions) == 2
