"""URLs: resolution as browsers do it, hosts, registrable domains, deduplication keys."""

from __future__ import annotations

import ada_url
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from obelics_pipeline.document import Document
from obelics_pipeline.url import (
    MAX_URL_LENGTH,
    canonical,
    host_of,
    page_key,
    registrable_domain,
    resolve,
    without_credentials,
)

BASE = "https://example.org/a/b.html?q#f"

# fmt: off
PIECES = [
    "http:", "https:", "ftp:", "data:", "//", "/", "\\", "..", ".", "%2e", "%", "%%32e", "%41", "?", "&", "=",
    "www.", "a.example", "EXAMPLE.com", "www.foo.1..", "[::1]", "1.2.3.4", "xn--", ":80", ":443", ":8080",
    "@", "#", "x", "user:pw", "utm_source=1", "utm%5Fid=1", " ", "\t", "\0", "é", "日本", "\ud800",
]
# fmt: on
URL_PIECES = st.lists(st.sampled_from(PIECES) | st.text(max_size=3), max_size=10).map("".join)


@pytest.mark.parametrize(
    ("reference", "absolute"),
    [
        pytest.param("c.png", "https://example.org/a/c.png", id="relative path"),
        pytest.param("/c.png", "https://example.org/c.png", id="absolute path"),
        pytest.param("../../../c.png", "https://example.org/c.png", id="above the root"),
        pytest.param("//cdn.example/c.png", "https://cdn.example/c.png", id="scheme of the page"),
        pytest.param("?x=1", "https://example.org/a/b.html?x=1", id="query only"),
        pytest.param("#top", "https://example.org/a/b.html?q", id="fragment only"),
        pytest.param("", "https://example.org/a/b.html?q", id="empty is the page"),
        pytest.param("  \n c.png\t ", "https://example.org/a/c.png", id="white space around"),
        pytest.param("c\n\t.png", "https://example.org/a/c.png", id="line break inside"),
        pytest.param("my pic.png", "https://example.org/a/my%20pic.png", id="space inside"),
        pytest.param("\\x\\c.png", "https://example.org/x/c.png", id="backslashes"),
        pytest.param("https:c.png", "https://example.org/a/c.png", id="scheme without slashes"),
        pytest.param("http:c.png", "http://c.png/", id="another scheme without slashes"),
        pytest.param("http:///c.example/x", "http://c.example/x", id="three slashes"),
        pytest.param("HTTP://C.Example:80/X", "http://c.example/X", id="case and default port"),
        pytest.param("http://c.example:8080/x", "http://c.example:8080/x", id="other port"),
        pytest.param("https://me:pw@c.example/@x", "https://c.example/@x", id="user name and password"),
        pytest.param("https://c.example/@x", "https://c.example/@x", id="at sign in the path"),
        pytest.param("http://bücher.example/ü", "http://xn--bcher-kva.example/%C3%BC", id="international"),
        pytest.param("http://0x7f.1/", "http://127.0.0.1/", id="odd address"),
        pytest.param("http://[::1]/x", "http://[::1]/x", id="IPv6"),
        pytest.param("c.png?u=a#b?c", "https://example.org/a/c.png?u=a", id="fragment with question mark"),
        pytest.param("data:image/png;base64,AAAA", None, id="data"),
        pytest.param(" DATA:,x", None, id="data after a space"),
        pytest.param("javascript:void(0)", None, id="javascript"),
        pytest.param("mailto:me@example.org", None, id="mailto"),
        pytest.param("ftp://example.org/x", None, id="ftp"),
        pytest.param("file:///etc/passwd", None, id="file"),
        pytest.param("http://", None, id="no host"),
        pytest.param("http://a b/", None, id="space in host"),
        pytest.param("http://a:99999/", None, id="port out of range"),
        pytest.param("http://1.2.3.400/", None, id="address out of range"),
        pytest.param("\ud800", None, id="lone surrogate"),
        pytest.param("x" * MAX_URL_LENGTH, None, id="too long"),
    ],
)
def test_resolve(reference: str, absolute: str | None) -> None:
    assert resolve(reference, BASE) == absolute


