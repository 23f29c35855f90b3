"""Registries hit what lists say, in every spelling, and nothing else; what is damaged is not opened."""

from __future__ import annotations

import gzip
import hashlib
import json
import re
import subprocess
import sys
import time
from collections.abc import Callable, Iterable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from obelics_pipeline import url
from obelics_pipeline.errors import InputError
from obelics_pipeline.registry import Hit, Registry, compiling, hashes, keys, pdq
from obelics_pipeline.registry.compiling import compile_registry
from tests.obelics_pipeline.test_url import URL_PIECES

MD5, SHA1, SHA256 = (hashlib.new(name, b"made up").hexdigest() for name in ("md5", "sha1", "sha256"))
ROOT = Path(__file__).parents[2]
Entry = tuple[str, str, str]


def compiled(entries: Iterable[Entry], folder: Path) -> Registry:
    lines = [f'{kind},"{value}",{scope}' for kind, value, scope in entries]
    (folder / "list.csv").write_text("\n".join(["kind,value,scope", *lines]))
    compile_registry([folder / "list.csv"], folder / "compiled", name="test")
    return Registry.open(folder / "compiled", verify=True)


@pytest.mark.parametrize(
    ("kind", "listed", "asked", "found"),
    [
        pytest.param("domain", "e.org", "https://e.org/", "e.org", id="domain: itself"),
        pytest.param("domain", "e.org", "http://a.b.e.org:8080/x?y", "e.org", id="domain: far below, port"),
        pytest.param("domain", "a.e.org", "https://e.org/", None, id="domain: above"),
        pytest.param("domain", "e.org", "https://the.org/", None, id="domain: shares an end, no label"),
        pytest.param("domain", "e.org", "https://e.org.example/", None, id="domain: shares a beginning"),
        pytest.param("domain", "E.ORG.", "https://A.e.oRg./x", "e.org", id="domain: case, trailing dot"),
        pytest.param("domain", "bücher.example", "http://BÜCHER.example", "xn--bcher-kva.example", id="IDN"),
        pytest.param("domain", "xn--bcher-kva.example", "http://bücher.example", "xn--bcher-kva.example", id="IDN 2"),
        pytest.param("domain", "co.uk", "https://a.co.uk/", "co.uk", id="domain: a public suffix"),
        pytest.param("domain", "e.org", "https://x@e.org@evil.example/", None, id="user name like a host"),
        pytest.param("domain", "e.org", "https://me:pw@e.org/", "e.org", id="domain: user name, password"),
        pytest.param("domain", "e.org", "https://evil.example/e.org", None, id="domain: in the path"),
        pytest.param("domain", "e.org", "https://e%2Eorg/", "e.org", id="domain: escaped"),
        pytest.param("domain", "e.org", "https://e。org/", "e.org", id="domain: ideographic stop"),
        pytest.param("domain", "1.2.3.4", "http://0x1.2.772/", "1.2.3.4", id="domain: address"),
        pytest.param("domain", "2.3.4", "http://1.2.3.4/", None, id="domain: not a part of an address"),
        pytest.param("domain", "e.org", "ftp://e.org/", None, id="not http"),
        pytest.param("domain", "e.org", "", None, id="no URL"),
        pytest.param("domain", "e.org", "e.org", None, id="no scheme"),
        pytest.param("domain", "e.org", "https://a.e.org/" + "x" * 9000, "e.org", id="domain: too long to follow"),
        pytest.param("domain", "e.org", "https://E.org/" + "ü" * 3000, "e.org", id="domain: too long when escaped"),
        pytest.param("host", "e.org", "https://e.org/x", "e.org", id="host: itself"),
        pytest.param("host", "e.org", "https://a.e.org/", None, id="host: below"),
        pytest.param("host", "www.e.org", "https://e.org/", "e.org", id="host: www. makes no difference"),
        pytest.param("host", "[::1]", "http://[0:0::1]:8080/", "[::1]", id="host: IPv6"),
        pytest.param("host", "localhost", "http://LocalHost/", "localhost", id="host: one label"),
        pytest.param("url_prefix", "https://e.org/a", "http://e.org/a", "https://e.org/a", id="prefix: itself"),
        pytest.param("url_prefix", "e.org/a", "http://www.e.org/a/b", "https://e.org/a", id="prefix: no scheme"),
        pytest.param("url_prefix", "e.org/a/", "https://e.org/a", "https://e.org/a", id="prefix: slash at its end"),
        pytest.param("url_prefix", "e.org/a", "https://e.org/a?b/c", "https://e.org/a", id="prefix: at the query"),
        pytest.param("url_prefix", "e.org/a", "https://e.org/ab", None, id="prefix: within a name"),
        pytest.param("url_prefix", "e.org/a", "https://e.org/b?/a", None, id="prefix: not in the query"),
        pytest.param("url_prefix", "e.org/a", "https://e.org/", None, id="prefix: above"),
        pytest.param("url_prefix", "e.org", "https://e.org/?q", "https://e.org", id="prefix: a whole host"),
        pytest.param("url_prefix", "e.org", "https://e.org:8080/", None, id="prefix: another port"),
        pytest.param("url_prefix", "e.org/%7ea", "https://e.org/~a/b", "https://e.org/~a", id="prefix: escapes"),
        pytest.param("url_prefix", "e.org/b", "https://e.org/a/../b/c", "https://e.org/b", id="prefix: dots"),
        pytest.param("url", "https://e.org/a?b", "http://www.e.org:80/a?b#c", "https://e.org/a?b", id="url: fragment"),
        pytest.param("url", "https://e.org/a", "https://e.org/a?utm_source=x", "https://e.org/a", id="url: tracking"),
        pytest.param("url", "https://e.org/a", "https://e.org/a?b", None, id="url: with a query"),
        pytest.param("url", "https://e.org/a", "https://e.org/a/", None, id="url: with a slash"),
        pytest.param("url", "https://e.org/a", "https://e.org/A", None, id="url: case of the path"),
        pytest.param("url", "https://e.org/%c3%bc", "https://e.org/ü", "https://e.org/%C3%BC", id="url: escapes"),
        pytest.param("url", "e.org/a b", "https://e.org/a%20b", "https://e.org/a%20b", id="url: space"),
    ],
)  # fmt: skip
def test_look_ups(kind: str, listed: str, asked: str, found: str | None, tmp_path: Path) -> None:
    registry = compiled([(kind, listed, "")], tmp_path)
    hit = None if found is None else Hit(kind, found, "test")
    assert registry.page(asked) == registry.image(asked) == hit
    assert registry.page_many([asked]) == registry.image_many([asked]) == [hit]


