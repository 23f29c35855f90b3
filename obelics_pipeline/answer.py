"""What comes of a request: a status of a closed set for every answer that a server gives, and for every failure."""

from __future__ import annotations

import ssl
import time
from email.utils import parsedate_to_datetime
from typing import Final

import aiohttp
import msgspec

from obelics_pipeline.fetch_types import FetchStatus
from obelics_pipeline.netguard import BlockedAddress
from obelics_pipeline.robots import UNREACHABLE

_TRANSIENT: Final = frozenset(
    {FetchStatus.DNS, FetchStatus.CONNECT, FetchStatus.HTTP_5XX, FetchStatus.HOST_BUSY, FetchStatus.HOST_DOWN}
)


class Answer(msgspec.Struct, frozen=True):
    """What came of the requests for one URL. ``ok`` says that ``body`` is whole, not what it is.

    ``patience`` is the time, in seconds since 1970, before which the host does not want to be asked again; ``spared``
    says that it was not asked for that reason, or because it failed so often.
    """

    status: FetchStatus
    http_status: int | None = None
    final_url: str | None = None
    via: tuple[str, ...] = ()
    body: bytes = b""
    content_type: str | None = None
    content_encoding: str = ""
    location: str | None = None
    patience: float | None = None
    signals: tuple[str, ...] = ()
    detail: str = ""
    spared: bool = False

    @property
    def transient(self) -> bool:
        """Whether the same question may be answered another time."""
        late = self.status is FetchStatus.TIMEOUT and self.http_status is None
        return late or self.unreachable or self.status in _TRANSIENT

    @property
    def unreachable(self) -> bool:
        """Whether the host did not say if the URL may be asked for, so that it was not."""
        return self.status is FetchStatus.OPTOUT and self.detail == UNREACHABLE


def status_of(code: int) -> FetchStatus:
    """The status of an answer with this HTTP status; ``ok`` if a body is to follow."""
    if code in (200, 203):
        return FetchStatus.OK
    if code == 429:
        return FetchStatus.HOST_BUSY
    if 400 <= code < 500:
        return FetchStatus.HTTP_4XX
    return FetchStatus.HTTP_5XX if 500 <= code < 600 else FetchStatus.HTTP_OTHER


def patience_of(value: str | None) -> float | None:
    """The time of a ``Retry-After`` header, in seconds or as a date (RFC 9110, 10.2.3); None if it has none."""
    if value is None:
        return None
    try:
        return (
            time.time() + int(value)
            if value.strip().isdecimal()
            else parsedate_to_datetime(value).timestamp()
        )
    except (ValueError, OverflowError):
        return None


def readable(location: str) -> str:
    """A header's text without the lone surrogates that aiohttp makes of bytes that are not UTF-8."""
    return location.encode("utf-8", "surrogateescape").decode("utf-8", "replace")


_STATUS_OF: Final[tuple[tuple[type[Exception], FetchStatus], ...]] = (
    (BlockedAddress, FetchStatus.BLOCKED_ADDRESS),
    (TimeoutError, FetchStatus.TIMEOUT),
    (aiohttp.ClientConnectorDNSError, FetchStatus.DNS),
    (ssl.SSLError, FetchStatus.TLS),
    (aiohttp.ClientSSLError, FetchStatus.TLS),
    (aiohttp.InvalidURL, FetchStatus.BAD_URL),
    (OSError, FetchStatus.CONNECT),
    (aiohttp.ClientConnectionError, FetchStatus.CONNECT),
    (Exception, FetchStatus.PROTOCOL),
)
"""The first kind that fits decides."""


def failed(error: Exception) -> Answer:
    """The answer that a request has instead of one that ``error`` prevented."""
    _let_go(error)
    if isinstance(error, aiohttp.ClientConnectorError) and isinstance(error.os_error, BlockedAddress):
        error = error.os_error
    status = next(status for kind, status in _STATUS_OF if isinstance(error, kind))
    return Answer(status, detail=type(error).__name__)


def _let_go(error: BaseException | None) -> None:
    """Part the error from the frames it passed: they hold the connection's buffers, and in turn the error.

    Left to the garbage collector, 15,000 refused certificates took 230 MB and halved the speed.
    """
    while error is not None:
        error.__traceback__ = None
        error = error.__cause__ or error.__context__