@pytest.mark.parametrize(
    ("reference", "base", "absolute"),
    [
        pytest.param("x.png", "https://e.org/a page.html", "https://e.org/x.png", id="space in the base"),
        pytest.param("x.png", "http://me:pw@e.org/", "http://e.org/x.png", id="password in the base"),
        pytest.param("x.png", "", None, id="no base"),
        pytest.param("http://e.org", "", "http://e.org/", id="absolute without base"),
        pytest.param("x.png", "not a url", None, id="unusable base"),
        pytest.param("x.png", "data:text/html,x", None, id="opaque base"),
    ],
)
def test_resolve_against_odd_bases(reference: str, base: str, absolute: str | None) -> None:
    assert resolve(reference, base) == absolute


def test_the_longest_url_is_kept() -> None:
    longest = "http://e.org/" + "x" * (MAX_URL_LENGTH - len("http://e.org/"))
    assert resolve(longest, BASE) == longest
    assert resolve(longest + "x", BASE) is None


@given(URL_PIECES | st.text(), URL_PIECES.map("https://e.org/".__add__) | st.text())
def test_resolve_gives_a_plain_web_address_or_nothing(reference: str, base: str) -> None:
    absolute = resolve(reference, base)
    if absolute is None:
        return
    parts = ada_url.parse_url(absolute)
    assert parts["protocol"] in ("http:", "https:")
    assert parts["hostname"]
    assert parts["hash"] == parts["username"] == parts["password"] == ""
    assert absolute.isascii()
    assert resolve(absolute) == resolve(absolute, base) == absolute


@pytest.mark.parametrize(
    ("url", "host"),
    [
        pytest.param("https://www.Example.org:81/x", "www.example.org", id="case and port"),
        pytest.param("https://example.org./", "example.org", id="trailing dot"),
        pytest.param("http://bücher.example/", "xn--bcher-kva.example", id="international"),
        pytest.param("http://[::1]:80/", "[::1]", id="IPv6"),
        pytest.param("mailto:x@example.org", "", id="no host"),
        pytest.param("example.org", "", id="not absolute"),
        pytest.param("", "", id="empty"),
    ],
)
def test_host_of(url: str, host: str) -> None:
    assert host_of(url) == host


@pytest.mark.parametrize(
    ("host", "domain"),
    [
        pytest.param("www.example.org", "example.org", id="one label below the suffix"),
        pytest.param("a.b.example.co.uk", "example.co.uk", id="suffix of two labels"),
        pytest.param("me.github.io", "me.github.io", id="private suffix"),
        pytest.param("www.me.github.io", "me.github.io", id="below a private suffix"),
        pytest.param("www.ck", "www.ck", id="exception rule"),
        pytest.param("co.uk", "co.uk", id="a suffix itself"),
        pytest.param("localhost", "localhost", id="single label"),
        pytest.param("x.y.unknownsuffix", "y.unknownsuffix", id="unknown suffix"),
        pytest.param("xn--bcher-kva.xn--p1ai", "xn--bcher-kva.xn--p1ai", id="international"),
        pytest.param("127.0.0.1", "127.0.0.1", id="IPv4"),
        pytest.param("[::1]", "[::1]", id="IPv6"),
        pytest.param("", "", id="empty"),
    ],
)
def test_registrable_domain(host: str, domain: str) -> None:
    assert registrable_domain(host) == domain


@given(st.text() | URL_PIECES)
def test_hosts_never_raise(text: str) -> None:
    domain = registrable_domain(host_of(text))
    assert host_of(text).endswith(domain)
    registrable_domain(text)