@pytest.mark.parametrize(
    ("entry", "page", "image"),
    [
        pytest.param("page", True, False, id="page"),
        pytest.param("image", False, True, id="image"),
        pytest.param("both", True, True, id="both"),
        pytest.param("", True, True, id="both by default"),
    ],
)
def test_scopes(entry: str, page: bool, image: bool, tmp_path: Path) -> None:
    registry = compiled([("domain", "e.org", entry), ("host", "other.org", "both")], tmp_path)
    asked = "https://e.org/"
    assert (registry.page(asked) is not None, registry.image(asked) is not None) == (page, image)


def test_content(tmp_path: Path) -> None:
    listed = [("md5", MD5.upper(), "image"), ("sha1", SHA1, ""), ("sha256", SHA256, ""), ("pdq", SHA256, "")]
    registry = compiled(listed, tmp_path)
    assert registry.content(md5=MD5, sha1="0" * 40) == Hit("md5", MD5, "test")
    assert registry.content(md5="0" * 32, sha1=SHA1.upper()) == Hit("sha1", SHA1, "test")
    assert registry.content(sha256=SHA256) == Hit("sha256", SHA256, "test")
    assert registry.content(pdq=SHA256) == Hit("pdq", SHA256, "test")
    assert registry.content(md5="0" * 32, sha1="0" * 40, sha256="0" * 64, pdq="0" * 64) is None
    assert registry.content() is None
    assert registry.page(f"https://e.org/{MD5}") is None
    with pytest.raises(ValueError, match="is no md5: write 32 hexadecimal digits"):
        registry.content(md5=SHA1)


