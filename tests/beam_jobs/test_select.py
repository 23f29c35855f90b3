"""``obelics select`` finds exactly what is wanted, wherever the index lies, and reads little of it."""

from __future__ import annotations

import gzip
import random
import re
import sys
from collections.abc import Callable, Iterator
from hashlib import md5
from pathlib import Path

import columnar_index as index
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from archives import answer, page, response, write_warc
from columnar_index import Capture
from folderserver import FolderServer

from beam_jobs import io
from beam_jobs.cli import main
from obelics_pipeline.selection import SCHEMA, open_selection
from tests.s3server import misbehave

CRAWL = "CC-MAIN-2026-30"
HOSTS = (
    "example.com",
    "www.example.com",
    "blog.example.com",
    "example-shop.com",
    "example.co.uk",
    "www2.example.co.uk",
    "xn--bcher-kva.example",
    "me.github.io",
    "192.0.2.7",
    "www.com",
    *(f"site{number}.{tld}" for number in range(40) for tld in ("com", "org", "de")),
)
LANGUAGES = ("eng", "eng", "eng,fra", "fra,eng", "deu", None)
MIMES = ("text/html", "text/html", "application/xhtml+xml", "application/pdf", None)
START = 1_782_864_000_000  # 2026-07-01
HOUR = 3_600_000


def captures(count: int = 3000) -> list[Capture]:
    rng = random.Random(7)
    return [
        Capture(
            url=f"https://{rng.choice(HOSTS)}{rng.choice(['', '', ':8443'])}/{rng.randrange(500)}/Page?b={n}&a=%27",
            warc_filename=f"crawl-data/{CRAWL}/segments/17{n % 5}.1/warc/CC-MAIN-2026-{rng.randrange(40):05}.warc.gz",
            warc_record_offset=n * 1000 + rng.randrange(900),
            warc_record_length=rng.randrange(300, 90_000),
            fetch_time=START + rng.randrange(14 * 24 * HOUR),
            fetch_status=rng.choice([200, 200, 200, 404]),
            content_mime_type="text/html",
            content_mime_detected=rng.choice(MIMES),
            content_languages=rng.choice(LANGUAGES),
            content_truncated=rng.choice([None, None, "length"]),
        )
        for n in range(count)
    ]


CAPTURES = captures()


