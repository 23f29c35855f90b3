"""Files of a web server, read by ranges."""

from __future__ import annotations

import io
import time
from typing import Any, BinaryIO, Final, cast

from obelics_pipeline.errors import InputError

ATTEMPTS: Final = 5
TIMEOUT: Final = 60.0
"""Seconds without an answer or a byte."""

BUFFER: Final = 1 << 20


def is_http(path: str) -> bool:
    """Whether ``path`` is an ``http(s)://`` URL."""
    return path.startswith(("https://", "http://"))


def open_http(url: str) -> BinaryIO:
    """A seekable, buffered stream over the bytes at ``url``; the server has to serve ranges.

    Raises ``InputError`` if there is no such file. A connection that breaks is taken up where it broke.
    """
    return cast(BinaryIO, io.BufferedReader(HttpFile(url), BUFFER))


class HttpFile(io.RawIOBase):
    """One open request, from the position of the last seek; a new one only after a seek or a break."""

    def __init__(self, url: str) -> None:
        import requests
        import urllib3

        self._broken = (OSError, urllib3.exceptions.HTTPError)  # requests' errors are OSErrors
        self._session = requests.Session()
        self._session.headers["Accept-Encoding"] = "identity"  # ranges are of the bytes as stored
        self._url = url
        self._position = 0
        self._response: Any = None
        self._length = self._read_length()

    def _read_length(self) -> int:
        response = self._session.head(self._url, allow_redirects=True, timeout=TIMEOUT)
        if response.status_code != 200 or "Content-Length" not in response.headers:
            raise InputError(f"{self._url}: HTTP {response.status_code} or no length; is the address right?")
        return int(response.headers["Content-Length"])

    def readable(self) -> bool:
        """Yes."""
        return True

    def seekable(self) -> bool:
        """Yes."""
        return True

    def tell(self) -> int:
        """The position of the next byte read."""
        return self._position

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """Go to a position; costs nothing until the next read."""
        start = {io.SEEK_SET: 0, io.SEEK_CUR: self._position, io.SEEK_END: self._length}[whence]
        if start + offset != self._position:
            self._drop()
        self._position = max(0, start + offset)
        return self._position

    def readinto(self, buffer: Any) -> int:
        """Fill ``buffer`` with what comes next; 0 at the end."""
        if self._position >= self._length:
            return 0
        for attempt in range(ATTEMPTS):
            try:
                data = self._open().read(len(buffer))
            except self._broken:
                data = b""
            if data:
                buffer[: len(data)] = data
                self._position += len(data)
                return len(data)
            self._drop()
            time.sleep(0.5 * 2**attempt)
        raise OSError(f"{self._url}: no bytes at {self._position} after {ATTEMPTS} attempts")

    def _open(self) -> Any:
        if self._response is None:
            headers = {"Range": f"bytes={self._position}-"}
            response = self._session.get(self._url, headers=headers, stream=True, timeout=TIMEOUT)
            if response.status_code != 206:
                response.close()
                raise OSError(f"{self._url}: HTTP {response.status_code} instead of a range")
            self._response = response
        return self._response.raw

    def _drop(self) -> None:
        if self._response is not None:
            self._response.close()
            self._response = None

    def close(self) -> None:
        """End the request."""
        self._drop()
        self._session.close()
        super().close()