@given(st.integers(0, 2**256 - 1), st.sets(st.integers(0, 255), min_size=1, max_size=40))
def test_pdq_hashes_meet_up_to_31_bits(value: int, changed: set[int]) -> None:
    listed = pdq.pack([f"{value:064x}", f"{value ^ (2**256 - 1):064x}"])
    asked = value ^ sum(1 << bit for bit in changed)
    assert pdq.nearest(listed, f"{asked:064x}") == (f"{value:064x}" if len(changed) <= 31 else None)


def test_pdq_hashes_are_found_in_every_block() -> None:
    values = [f"{place << 200:064x}" for place in range(40_000)]
    listed = pdq.pack(values)
    assert [pdq.nearest(listed[:, -3:], value) for value in values[-3:]] == values[-3:]
    apart = f"{(1 << 128) - 1:064x}"
    assert pdq.nearest(listed, apart) is None
    assert pdq.nearest(pdq.pack([*values, "f" * 64]), "f" * 62 + "00") == "f" * 64


NEAT = st.tuples(
    st.sampled_from(["http://", "https://", "HTTPS://"]),
    st.sampled_from(["e.org", "www.e.org", "a.e.org", "b.a.e.org", "www.www.com", "A.example.", "e.org:8080", "é.org"]),
    st.lists(st.sampled_from(["/a", "/b", "/", "/ab", "/.", "/..", "/.a", "/%61"]), max_size=3).map("".join),
    st.sampled_from(["", "?", "?a", "?a=/b", "?&a", "?a&", "?utm_source=1", "?a&FBCLID", "?fbclidx=1", "?'", "#a?b"]),
).map("".join)  # fmt: skip
URLS = NEAT | URL_PIECES


@given(URLS)
def test_the_key_is_the_canonical_url(asked: str) -> None:
    key = keys.address(asked)
    if url.resolve(asked) is not None:
        assert key == url.canonical(asked)
        host = url.host_of(key)
        assert host in (
            keys.host_in(key).rstrip("."),
            "",
        )  # none: www.foo.1.. is a name, foo.1.. a bad address
        assert keys.prefixes(key, (0, 0)) == [key[: key.index("/", 8)]]
    assert keys.address(key) == key


def understood(kind: str, value: str) -> str | None:
    """By other means than those of ``keys``."""
    if kind in ("url", "url_prefix"):
        key = url.canonical(value)
        return key.rstrip("/") if kind == "url_prefix" else key
    return url.host_of(url.canonical(f"http://{value}/"))


def falls_under(kind: str, value: str, asked: str) -> bool:
    """What docs/registries.md says of the kinds."""
    key = url.canonical(asked)
    host = url.host_of(key)
    if kind == "domain":
        return host == value or host.endswith(f".{value}")
    if kind == "host":
        return host == value
    return key == value or (kind == "url_prefix" and key.startswith((f"{value}/", f"{value}?")))


NAMES = st.sampled_from(["e.org", "www.e.org", "a.e.org", "b.a.e.org", "org", "example", "é.org", "www.com"])
ADDRESSES = NEAT.filter(lambda asked: url.resolve(asked) is not None)
PREFIXES = ADDRESSES.filter(lambda asked: "?" not in url.canonical(asked))
LISTED = st.lists(
    st.tuples(st.sampled_from(["domain", "host"]), NAMES, st.sampled_from(["page", "image", "both"]))
    | st.tuples(st.just("url"), ADDRESSES, st.sampled_from(["page", "image", "both"]))
    | st.tuples(st.just("url_prefix"), PREFIXES, st.sampled_from(["page", "image", "both"])),
    min_size=1,
    max_size=12,
)


