"""What a download is asked for and what comes of it: options, a closed set of statuses, results."""

from __future__ import annotations

from enum import StrEnum
from ipaddress import ip_address
from math import inf
from typing import Final

import msgspec

from obelics_pipeline import __version__
from obelics_pipeline.netguard import Reach, reach


class FetchStatus(StrEnum):
    """The final status of an image URL; every URL has exactly one.

    The names shared with the dataset's ``image_info.status`` column mean the same there.
    """

    OK = "ok"
    """A whole image, its bytes as the server sent them; it decodes."""
    NOT_FETCHED = "not_fetched"
    """Nobody asked for it. A fetch never ends so; it is the status of images before one."""
    BAD_URL = "bad_url"
    """Not an http(s) URL, or a port that is not asked."""
    BLOCKED_ADDRESS = "blocked_address"
    """The host's addresses are not public; no connection was opened."""
    DNS = "dns"
    """The host name has no address."""
    CONNECT = "connect"
    """Refused, unreachable, or the connection broke before an answer."""
    TLS = "tls"
    """No trusted encrypted connection."""
    TIMEOUT = "timeout"
    """Not connected within ``connect_timeout``, not complete within ``total_timeout``, or slower than ``min_rate``."""
    PROTOCOL = "protocol"
    """The answer is not usable HTTP: malformed, or headers without measure."""
    REDIRECT = "redirect"
    """Too many redirects, or one to something that is not asked (another scheme, a port)."""
    OPTOUT = "optout"
    """Its host does not want it to be asked for, and nobody did; or a header reserves it, and its body was not read."""
    DENYLIST = "denylist"
    """On a deny-list (``consent.deny``), by its address or by its bytes; nothing of it is kept, nor its address."""
    HOST_BUSY = "host_busy"
    """The host asked for patience (429, or ``Retry-After``), longer than we wait; perhaps for another URL."""
    HOST_DOWN = "host_down"
    """Not asked any more: ``host_failures`` URLs of the host failed in a row, and one more later."""
    HTTP_4XX = "http_4xx"
    HTTP_5XX = "http_5xx"
    HTTP_OTHER = "http_other"
    """An answer that is neither an error nor a whole resource (204, 206, 304, 999 …)."""
    TOO_LARGE = "too_large"
    """More than ``max_bytes``, announced or sent."""
    TRUNCATED = "truncated"
    """The connection ended before the body was complete."""
    EMPTY = "empty"
    """A complete answer of no bytes."""
    NOT_IMAGE = "not_image"
    """The bytes are not of a supported image format, whatever the headers say."""
    UNDECODABLE = "undecodable"
    """The bytes begin like an image and cannot be decoded to the end within bounds of time and memory."""
    LOST = "lost"
    """Another engine gave no result for it; it may have been asked for (``img2dataset``)."""
    TOO_MANY_PIXELS = "too_many_pixels"
    """The image's header announces more than ``max_pixels``; it was not decoded."""


_POSITIVE: Final = (
    "connect_timeout", "total_timeout", "max_bytes", "max_bytes_in_flight", "max_pixels", "concurrency", "per_host",
    "host_failures",
)  # fmt: skip