@pytest.fixture(scope="module")
def published(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("published")
    index.write(folder, CRAWL, "warc", index.table(CAPTURES), group_rows=200)
    return folder


@pytest.fixture(scope="module")
def server(published: Path) -> Iterator[FolderServer]:
    with FolderServer(published) as served:
        yield served


@pytest.fixture
def say(capsys: pytest.CaptureFixture[str]) -> Callable[..., tuple[int, str, str]]:
    def run(*arguments: object) -> tuple[int, str, str]:
        code = main(["select", "--crawl", CRAWL, *map(str, arguments)])
        captured = capsys.readouterr()
        return code, captured.out, captured.err

    return run


def rows_of(output: Path) -> list[dict[str, object]]:
    return pq.read_table(output / "selection.parquet").to_pylist()


def expected(found: list[Capture]) -> list[dict[str, object]]:
    ordered = sorted(found, key=lambda capture: (capture.warc_filename, capture.warc_record_offset))
    rows = [{name: getattr(capture, name) for name in SCHEMA.names} for capture in ordered]
    return pa.Table.from_pylist(rows, SCHEMA).to_pylist()


def host(capture: Capture) -> str:
    return re.split("[/:]", capture.url)[3]


def is_page(capture: Capture) -> bool:
    return capture.fetch_status == 200 and capture.content_mime_detected in (
        "text/html",
        "application/xhtml+xml",
    )


def draw(capture: Capture) -> tuple[str, str, int]:
    return md5(capture.url.encode()).hexdigest()[:16], capture.warc_filename, capture.warc_record_offset


EVERYTHING = ["--statuses", "any", "--mimes", "any"]
QUERIES = [
    pytest.param([], is_page, id="pages"),
    pytest.param(EVERYTHING, lambda c: True, id="everything"),
    pytest.param(["--statuses", "404", "--mimes", "any"], lambda c: c.fetch_status == 404, id="a status"),
    pytest.param(
        ["--mimes", "application/pdf"],
        lambda c: c.fetch_status == 200 and c.content_mime_detected == "application/pdf",
        id="a type",
    ),
    pytest.param(
        ["--languages", "eng"],
        lambda c: is_page(c) and (c.content_languages or "").startswith("eng"),
        id="a main language",
    ),
    pytest.param(
        ["--languages", "deu", "fra"],
        lambda c: is_page(c) and c.content_languages in ("deu", "fra,eng"),
        id="two languages",
    ),
    pytest.param(
        ["--hosts", "www.example.com", *EVERYTHING], lambda c: host(c) == "www.example.com", id="a host"
    ),
    pytest.param(
        ["--hosts", "Example.com.", "www.com", *EVERYTHING],
        lambda c: host(c) in ("example.com", "www.com"),
        id="two hosts",
    ),
    pytest.param(
        ["--hosts", "192.0.2.7", "bücher.example", *EVERYTHING],
        lambda c: host(c) in ("192.0.2.7", "xn--bcher-kva.example"),
        id="an address and a name that is not ASCII",
    ),
    pytest.param(
        ["--domains", "example.com", *EVERYTHING], lambda c: host(c).endswith("example.com"), id="a domain"
    ),
    pytest.param(
        ["--domains", "example.co.uk", *EVERYTHING],
        lambda c: host(c).endswith("example.co.uk"),
        id="a domain below a long suffix",
    ),
    pytest.param(["--tlds", "de", *EVERYTHING], lambda c: host(c).endswith(".de"), id="a top-level domain"),
    pytest.param(
        ["--tlds", "io", "--hosts", "site3.org", *EVERYTHING],
        lambda c: host(c) in ("me.github.io", "site3.org"),
        id="alternatives",
    ),
    pytest.param(
        ["--since", "2026-07-03", "--until", "2026-07-04T12:00:00", *EVERYTHING],
        lambda c: START + 48 * HOUR <= c.fetch_time < START + 84 * HOUR,
        id="a time",
    ),
    pytest.param(["--whole"], lambda c: is_page(c) and c.content_truncated is None, id="whole pages"),
    pytest.param(["--share", "0.1", *EVERYTHING], lambda c: int(draw(c)[0], 16) < 0.1 * 2**64, id="a share"),
    pytest.param(["--hosts", "nowhere.example"], lambda c: False, id="nothing"),
]


@pytest.mark.parametrize(("asked", "wanted"), QUERIES)
def test_selection_is_exact(
    asked: list[str],
    wanted: Callable[[Capture], bool],
    published: Path,
    server: FolderServer,
    say: Callable[..., tuple[int, str, str]],
    tmp_path: Path,
) -> None:
    for place, name in ((published, "local"), (server.address, "http")):
        code, _, error = say("--index", place, "--archives", "s3://x/", *asked, "--output", tmp_path / name)
        assert (code, error) == (0, "")
        assert rows_of(tmp_path / name) == expected([capture for capture in CAPTURES if wanted(capture)])


def test_an_index_in_an_object_store_is_read_and_so_is_the_table_written(
    published: Path, bucket: str, say: Callable[..., tuple[int, str, str]]
) -> None:
    for path in published.rglob("*.parquet"):
        io.write_atomically(f"s3://bucket/cc/{path.relative_to(published)}", path.read_bytes())
    misbehave(bucket, busy=0.1)
    code, out, error = say(
        "--index", "s3://bucket/cc/", "--hosts", "site3.org", "--output", "s3://bucket/out"
    )
    assert (code, error) == (0, "")
    assert " below s3://bucket/cc/\n3 files of the index, 0." in out
    with io.open_read("s3://bucket/out/selection.parquet") as stream:
        found = open_selection(stream, "selection.parquet")
        rows = [row for batch in found.batches() for row in batch.to_pylist()]
    assert rows == expected([c for c in CAPTURES if is_page(c) and host(c) == "site3.org"])
    code, _, error = say("--index", "s3://bucket/other/", "--output", "s3://bucket/more")
    assert (code, "name the folder or address above 'cc-index/'" in error) == (2, True)


def test_a_limit_draws_evenly_and_a_larger_one_draws_more(
    published: Path, say: Callable[..., tuple[int, str, str]], tmp_path: Path
) -> None:
    pages = sorted(filter(is_page, CAPTURES), key=draw)
    for limit in (1, 100, 10_000):
        assert say("--index", published, "--limit", limit, "--output", tmp_path / str(limit))[0] == 0
        assert rows_of(tmp_path / str(limit)) == expected(pages[:limit])


def test_parts_are_files_of_the_index(
    published: Path, say: Callable[..., tuple[int, str, str]], tmp_path: Path
) -> None:
    rows = index.table(CAPTURES).to_pylist()
    code, out, _ = say("--index", published, *EVERYTHING, "--parts", 2, "--output", tmp_path)
    assert (code, len(rows_of(tmp_path))) == (0, 2000)
    assert {row["url"] for row in rows_of(tmp_path)} == {row["url"] for row in rows[:2000]}
    assert "2 files of the index" in out


def test_lists_of_hosts_are_read(
    published: Path, say: Callable[..., tuple[int, str, str]], tmp_path: Path
) -> None:
    names = [f"site{number}.com" for number in range(0, 40, 2)]
    absent = [f"absent{number}.example" for number in range(2000)]
    (tmp_path / "hosts.txt").write_text("\n".join(["# of interest", "", *names, *absent]))
    asked = ["--hosts", f"@{tmp_path / 'hosts.txt'}", *EVERYTHING]
    assert say("--index", published, *asked, "--output", tmp_path / "out")[0] == 0
    assert rows_of(tmp_path / "out") == expected([c for c in CAPTURES if host(c) in names])


def test_the_table_tells_what_was_asked_and_where_archives_are(
    published: Path, say: Callable[..., tuple[int, str, str]], tmp_path: Path
) -> None:
    asked = ["--hosts", "b.example", "a.example", "--languages", "eng", "--limit", "5"]
    code, out, _ = say("--index", published, *asked, "--output", tmp_path)
    assert code == 0
    with (tmp_path / "selection.parquet").open("rb") as stream:
        found = open_selection(stream, "selection.parquet")
        assert found.archives == "https://data.commoncrawl.org/"
        assert found.query == {
            "crawl": CRAWL,
            "subset": "warc",
            "index": str(published),
            "archives": "https://data.commoncrawl.org/",
            "hosts": ["a.example", "b.example"],
            "languages": ["eng"],
            "mimes": ["application/xhtml+xml", "text/html"],
            "statuses": [200],
            "limit": 5,
        }
    assert out.startswith("0 captures, 0.0 MB of 0 archives below https://data.commoncrawl.org/\n")


def test_what_is_printed_counts(
    server: FolderServer, say: Callable[..., tuple[int, str, str]], tmp_path: Path
) -> None:
    code, out, _ = say("--index", server.address, "--output", tmp_path)
    pages = list(filter(is_page, CAPTURES))
    size = sum(capture.warc_record_length for capture in pages) / 1e6
    archives = len({capture.warc_filename for capture in pages})
    assert code == 0
    assert (
        out.splitlines()[0]
        == f"{len(pages):,} captures, {size:.1f} MB of {archives} archives below {server.address}"
    )


def test_bytes_are_the_same_every_time(
    published: Path, server: FolderServer, say: Callable[..., tuple[int, str, str]], tmp_path: Path
) -> None:
    for name in ("once", "again"):
        assert say("--index", published, "--limit", 900, "--output", tmp_path / name)[0] == 0
    once, again = ((tmp_path / name / "selection.parquet").read_bytes() for name in ("once", "again"))
    assert once == again


def test_a_host_is_found_without_reading_the_index(
    say: Callable[..., tuple[int, str, str]], tmp_path: Path
) -> None:
    many = captures(30_000)
    index.write(tmp_path, CRAWL, "warc", index.table(many), group_rows=1000)
    with FolderServer(tmp_path) as server:
        code, out, _ = say("--index", server.address, "--hosts", "site3.org", "--output", tmp_path / "out")
        assert code == 0
        assert rows_of(tmp_path / "out") == expected(
            [capture for capture in many if is_page(capture) and host(capture) == "site3.org"]
        )
        sizes = {path.name: path.stat().st_size for path in tmp_path.rglob("part-*.parquet")}
        read = {name: server.sent[name] for name in sizes}
    in_order = [read[name] / size for name, size in sorted(sizes.items())]
    assert max(in_order[:2]) < 0.15  # the footers
    assert in_order[2] < 0.35  # and two row groups of ten
    assert f"{sum(read.values()) / 1e6:.1f} MB of them read" in out


def test_older_indexes_lack_columns_and_tell_time_in_another_way(
    say: Callable[..., tuple[int, str, str]], tmp_path: Path
) -> None:
    old = index.table(CAPTURES).drop_columns(["content_languages", "content_truncated", "warc_record_id"])
    options = {"compression": "gzip", "use_deprecated_int96_timestamps": True, "write_page_index": False}
    index.write(tmp_path, CRAWL, "warc", old, group_rows=500, **options)
    asked = ["--index", tmp_path, "--since", "2026-07-05", *EVERYTHING]
    assert say(*asked, "--output", tmp_path / "out")[0] == 0
    found = [c for c in CAPTURES if c.fetch_time >= START + 96 * HOUR]
    assert rows_of(tmp_path / "out") == [row | {"content_languages": None} for row in expected(found)]
    code, _, error = say(*asked, "--languages", "eng", "--whole", "--output", tmp_path / "other")
    assert code == 2
    assert (
        "without content_languages, content_truncated; content_languages came with CC-MAIN-2018-39" in error
    )


def test_selected_pages_are_extracted_and_no_others(
    say: Callable[..., tuple[int, str, str]], tmp_path: Path
) -> None:
    hosts = "abcab"
    pages = [
        (f"http://{name}.example/{n}", "2026-07-02T00:00:00Z", page(n, [])) for n, name in enumerate(hosts)
    ]
    name = f"crawl-data/{CRAWL}/segments/1.1/warc/a.warc.gz"
    published = tmp_path / "published"
    (published / name).parent.mkdir(parents=True)
    archive = write_warc(published / name, pages)
    index.write(published, CRAWL, "warc", index.table(index.captures_of(archive, name)), files=1)
    table, output = tmp_path / "selection.parquet", tmp_path / "out"
    with FolderServer(published) as server:
        asked = ["--index", server.address, "--hosts", "a.example", "--languages", "eng"]
        assert say(*asked, "--output", tmp_path)[0] == 0
        assert main(["extract", "--input", str(table), "--output", str(output)]) == 0
    documents = pa.concat_tables(
        map(pq.read_table, sorted((output / "documents").glob("*.parquet")))
    ).to_pylist()
    assert [(row["warc_record_offset"], row["warc_record_length"]) for row in rows_of(tmp_path)] == [
        (document["warc_offset"], document["warc_length"]) for document in documents
    ]
    assert [(document["url"], document["warc_filename"]) for document in documents] == [
        ("http://a.example/0", name),
        ("http://a.example/3", name),
    ]


def test_robots_txt_of_selected_hosts_is_compiled_whatever_was_answered(
    say: Callable[..., tuple[int, str, str]], capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    said = {
        "http://a.example": answer(200, b"User-agent: *\nDisallow: /"),
        "http://b.example": answer(404),
        "http://c.example": answer(200, b"User-agent: *\nDisallow: /"),
    }
    name = f"crawl-data/{CRAWL}/segments/1.1/robotstxt/a.warc.gz"
    archive = tmp_path / name
    archive.parent.mkdir(parents=True)
    records = [response(f"{at}/robots.txt", "2026-07-02T00:00:00Z", body) for at, body in said.items()]
    archive.write_bytes(b"".join(gzip.compress(record, mtime=0) for record in records))
    index.write(tmp_path, CRAWL, "robotstxt", index.table(index.captures_of(archive, name)), files=1)
    asked = ["--index", tmp_path, "--archives", tmp_path, "--subset", "robotstxt"]
    assert say(*asked, "--hosts", "a.example", "b.example", "--output", tmp_path / "out")[0] == 0
    assert [row["fetch_status"] for row in rows_of(tmp_path / "out")] == [200, 404]

    store, table = str(tmp_path / "store"), str(tmp_path / "out/selection.parquet")
    assert main(["robots", "compile", table, "--output", store]) == 0
    assert "store: 2 origins" in capsys.readouterr().out
    assert main(["robots", "check", store, *(f"{at}/x" for at in said)]) == 0
    heard = [line.split("  ")[0] for line in capsys.readouterr().out.splitlines()]
    assert heard == ["robots:obelics-builder", "nothing", "not captured"]
    archive.unlink()
    assert main(["robots", "compile", table, "--output", str(tmp_path / "other")]) == 2
    assert "is the prefix of its archives right?" in capsys.readouterr().err


BAD = [
    pytest.param(
        ["--hosts", "https://a.example/path"],
        "--hosts https://a.example/path: 'https://a.example/path' is no name",
        id="an address for a host",
    ),
    *(
        pytest.param(
            ["--hosts", name], f"'{re.escape(name)}' is no name; write it without scheme, user", id=what
        )
        for name, what in {
            "user@a.example": "a user",
            "a.example:8443": "a port",
            "a.example?x": "a query",
            "a.example#f": "a fragment",
            "a.example,b.example": "two hosts",
            "a .example": "a space",
            "1.2": "half an address",
            "a..example": "an empty label",
            ".": "a dot",
            "": "nothing",
        }.items()
    ),
    pytest.param(["--hosts", "*.a.example"], "has a '[*]'; --domains takes a domain with all", id="a star"),
    pytest.param(
        ["--archives", "https://user:secret@a.example/"],
        "https://a.example/: leave user name and password out",
        id="a password",
    ),
    pytest.param(
        ["--archives", "https://a.example/?X-Amz-Signature=secret"],
        "--archives https://a.example/: names are joined",
        id="a signature",
    ),
    pytest.param(
        ["--hosts", "@/nowhere.txt"],
        "--hosts @/nowhere.txt: no such list; write one name a line",
        id="no list",
    ),
    pytest.param(
        ["--languages", "en"],
        "--languages en: is not a code of ISO 639-3, such as eng",
        id="a language of two letters",
    ),
    pytest.param(["--statuses", "2xx"], "--statuses 2xx: is not a status of HTTP", id="a status"),
    pytest.param(["--mimes", "html"], "--mimes html: is not a type of content", id="a type"),
    pytest.param(["--since", "July"], "'July' is no time; write 2026-07-01", id="a time"),
    pytest.param(["--share", "2"], "'2' is no share", id="a share"),
    pytest.param(["--limit", "0"], "'0' is no number of captures; write 1 or more", id="a limit"),
    pytest.param(["--subset", "wat"], "no subset 'wat'", id="a subset"),
    pytest.param(
        ["--crawl", "CC-MAIN-2026-99"],
        f"of crawl CC-MAIN-2026-99 in .*; there are crawl={CRAWL}",
        id="a crawl that is not there",
    ),
    pytest.param(["--crawl", "../x"], "--crawl ../x: is not the name of a crawl", id="no name of a crawl"),
    pytest.param(
        ["--subset", "robotstxt"],
        "no index of the robots.txt of hosts (robotstxt) of crawl",
        id="a subset that is not there",
    ),
    pytest.param(["--index", "/nowhere"], "name the folder or address above 'cc-index/'", id="no index"),
]


@pytest.mark.parametrize(("asked", "why"), BAD)
def test_mistakes_are_told(
    asked: list[str], why: str, published: Path, say: Callable[..., tuple[int, str, str]], tmp_path: Path
) -> None:
    code, _, error = say("--index", published, *asked, "--output", tmp_path / "out")
    assert code == 2
    assert re.search(why.replace("(", r"\(").replace(")", r"\)"), error), error
    assert "secret" not in error
    assert not (tmp_path / "out").exists()


def test_a_folder_with_a_selection_is_left_alone(
    published: Path, say: Callable[..., tuple[int, str, str]], tmp_path: Path
) -> None:
    assert say("--index", published, "--limit", 3, "--output", tmp_path)[0] == 0
    before = (tmp_path / "selection.parquet").read_bytes()
    code, _, error = say("--index", published, "--limit", 4, "--output", tmp_path)
    assert (code, "has a selection.parquet already; name a new folder" in error) == (2, True)
    assert (tmp_path / "selection.parquet").read_bytes() == before


def test_a_crawl_that_a_server_does_not_list_is_told(
    server: FolderServer, say: Callable[..., tuple[int, str, str]], tmp_path: Path
) -> None:
    code, _, error = say("--crawl", "CC-MAIN-2026-99", "--index", server.address, "--output", tmp_path)
    assert code == 2
    assert "--crawl CC-MAIN-2026-99: no list of its index files" in error
    assert "crawl-data/CC-MAIN-2026-99/cc-index-table.paths.gz: HTTP 404" in error


def test_a_server_that_does_not_answer_is_told(
    say: Callable[..., tuple[int, str, str]], tmp_path: Path
) -> None:
    with FolderServer(tmp_path) as server:
        address = server.address
    code, _, error = say("--index", address, "--output", tmp_path)
    assert code == 2
    assert f"--index {address}, --crawl {CRAWL}: no list of its index files" in error
    assert "cannot be reached" in error
    assert "refused" in error


def test_a_list_that_is_none_is_told(say: Callable[..., tuple[int, str, str]], tmp_path: Path) -> None:
    listing = tmp_path / f"crawl-data/{CRAWL}/cc-index-table.paths.gz"
    listing.parent.mkdir(parents=True)
    listing.write_bytes(b"<html>")
    with FolderServer(tmp_path) as server:
        code, _, error = say("--index", server.address, "--output", tmp_path)
    assert (code, f"{listing.name}: is no list of index files" in error) == (2, True)


@pytest.mark.parametrize("remote", [False, True], ids=["local", "http"])
def test_damaged_and_missing_files_are_named(
    remote: bool, say: Callable[..., tuple[int, str, str]], tmp_path: Path
) -> None:
    published = tmp_path / "published"
    files = index.write(published, CRAWL, "warc", index.table(CAPTURES[:600]), files=3)
    with FolderServer(published) as server:
        place = server.address if remote else published
        files[1].write_bytes(files[1].read_bytes()[:-100])
        code, _, error = say("--index", place, "--output", tmp_path / "damaged")
        assert code == 2
        assert files[1].name in error
        assert "cannot be read" in error
        files[1].unlink()
        if remote:  # it is listed there
            code, _, error = say("--index", place, "--output", tmp_path / "missing")
            assert code == 2
            assert files[1].name in error
    assert not list(tmp_path.glob("*/selection.parquet*"))


def test_a_file_that_is_there_twice_is_told(say: Callable[..., tuple[int, str, str]], tmp_path: Path) -> None:
    first, *_ = index.write(tmp_path, CRAWL, "warc", index.table(CAPTURES[:300]))
    first.with_name("copy.parquet").write_bytes(first.read_bytes())
    code, _, error = say("--index", tmp_path, "--output", tmp_path / "out")
    assert (code, "is one of its files there twice?" in error) == (2, True)
    assert not list((tmp_path / "out").iterdir())


def test_without_duckdb_it_says_what_to_install(
    published: Path,
    say: Callable[..., tuple[int, str, str]],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    monkeypatch.setitem(sys.modules, "duckdb", None)
    code, _, error = say("--index", published, "--output", tmp_path)
    assert (code, "pip install 'obelics-builder[select]'" in error) == (2, True)