@given(LISTED, st.lists(ADDRESSES, min_size=1, max_size=20))
def test_a_registry_hits_exactly_what_is_listed(
    tmp_path_factory: pytest.TempPathFactory, listed: list[Entry], asked: list[str]
) -> None:
    registry = compiled(listed, tmp_path_factory.mktemp("registry"))
    for scope, look_up, many in (
        ("page", registry.page, registry.page_many),
        ("image", registry.image, registry.image_many),
    ):
        entries = {
            (kind, understood(kind, value)) for kind, value, where in listed if where in (scope, "both")
        }
        hits = [look_up(each) for each in asked]
        assert many(asked) == hits
        for each, hit in zip(asked, hits, strict=True):
            under = {entry for entry in entries if falls_under(*entry, each)}
            assert (hit is None) == (not under)
            assert hit is None or (hit.kind, hit.value) in under


@given(URLS)
def test_look_ups_never_raise(asked: str) -> None:
    key = keys.address(asked)
    for make in keys.CANDIDATES.values():
        assert all(value.encode() is not None for value in make(key, (0, 99)))


@given(st.lists(st.lists(st.integers(0, 2**64 - 1), max_size=200), min_size=1, max_size=5))
def test_merged_runs_are_their_union(tmp_path_factory: pytest.TempPathFactory, runs: list[list[int]]) -> None:
    union = sorted({hashed for run in runs for hashed in run})
    if not union:
        return
    folder = tmp_path_factory.mktemp("merged")
    paths = [folder / f"run{place}.npy" for place in range(len(runs))]
    for path, run in zip(paths, runs, strict=True):
        np.save(path, np.unique(np.array(run, np.uint64)))
    before, hashes.MERGED = hashes.MERGED, 16  # many ranges of few hashes
    try:
        count, _ = hashes.write_merged(paths, folder / "a.npy", folder / "i.npy")
    finally:
        hashes.MERGED = before
    found = hashes.SortedHashes(hashes.mapped(folder / "a.npy"), hashes.mapped(folder / "i.npy"))
    assert (count, found.hashes.tolist()) == (len(union), union)
    near = [hashed + step for hashed in union for step in (-1, 0, 1) if 0 <= hashed + step < 2**64]
    assert [hashed in found for hashed in near] == [hashed in set(union) for hashed in near]
    assert found.contains_each(near).tolist() == [hashed in set(union) for hashed in near]


BAD = [
    pytest.param("hots,e.org,,,", "line 3: no kind 'hots'; did you mean 'host'?", id="kind"),
    pytest.param("regex,e.org,,,", "line 3: no kind 'regex'; known: domain, host,", id="kind like none"),
    pytest.param("domain, ,,,", "line 3: domain without a value", id="no value"),
    pytest.param("md5,123,,,", "line 3: '123' is no md5: write 32 hexadecimal digits", id="short hash"),
    pytest.param(f"sha1,{'g' * 40},,,", "is no sha1", id="letters in a hash"),
    pytest.param(f"md5,{MD5},page,,", "line 3: scope page with a md5", id="page with a hash"),
    pytest.param("domain,e.org,pages,,", "line 3: no scope 'pages'; known: page, image, both", id="scope"),
    pytest.param("domain,e.org,,,last May", "line 3: since 'last May' is no date; write it as", id="date"),
    pytest.param("domain,*.e.org,,,", "there are no wildcards; e.org as a domain means all hosts", id="star"),
    pytest.param("domain,.e.org,,,", "there are no wildcards; e.org as a domain", id="leading dot"),
    pytest.param("host,e*.org,,,", "there are no wildcards", id="star within a host"),
    pytest.param("url_prefix,e.org/a/*,,,", "there are no wildcards; use url_prefix", id="star in a URL"),
    pytest.param("url_prefix,e.org/a?b=,,,", "a prefix ends before the query", id="prefix with a query"),
    pytest.param("domain,https://e.org,,,", "is no host; leave out scheme, port and path", id="URL as domain"),
    pytest.param("host,e.org:80,,,", "is no host; leave out scheme, port", id="host with port"),
    pytest.param("host,e..org,,,", "'e..org' is no host", id="empty label"),
    pytest.param("domain,www.github.io,,,", "is the public suffix github.io; use the kind host", id="www. of others"),
    pytest.param("url,mailto:a@e.org:x,,,", "is no http(s) URL", id="no URL"),
    pytest.param("url,ftp://e.org/,,,", "is no http(s) URL", id="other scheme"),
    pytest.param('url,"e.org/a\nb",,,', "line 4: 'e.org/a\\nb' holds control characters", id="line break"),
    pytest.param("domain,e.org", "line 3: 2 fields, not 5 as the header", id="too few fields"),
]  # fmt: skip


