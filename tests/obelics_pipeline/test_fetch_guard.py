"""What is asked of a server, and which servers are never asked; nothing but 127.0.0.1 is dialled."""

from __future__ import annotations

import ssl
from functools import partial
from typing import Any

import pytest
import trustme
from faultserver import CASES, FaultServer, reply

from obelics_pipeline import download
from obelics_pipeline.fetch import FetchOptions, FetchResult, FetchStatus, fetch_images
from obelics_pipeline.netguard import guarded_socket

pytestmark = pytest.mark.usefixtures("dialled")

LOCAL = partial(FetchOptions, allow_private=True, ports=(), total_timeout=2, retry_wait=0)


def fetch_one(url: str, options: FetchOptions) -> FetchResult:
    (result,) = fetch_images([url], options)
    return result


LITERALS = """
    http://127.0.0.1/ http://127.0.0.1:8080/ http://127.1/ http://2130706433/ http://0x7f.1/ http://0177.0.0.1/
    http://0x7f000001/ http://017700000001/ http://127.0.0.1./ http://0/ http://0.0.0.0/ http://127。0。0。1/
    http://①②⑦.⓪.⓪.①/ http://%31%32%37.0.0.1/ http://10.0.0.1/ http://172.16.0.1/ http://192.168.0.1/
    http://169.254.169.254/ http://2852039166/ http://0xa9fea9fe/ http://0251.0376.0251.0376/ http://100.64.0.1/
    http://100.100.100.200/ http://168.63.129.16/ http://192.0.0.192/ http://198.18.0.1/ http://224.0.0.1/
    http://255.255.255.255/ http://[::1]/ http://[::]/ http://[::ffff:127.0.0.1]/ http://[::ffff:7f00:1]/
    http://[0:0:0:0:0:ffff:169.254.169.254]/ http://[::127.0.0.1]/ http://[64:ff9b::a9fe:a9fe]/
    http://[64:ff9b:1::1]/ http://[2002:a9fe:a9fe::]/ http://[2001::1]/ http://[fe80::1]/ http://[fd00:ec2::254]/
    http://[fec0::1]/ http://[ff02::1]/ http://user:secret@127.0.0.1/ https://127.0.0.1/ HTTP:\\\\127.0.0.1\\
"""
NAMES = {"localhost": "127.0.0.1", "metadata.internal": "169.254.169.254", "intranet.example": "10.1.2.3"}


def test_no_private_address_is_dialled(dialled: list[str], names: dict[str, list[str]]) -> None:
    names.update((name, [address]) for name, address in NAMES.items())
    urls = LITERALS.split() + [f"http://{name}/image.png" for name in NAMES]
    assert len(set(urls)) >= 40
    statuses = {result.url: result.status for result in fetch_images(urls, FetchOptions(total_timeout=2))}
    assert statuses == dict.fromkeys(urls, FetchStatus.BLOCKED_ADDRESS)
    assert dialled == []


LOCATIONS = """
    http://127.0.0.1:80/ http://169.254.169.254/latest/meta-data/ http://[::ffff:a9fe:a9fe]/latest/meta-data/
    http://2130706433/ http://0x7f.1/ http://0177.0.0.1/ http://[::1]/ http://[64:ff9b::a9fe:a9fe]/ http://10.0.0.1/
    http://localhost/ http://metadata.internal/ //127.1/ https://192.168.0.1/ http://user@169.254.169.254/ http://0/
"""


def test_enough_redirects_are_tried() -> None:
    assert len(set(LOCATIONS.split())) >= 10


