"""A small crawler: asks for every address of the sample web, and keeps each exchange as it was, in a WARC.

Dates and record names come from the list of visits, so that the same web gives the same file.
"""

from __future__ import annotations

import io
import socket
import uuid
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from warcio.warcwriter import WARCWriter  # type: ignore[import-untyped]

from obelics_pipeline import __version__
from obelics_pipeline.sample.server import LOOPBACK, SampleServer
from obelics_pipeline.sample.web import BEGIN, Visit, visits

AGENT: Final = f"obelics-sample/{__version__}"
TIMEOUT: Final = 30.0
"""Seconds of silence after which the capture gives up."""


def capture(server: SampleServer, path: Path) -> int:
    """Write all visits to a WARC at ``path`` (gzip, a member a record); the number of responses.

    A file that holds these very bytes already is left alone: what was built from it stays finished.
    Raises ``OSError`` if the server does not answer or ``path`` cannot be written.
    """
    file, done = io.BytesIO(), 0
    writer = WARCWriter(file, gzip=True, warc_version="1.1")
    _write_info(writer, path.name)
    for visit in visits():
        _write_visit(writer, visit, server.port)
        done += 1
    if not path.exists() or path.read_bytes() != file.getvalue():
        path.write_bytes(file.getvalue())
    return done


def exchange(url: str, port: int) -> tuple[bytes, bytes]:
    """Ask for ``url`` on loopback, whatever its host; the request and the response as sent."""
    parts = urlsplit(url)
    target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    lines = (
        f"GET {target} HTTP/1.1",
        f"Host: {parts.netloc}",
        f"User-Agent: {AGENT}",
        "Accept: text/html,*/*;q=0.5",
        "Accept-Encoding: gzip, deflate, br, zstd",
        "Connection: close",
    )
    request = "".join(f"{line}\r\n" for line in (*lines, "")).encode("ascii")
    with socket.create_connection((LOOPBACK, port), timeout=TIMEOUT) as connection:
        connection.sendall(request)
        with connection.makefile("rb") as stream:
            return request, stream.read()


def _name(*key: str) -> str:
    return f"<urn:uuid:{uuid.uuid5(uuid.NAMESPACE_URL, ' '.join(key))}>"


def _write_info(writer: WARCWriter, filename: str) -> None:
    info = f"software: {AGENT}\r\nformat: WARC File Format 1.1\r\nisPartOf: the sample web\r\n".encode()
    headers = {
        "WARC-Record-ID": _name("warcinfo", AGENT),
        "WARC-Date": f"{BEGIN:%Y-%m-%dT%H:%M:%SZ}",
        "WARC-Filename": filename,
    }
    record = writer.create_warc_record("", "warcinfo", io.BytesIO(info), len(info), warc_headers_dict=headers)
    writer.write_record(record)


def _write_visit(writer: WARCWriter, visit: Visit, port: int) -> None:
    request, response = exchange(visit.url, port)
    when = f"{visit.when:%Y-%m-%dT%H:%M:%SZ}"
    records = [
        writer.create_warc_record(
            visit.url,
            kind,
            io.BytesIO(payload),
            len(payload),
            warc_headers_dict={"WARC-Record-ID": _name(kind, visit.url, when), "WARC-Date": when},
        )
        for kind, payload in (("request", request), ("response", response))
    ]
    writer.write_request_response_pair(*records)