@pytest.mark.parametrize(("line", "said"), BAD)
def test_bad_rows_are_named_or_counted(line: str, said: str, tmp_path: Path) -> None:
    listed = tmp_path / "list.csv"
    listed.write_text(f"kind,value,scope,source,since\ndomain,good.org,,,\n{line}\n")
    with pytest.raises(InputError, match=re.escape(said)) as error:
        compile_registry([listed], tmp_path / "compiled")
    assert str(listed) in str(error.value)
    assert [path.name for path in tmp_path.iterdir()] == ["list.csv"]
    manifest = compile_registry([listed], tmp_path / "compiled", skip_bad=True)
    assert (manifest.rows, manifest.skipped) == (1, 1)
    assert Registry.open(tmp_path / "compiled").page("https://good.org/") is not None


@pytest.mark.parametrize(
    ("name", "data", "said"),
    [
        pytest.param("a.csv", b"", "0 columns 'kind'; the first line must name it once", id="empty file"),
        pytest.param("a.csv", b"kind,value\n", "lists nothing; leave it out if that is meant", id="no rows"),
        pytest.param("a.csv", b"kind,value,scop\n", "no column 'scop'; did you mean 'scope'?", id="misspelt"),
        pytest.param("a.csv", b"kind,value,kind\n", "2 columns 'kind'", id="a column twice"),
        pytest.param("a.csv", b'kind,value\nurl,"e.org\n', "line 2: cannot be read on", id="open quote"),
        pytest.param("a.csv", b"kind,value\nurl,e.org/\xff\n", "line 2: 'e.org/\\udcff' is no", id="not UTF-8"),
        pytest.param("a.csv.gz", gzip.compress(b"kind,value\nhost,e.org\n")[:-9], "cannot be read on", id="cut gzip"),
        pytest.param("a.csv.gz", b"kind,value\n", "cannot be read on", id="no gzip"),
        pytest.param("a.parquet", b"PAR1", "cannot be read", id="no Parquet"),
        pytest.param("a.txt", b"e.org\n", "not .csv, .csv.gz or .parquet", id="other name"),
    ],
)  # fmt: skip
def test_bad_lists_are_named(name: str, data: bytes, said: str, tmp_path: Path) -> None:
    listed = tmp_path / name
    listed.write_bytes(data)
    with pytest.raises(InputError, match=re.escape(said)) as error:
        compile_registry([listed], tmp_path / "compiled")
    assert str(listed) in str(error.value)
    assert not (tmp_path / "compiled").exists()