class FetchOptions(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The limits of a download. ``ValueError`` says which value is unusable and what would be usable.

    ``contact`` (an ``https://`` page or a mail address) tells servers who asks; it follows ``user_agent``.
    Times are seconds, sizes bytes. ``total_timeout`` covers one URL with all its redirects and begins when
    its host has a free place (``per_host``). ``hosts`` works like a hosts file that also knows ports:
    requests for a name (or ``*.suffix``) are dialled at an address and port; URL and Host header stay.
    ``allow_private`` lets loopback and private networks be dialled; link-local, multicast, reserved and
    cloud metadata addresses are refused in any case. ``ports`` are those that a URL may name; none means any.

    Bodies that are being read and those that wait to be taken are together never more than ``max_bytes_in_flight``;
    a URL that waits for that loses none of its time.

    A body that after five seconds has come with less than ``min_rate`` bytes per second is given up. Failures that
    may pass (no address, no connection, no answer in time, 429, 5xx) are tried once more, after all others and a
    pause of at most ``retry_wait`` seconds, which is as long as hosts that ask for patience get it. A host of
    which ``host_failures`` URLs failed so in a row is spared until then. With ``retry_wait`` 0 nothing is tried twice.

    Before anything is asked for, on every hop of a redirect, its host is asked what it says of it, once a day: in
    robots.txt (``robots``), and in two more files if these are wanted, ``/.well-known/tdmrep.json`` and ``/ai.txt``.
    """

    user_agent: str = f"obelics-builder/{__version__}"
    contact: str = ""
    connect_timeout: float = 5.0
    total_timeout: float = 20.0
    max_bytes: int = 10_000_000
    max_bytes_in_flight: int = 512_000_000
    max_pixels: int = 64_000_000
    min_rate: int = 1_000
    retry_wait: float = 30.0
    host_failures: int = 10
    max_redirects: int = 5
    concurrency: int = 64
    per_host: int = 4
    ports: tuple[int, ...] = (80, 443, 8080, 8443)
    hosts: dict[str, str] = {}
    allow_private: bool = False
    robots: bool = True
    tdmrep: bool = False
    ai_txt: bool = False

    def __post_init__(self) -> None:
        for name in _POSITIVE:
            if not 0 < getattr(self, name) < inf:
                raise ValueError(f"{name} is {getattr(self, name)}; it has to be a number greater than 0")
        if self.max_bytes_in_flight < self.max_bytes:
            raise ValueError(
                f"max_bytes_in_flight is {self.max_bytes_in_flight}; "
                f"one body alone may have max_bytes, {self.max_bytes}, so make it that or more"
            )
        for name in ("retry_wait", "min_rate"):
            if not 0 <= getattr(self, name) < inf:
                raise ValueError(f"{name} is {getattr(self, name)}; it has to be a number, 0 for none")
        if self.max_redirects < 0:
            raise ValueError(f"max_redirects is {self.max_redirects}; 0 follows none")
        if not self.user_agent.strip() or not self.user_agent.isascii() or not self.user_agent.isprintable():
            raise ValueError(
                f"user_agent is {self.user_agent!r}; servers need a name in printable ASCII, "
                "such as 'name/1.0 (+https://example.org/contact)'"
            )
        reachable = "@" in self.contact or self.contact.startswith(("http://", "https://"))
        if self.contact and not (reachable and self.contact.isascii() and self.contact.isprintable()):
            raise ValueError(
                f"contact is {self.contact!r}; write an https:// address or one for mail, in ASCII"
            )
        for port in self.ports:
            if not 0 < port < 65536:
                raise ValueError(f"ports holds {port}; a port is between 1 and 65535")
        for name, endpoint in self.hosts.items():
            self._check_host(name, endpoint)

    @property
    def signature(self) -> str:
        """The ``User-Agent`` header: the name, and how to reach who asks."""
        return f"{self.user_agent} (+{self.contact})" if self.contact else self.user_agent

    def _check_host(self, name: str, endpoint: str) -> None:
        where = f"hosts: {name!r} → {endpoint!r}"
        if not name or name != name.lower() or "*" in name.removeprefix("*."):
            raise ValueError(f"{where}: write a name in lower case, or '*.' and one")
        try:
            address, _ = split_endpoint(endpoint)
        except ValueError as error:
            raise ValueError(f"{where}: write 'address:port', such as '127.0.0.1:8801'") from error
        if reach(address) is Reach.NEVER:
            raise ValueError(f"{where}: this address is never dialled; use a loopback or private one")
        if reach(address) is Reach.PRIVATE and not self.allow_private:
            raise ValueError(f"{where}: this is a private address; allow_private: true permits it")


class FetchResult(msgspec.Struct, frozen=True):
    """How the download of one URL ended.

    ``body`` is there only when ``status`` is ``ok``; ``md5``, ``sha1``, ``sha256`` (hexadecimal) and ``num_bytes``
    tell of every body that arrived whole. ``signals`` are the consent signals in the headers of all answers on the
    way (``consent.signals``) and in what their hosts say (``robots``), sorted. ``width`` and ``height`` are pixels
    with the EXIF orientation applied, as a reader sees the image; ``phash`` is its perceptual hash. ``url`` is the
    one asked for, ``final_url`` that of the last request, or the one that its host did not let us make, if there was
    one, and ``via`` are those of the requests between. ``fetched_at`` is in milliseconds since 1970, UTC. ``detail`` is
    a few words for people.
    """

    url: str
    status: FetchStatus
    http_status: int | None = None
    final_url: str | None = None
    via: tuple[str, ...] = ()
    body: bytes | None = None
    md5: str | None = None
    sha1: str | None = None
    sha256: str | None = None
    num_bytes: int | None = None
    format: str | None = None
    width: int | None = None
    height: int | None = None
    phash: str | None = None
    content_type: str | None = None
    signals: tuple[str, ...] = ()
    fetched_at: int = 0
    detail: str = ""


def split_endpoint(endpoint: str) -> tuple[str, int]:
    """The address and port of ``127.0.0.1:8801`` or ``[::1]:8801``; ``ValueError`` for anything else."""
    address, _, port = endpoint.rpartition(":")
    if not port.isascii() or not port.isdigit() or not 0 < int(port) < 65536:
        raise ValueError(f"no port in {endpoint!r}")
    return str(ip_address(address.removeprefix("[").removesuffix("]"))), int(port)
