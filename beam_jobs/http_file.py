"""Files of a web server, read by ranges, politely: few connections, a name, and patience when it asks for it."""

from __future__ import annotations

import re
from functools import cache
from typing import TYPE_CHECKING, Any, Final

import msgspec

from beam_jobs import ranged
from beam_jobs.contact import with_contact
from beam_jobs.ranged import Broken, Stat, length_stated, may_pass
from obelics_pipeline.errors import InputError, NoSuchFile, RunFailed
from obelics_pipeline.fetch_types import FetchOptions
from obelics_pipeline.url import without_credentials

if TYPE_CHECKING:
    import requests

TIMEOUT: Final = 60.0
"""Seconds without an answer or a byte."""

CONNECTIONS: Final = 4
"""Connections of a process to a server, as a default: a dozen processes are fifty, no crowd."""

_REDIRECTS: Final = 5
_SLOW_DOWN: Final = re.compile(
    rb"slow ?down|reduce your request rate|too many requests|too much traffic", re.IGNORECASE
)
"""What S3 and the servers before it say with a 403 that is about the rate of requests, not about rights."""

_NO_BYTES: Final = re.compile(r"bytes \*/(\d+)")
_HINTS: Final = {
    401: "it asks who we are; write user name and password for its host into ~/.netrc",
    403: "it is not for everybody; is the address right?",
    404: "there is no such file; is the address right?",
    410: "the file is gone",
}


class Manners(msgspec.Struct, frozen=True):
    """How a web server is asked: under which name, and on how many ``connections`` a process has at once."""

    signature: str = msgspec.field(default_factory=lambda: with_contact(FetchOptions()).signature)
    connections: int = CONNECTIONS


def is_http(path: str) -> bool:
    """Whether ``path`` is an ``http(s)://`` URL."""
    return path.startswith(("https://", "http://"))


class HttpSource:
    """The file at a URL (a ``ranged.Source``), which is called by it, but for what in it opens closed doors."""

    def __init__(self, url: str, manners: Manners | None = None) -> None:
        ranged.check_address(url)
        self.name = without_credentials(url)
        self._url = url
        self._manners = manners or Manners()
        self._etag: str | None = None

    def stat(self) -> Stat:
        """Ask with HEAD; ``InputError`` if there is no file, or no length."""
        answer = self._ask("HEAD", {})
        answer.close()
        if answer.status_code != 200 or "Content-Length" not in answer.headers:
            raise InputError(f"{self.name}: HTTP {answer.status_code} or no length; is the address right?")
        self._check_etag(answer)
        version = answer.headers.get("ETag") or answer.headers.get("Last-Modified", "")
        return Stat(int(answer.headers["Content-Length"]), version)

    def open(self, start: int, stop: int | None) -> tuple[ranged.Body | None, int]:
        """Ask for a range; ``RunFailed`` if the server sends something else or another file than before."""
        wanted = f"bytes={start}-{'' if stop is None else stop - 1}"
        answer = self._ask("GET", {"Range": wanted})
        stated = answer.headers.get("Content-Range", "")
        if answer.status_code == 416 and (beyond := _NO_BYTES.match(stated)):
            answer.close()
            return None, int(beyond[1])
        try:
            length = length_stated(stated, start, stop) if answer.status_code == 206 else self._refuse(answer)
            self._check_etag(answer)
        except Exception:
            answer.close()
            raise
        return _HttpBody(answer), length

    def _refuse(self, answer: Any) -> int:
        if answer.status_code == 200:
            raise RunFailed(
                f"{self.name}: the server serves no ranges; copy the file to where they are served"
            )
        raise RunFailed(f"{self.name}: HTTP {answer.status_code} instead of a range of its bytes")

    def _check_etag(self, answer: Any) -> None:
        etag = answer.headers.get("ETag")
        if etag and self._etag and etag != self._etag:
            raise RunFailed(f"{self.name}: changed while it was read (other ETag); run the command again")
        if etag and not etag.startswith("W/"):
            self._etag = etag

    def _ask(self, method: str, headers: dict[str, str]) -> Any:
        """The answer, its body not yet read; ``Broken`` if asking again may help, ``InputError`` if it will not."""
        import requests
        from urllib3.exceptions import ConnectTimeoutError, NewConnectionError

        headers = headers | {"User-Agent": self._manners.signature}
        try:
            answer = _session(self._manners.connections).request(
                method, self._url, headers=headers, stream=True, timeout=TIMEOUT, allow_redirects=True
            )
        except requests.TooManyRedirects as error:
            raise InputError(f"{self.name}: {error}") from None
        except (requests.exceptions.InvalidURL, requests.exceptions.InvalidSchema):
            raise InputError(f"{self.name}: is no address of a web server, or leads to none") from None
        except requests.RequestException as error:
            if "CERTIFICATE_VERIFY_FAILED" in str(error):
                raise InputError(
                    f"{self.name}: nobody that is trusted vouches for this server; name the authority's file in "
                    "REQUESTS_CA_BUNDLE if it is yours"
                ) from None
            unreached = isinstance(_cause(error), NewConnectionError | ConnectTimeoutError)
            raise Broken(_told(error), unreached=unreached) from error
        if answer.ok or answer.status_code == 416:
            return answer
        with answer:
            said = _beginning(answer)
            status = answer.status_code
            if may_pass(status) or (status == 403 and _SLOW_DOWN.search(said)):
                raise Broken(f"HTTP {status}", _retry_after(answer.raw))
        kind = NoSuchFile if status in (404, 410) else InputError
        raise kind(f"{self.name}: HTTP {status}: {_HINTS.get(status, 'is the address right?')}")


class _HttpBody:
    """The body of a response, ended when it is closed, so that its connection is free for others."""

    def __init__(self, answer: Any) -> None:
        self._answer = answer

    def read(self, size: int) -> bytes:
        """What has arrived, at most ``size`` bytes."""
        import urllib3

        try:
            data: bytes = self._answer.raw.read1(size)
        except (OSError, urllib3.exceptions.HTTPError) as error:
            raise Broken(_told(error)) from error
        return data

    def close(self) -> None:
        """Give the connection back, or end it if there is more to come."""
        self._answer.close()


@cache
def _session(connections: int) -> Any:
    """The session of this process: a pool of so many connections to each server, for which all threads wait."""
    import requests
    from requests.adapters import HTTPAdapter

    session = requests.Session()
    session.max_redirects = _REDIRECTS
    session.headers["Accept-Encoding"] = "identity"  # ranges are of the bytes as stored
    for scheme in ("https://", "http://"):
        session.mount(scheme, HTTPAdapter(pool_maxsize=connections, pool_block=True))
    return session


def _beginning(answer: Any) -> bytes:
    import urllib3

    try:
        data: bytes = answer.raw.read1(ranged.PIECE)
    except (OSError, urllib3.exceptions.HTTPError):
        data = b""
    return data


def _retry_after(response: Any) -> float | None:
    import urllib3

    try:
        seconds: float | None = urllib3.Retry().get_retry_after(response)
    except urllib3.exceptions.InvalidHeader:
        seconds = None
    return seconds


def _told(error: Exception) -> str:
    """The first cause of an error, without the addresses of objects that libraries tell with it."""
    while isinstance(error.__context__, Exception):
        error = error.__context__
    return f"{type(error).__name__}: {error}"


def _cause(error: requests.RequestException) -> object:
    """What urllib3 gave up for."""
    return getattr(error.args[0] if error.args else None, "reason", None)