def test_lists_of_all_formats_make_one_registry(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("\ufeffvalue,kind\r\ne.org,domain\r\n\r\nco.uk,domain\r\n")
    with gzip.open(tmp_path / "b.csv.gz", "wt") as stream:
        stream.write(
            "kind,value,source,since\nhost,h.org,letters,2026-03-01\ndomain,E.org,letters,2026-02-01\n"
        )
    table = pa.table(
        {"kind": ["md5", "url"], "value": [MD5, "u.org/x"], "since": [None, "2025-01-01T10:00Z"]}
    )
    pq.write_table(table, tmp_path / "c.parquet")
    manifest = compile_registry(
        [tmp_path / name for name in ("a.csv", "b.csv.gz", "c.parquet")], tmp_path / "2026-11"
    )
    assert (manifest.name, manifest.rows, manifest.newest) == ("2026-11", 6, "2026-03-01")
    assert manifest.sources == {"": 4, "letters": 2}
    assert manifest.public_suffixes == ("co.uk",)
    counts = {table.kind: table.count for table in manifest.tables}
    assert counts == {"domain": 2, "host": 1, "md5": 1, "url": 1}
    registry = Registry.open(tmp_path / "2026-11")
    assert registry.image("https://x.e.org/") == Hit("domain", "e.org", "2026-11")
    assert registry.content(md5=MD5) is not None
    with pytest.raises(InputError, match="exists; name a new folder"):
        compile_registry([tmp_path / "a.csv"], tmp_path / "2026-11")


def test_equal_lists_make_equal_files(tmp_path: Path) -> None:
    for folder in ("a", "b"):
        (tmp_path / folder).mkdir()
        compiled([("domain", "e.org", ""), ("pdq", SHA256, "")], tmp_path / folder)
    files = [
        sorted((path.name, path.read_bytes()) for path in (tmp_path / name / "compiled").iterdir())
        for name in "ab"
    ]
    assert files[0] == files[1]  # fmt: skip


def test_too_many_pdq_hashes_are_no_bad_row(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(compiling, "MAX_PDQ", 1)
    (tmp_path / "list.csv").write_text(f"kind,value\npdq,{SHA256}\npdq,{SHA256[::-1]}\n")
    with pytest.raises(InputError, match="more than 1 PDQ hashes"):
        compile_registry([tmp_path / "list.csv"], tmp_path / "compiled", skip_bad=True)


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-1])