@pytest.mark.parametrize(
    ("url", "key"),
    [
        pytest.param("http://www.Example.org:80", "https://example.org/", id="scheme, www, port, path"),
        pytest.param("https://example.org:443/#x", "https://example.org/", id="fragment"),
        pytest.param("http://example.org:443/", "https://example.org/", id="port of the other scheme"),
        pytest.param("https://example.org:8443/", "https://example.org:8443/", id="a port that matters"),
        pytest.param("https://example.org./x", "https://example.org/x", id="trailing dot of the host"),
        pytest.param("https://www.com/", "https://www.com/", id="www is the name"),
        pytest.param("https://e.org/?utm_source=a&id=2&fbclid=x", "https://e.org/?id=2", id="tracking"),
        pytest.param("https://e.org/?UTM_Source=a", "https://e.org/", id="only tracking"),
        pytest.param("https://e.org/?utm%5Fsource=a", "https://e.org/", id="tracking in disguise"),
        pytest.param("https://e.org/?b=1&a=2", "https://e.org/?b=1&a=2", id="order is kept"),
        pytest.param("https://e.org/?", "https://e.org/", id="empty query"),
        pytest.param("https://e.org/?&a&&", "https://e.org/?a", id="empty pairs"),
        pytest.param(
            "https://e.org/%7euser/%c3%a9%2F", "https://e.org/~user/%C3%A9%2F", id="percent-encoding"
        ),
        pytest.param("https://e.org/100%", "https://e.org/100%25", id="lone percent sign"),
        pytest.param("https://e.org/%%32e", "https://e.org/%252e", id="percent sign before an escape"),
        pytest.param("https://e.org/a/%2e%2E/b", "https://e.org/b", id="dot segments"),
        pytest.param("https://e.org/a/", "https://e.org/a/", id="trailing slash stays"),
        pytest.param(" mailto:x ", "mailto:x", id="not of the web"),
        pytest.param("", "", id="empty"),
    ],
)
def test_canonical(url: str, key: str) -> None:
    assert canonical(url) == key


def test_captures_of_a_page_meet_by_its_canonical_link() -> None:
    url = "https://a.example/story"
    plain = Document("1", url, "a.example", "a.example", ())
    printed = replace(plain, url=f"{url}?print=1")
    linked = replace(printed, canonical="http://www.a.example/story")
    assert page_key(plain) == page_key(linked) == canonical(url)
    assert page_key(printed) == canonical(printed.url) != canonical(url)


@given(URL_PIECES | URL_PIECES.map("http://www.e.org/".__add__) | st.text())
def test_canonical_is_idempotent(url: str) -> None:
    once = canonical(url)
    assert canonical(once) == once


@given(URL_PIECES.map("http://www.e.org/".__add__))
def test_what_resolves_has_the_key_of_its_resolution(url: str) -> None:
    absolute = resolve(url)
    assert absolute is None or canonical(absolute) == canonical(url)


@pytest.mark.parametrize(
    ("reference", "published"),
    [
        pytest.param(
            "https://me:p@w@c.example/@x?a=1@2", "https://c.example/@x?a=1@2", id="user and password"
        ),
        pytest.param(" //me@c.example/x", " //c.example/x", id="of an address without a scheme"),
        pytest.param("/a@b/x?u=//me@c", "/a@b/x?u=//me@c", id="no host, no user"),
        pytest.param(
            "https://c.example/x?X-Amz-Signature=1&X-Amz-Date=2", "https://c.example/x", id="signed"
        ),
        pytest.param("x.png?w=1&TOKEN=a&h=2#f", "x.png?w=1&h=2#f", id="a token between others"),
        pytest.param("x.png?a=1&&b#?token=1", "x.png?a=1&&b#?token=1", id="nothing to lose"),
        pytest.param("x?tokens=1&signature", "x?tokens=1", id="whole names, also without a value"),
        pytest.param("", "", id="empty"),
    ],
)
def test_addresses_are_published_without_credentials(reference: str, published: str) -> None:
    assert without_credentials(reference) == published
    assert without_credentials(published) == published