@pytest.mark.parametrize("location", LOCATIONS.split())
def test_a_redirect_opens_no_private_address(
    location: str,
    server: FaultServer,
    dialled: list[str],
    names: dict[str, list[str]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The server itself is reached because its address and port pass as public here."""
    names["public.example"] = ["127.0.0.1"]
    names.update((name, [address]) for name, address in NAMES.items())
    monkeypatch.setitem(CASES, "away", reply(302, Location=location))
    monkeypatch.setattr(download, "guarded_socket", lambda allow_private: _guarded_but_for(server.port))
    options = FetchOptions(ports=(80, 443, server.port))
    result = fetch_one(server.url("away", f"public.example:{server.port}"), options)
    assert result.status is FetchStatus.BLOCKED_ADDRESS
    assert (dialled, server.count("away")) == (["127.0.0.1"], 1)


def _guarded_but_for(port: int) -> Any:
    return lambda info: guarded_socket(info[4] == ("127.0.0.1", port))(info)


def test_a_name_that_changes_its_address_is_judged_by_what_is_dialled(
    dialled: list[str], names: dict[str, list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    names["rebind.example"] = ["93.184.215.14", "127.0.0.1"]
    monkeypatch.setattr(download, "DNS_SECONDS", 0)
    urls = ["http://rebind.example/1", "http://rebind.example/2"]
    statuses = [
        result.status
        for result in fetch_images(urls, FetchOptions(concurrency=1, retry_wait=0, robots=False))
    ]
    assert statuses == [FetchStatus.CONNECT, FetchStatus.BLOCKED_ADDRESS]
    assert set(dialled) == {"93.184.215.14"}


@pytest.mark.parametrize(
    "url",
    [
        pytest.param("", id="nothing"),
        pytest.param("image.png", id="relative"),
        pytest.param("file:///etc/hostname", id="file"),
        pytest.param("ftp://127.0.0.1/image.png", id="ftp"),
        pytest.param("data:image/gif;base64,R0lGODlhAQABAAAAACw=", id="data"),
        pytest.param("http://", id="no host"),
        pytest.param("http://[::1/", id="half an address"),
        pytest.param("http://a b/", id="a space in the host"),
        pytest.param("http://127.0.0.1:22/", id="a port that is not asked"),
        pytest.param("http://127.0.0.1:99999/", id="a port that does not exist"),
        pytest.param("http://\ud800/", id="half a character"),
    ],
)
def test_what_is_no_url_is_not_asked(url: str, dialled: list[str]) -> None:
    assert fetch_one(url, FetchOptions(allow_private=True)).status is FetchStatus.BAD_URL
    assert dialled == []


def test_a_redirect_to_another_port_is_not_asked(server: FaultServer, dialled: list[str]) -> None:
    result = fetch_one(server.url("to-ssh"), LOCAL(ports=(80, server.port)))
    assert (result.status, len(dialled)) == (FetchStatus.REDIRECT, 1)


@pytest.mark.parametrize(
    ("url", "status"),
    [
        pytest.param("http://unknown.example/", FetchStatus.DNS, id="unknown name"),
        pytest.param(f"http://{'a' * 70}.example/", FetchStatus.DNS, id="a label that is too long"),
        pytest.param("http://127.0.0.1:1/", FetchStatus.CONNECT, id="nobody listens"),
    ],
)
def test_failures_before_an_answer(url: str, status: FetchStatus) -> None:
    assert fetch_one(url, LOCAL()).status is status


def test_hosts_are_dialled_where_they_are_said_to_be(server: FaultServer) -> None:
    hosts = {"a.example": server.endpoint, "*.b.example": server.endpoint}
    urls = [
        "http://a.example/png",
        "http://x.y.b.example/png",
        "http://b.example/png",
        "http://x.a.example/png",
    ]
    results = {result.url: result for result in fetch_images(urls, LOCAL(hosts=hosts, ports=(80,)))}
    statuses = [results[url].status for url in urls]
    assert statuses == [FetchStatus.OK, FetchStatus.OK, FetchStatus.DNS, FetchStatus.DNS]
    assert results["http://a.example/png"].final_url == "http://a.example/png"
    assert {request.headers["host"] for request in server.requests} == {"a.example", "x.y.b.example"}


def test_a_request_says_who_asks_and_nothing_else(
    server: FaultServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("no_proxy", raising=False)
    monkeypatch.delenv("NO_PROXY", raising=False)
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:1")
    urls = ["http://user:secret@a.example/cookie", "http://a.example/cookie"]
    options = LOCAL(
        hosts={"a.example": server.endpoint},
        user_agent="name/1.0",
        contact="https://example.org",
        concurrency=1,
    )
    assert [result.final_url for result in fetch_images(urls, options)] == ["http://a.example/cookie"] * 2
    assert [request.path for request in server.requests] == ["/robots.txt", "/cookie", "/cookie"]
    for request in server.requests:
        assert request.headers == {
            "host": "a.example",
            "user-agent": "name/1.0 (+https://example.org)",
            "accept": "*/*" if request.case == "robots.txt" else "image/*",
            "accept-encoding": "identity",
        }


def test_odd_urls_are_asked_as_browsers_do(server: FaultServer) -> None:
    hosts = {"xn--bcher-kva.example": server.endpoint}
    url = " http://Bücher.example/png/ein bild\n.png?q=ü%2F'#part "
    result = fetch_one(url, LOCAL(hosts=hosts))
    assert (result.url, result.status) == (url, FetchStatus.OK)
    assert server.requests[-1].path == "/png/ein%20bild.png?q=%C3%BC%2F%27"
    assert server.requests[-1].headers["host"] == "xn--bcher-kva.example"


# Encrypted connections


def test_a_certificate_has_to_be_trusted(monkeypatch: pytest.MonkeyPatch, tmp_path: Any) -> None:
    authority = trustme.CA()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("good.example").configure_cert(context)
    authority.cert_pem.write_to_path(str(tmp_path / "authority.pem"))
    with FaultServer(context) as server:
        options = LOCAL(hosts={"*.example": server.endpoint}, total_timeout=5)
        good, other = "https://good.example/png", "https://other.example/png"
        assert fetch_one(good, options).status is FetchStatus.TLS
        monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "authority.pem"))
        monkeypatch.setattr(download, "_tls", ssl.create_default_context)
        assert fetch_one(good, options).status is FetchStatus.OK
        assert fetch_one(other, options).status is FetchStatus.TLS