def flip(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[-9] ^= 1
    path.write_bytes(data)


def rewritten(**fields: object) -> Callable[[Path], None]:
    def rewrite(path: Path) -> None:
        path.write_text(json.dumps(json.loads(path.read_text()) | fields))

    return rewrite


def sealed_again(**fields: object) -> Callable[[Path], None]:
    """By somebody who knows how: what is not understood is refused all the same."""

    def rewrite(path: Path) -> None:
        from msgspec.structs import replace

        from obelics_pipeline.registry.folder import read_manifest

        path.write_bytes(replace(read_manifest(path.parent), **fields).sealed().encode())

    return rewrite


MANIFEST, VALUES, INDEX = "manifest.json", "domain.both.npy", "domain.both.index.npy"


@pytest.mark.parametrize(
    ("name", "damage", "said"),
    [
        pytest.param(VALUES, cut, "has 143 bytes, not 144; copy it again", id="values cut"),
        pytest.param(VALUES, flip, "its SHA-256 is another", id="values flipped"),
        pytest.param(VALUES, Path.unlink, "cannot be read (No such file", id="values missing"),
        pytest.param(INDEX, cut, "bytes, not", id="index cut"),
        pytest.param(INDEX, flip, "its SHA-256 is another", id="index flipped"),
        pytest.param(INDEX, Path.unlink, "cannot be read (No such file", id="index missing"),
        pytest.param("pdq.both.npy", flip, "its SHA-256 is another", id="PDQ flipped"),
        pytest.param(MANIFEST, lambda path: path.write_bytes(path.read_bytes()[:99]), "no manifest", id="manifest cut"),
        pytest.param(MANIFEST, flip, "was changed after it was written", id="manifest flipped"),
        pytest.param(MANIFEST, Path.unlink, "cannot be read (No such file", id="manifest missing"),
        pytest.param(MANIFEST, lambda path: path.write_bytes(b""), "no manifest of a registry", id="manifest empty"),
        pytest.param(MANIFEST, rewritten(format=1), "format 1, this program reads 2; compile it again", id="format"),
        pytest.param(MANIFEST, rewritten(tables=[]), "was changed after", id="tables forgotten"),
        pytest.param(MANIFEST, rewritten(name="other"), "was changed after", id="name changed"),
        pytest.param(MANIFEST, sealed_again(keys="0"), "writes addresses in another way; compile it", id="other keys"),
        pytest.param(MANIFEST, sealed_again(tables=()), "holds nothing", id="nothing in it"),
    ],
)  # fmt: skip
def test_what_is_damaged_is_not_opened(
    name: str, damage: Callable[[Path], None], said: str, tmp_path: Path
) -> None:
    compiled([("domain", "a.org", ""), ("domain", "e.org", ""), ("pdq", SHA256, "")], tmp_path)
    damage(tmp_path / "compiled" / name)
    with pytest.raises(InputError, match=re.escape(said)) as error:
        Registry.open(tmp_path / "compiled")
    assert str(tmp_path / "compiled" / name) in str(error.value)


@given(st.data())
def test_no_flipped_bit_of_a_manifest_goes_unseen(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    folder = tmp_path_factory.mktemp("flipped")
    intact = compiled([("domain", "e.org", "")], folder)
    manifest = folder / "compiled" / MANIFEST
    written = bytearray(manifest.read_bytes())
    written[data.draw(st.integers(0, len(written) - 1))] ^= 1 << data.draw(st.integers(0, 7))
    manifest.write_bytes(written)
    try:
        opened = Registry.open(folder / "compiled")
    except InputError:
        return
    assert opened.manifest == intact.manifest  # only white space changed


def test_large_files_are_verified_on_request(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    compiled([("domain", "a.org", ""), ("domain", "e.org", "")], tmp_path)
    monkeypatch.setattr("obelics_pipeline.sealed.SMALL", 100)
    flip(tmp_path / "compiled" / VALUES)
    Registry.open(tmp_path / "compiled")
    with pytest.raises(InputError, match="its SHA-256 is another"):
        Registry.open(tmp_path / "compiled", verify=True)


def test_no_registry(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="name the folder of a compiled registry"):
        Registry.open(tmp_path / "nowhere")


READER = """
import sys
from obelics_pipeline.registry import Registry
from tests.benchmarks._mapped import mapped_bytes
registry = Registry.open(sys.argv[1])
print(sum(registry.page(f"https://{n}.example/") is not None for n in range(0, 200_000, 100)), flush=True)
sys.stdin.readline()
print(*mapped_bytes(registry.manifest.tables[0].files[0].path), flush=True)
sys.stdin.readline()
"""


def test_processes_share_the_files(tmp_path: Path) -> None:
    registry = compiled((("domain", f"{n}.example", "") for n in range(0, 200_000, 2)), tmp_path)
    command = [sys.executable, "-c", READER, str(registry.path)]
    readers = [
        subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=ROOT)
        for _ in "ab"
    ]
    try:
        assert [reader.stdout.readline() for reader in readers] == ["2000\n", "2000\n"]
        for reader in readers:
            reader.stdin.write("go on\n")
            reader.stdin.flush()
            resident, own = map(int, reader.stdout.readline().split())
            assert resident >= registry.manifest.tables[0].files[0].bytes
            assert own <= 0.6 * resident
    finally:
        for reader in readers:
            reader.communicate("\n", timeout=60)


def test_a_million_rows_compile_in_bounded_time_and_memory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(compiling, "RUN", 1 << 17)  # several runs
    rows = 1_000_000
    with (tmp_path / "list.csv").open("w") as stream:
        stream.write("kind,value\n")
        stream.writelines(f"url,https://e{n % 999}.org/a/{n}.jpg\n" for n in range(rows))
    started = time.process_time()
    manifest = compile_registry([tmp_path / "list.csv"], tmp_path / "compiled")
    assert time.process_time() - started < 30
    assert manifest.tables[0].count == rows
    assert {path.name for path in (tmp_path / "compiled").iterdir()} == {
        "manifest.json",
        "url.both.npy",
        "url.both.index.npy",
    }
    registry = Registry.open(tmp_path / "compiled", verify=True)
    asked = [f"http://www.e{n % 999}.org/a/{n}.jpg" for n in range(0, 2 * rows, 1000)]
    assert [hit is not None for hit in registry.page_many(asked)] == [
        n < rows for n in range(0, 2 * rows, 1000)
    ]
