"""A page: one captured HTML response, as bytes and headers, before anything is made of it."""

from __future__ import annotations

import hashlib

import msgspec

from obelics_pipeline.document import Source


class Page(msgspec.Struct, frozen=True):
    """A captured HTML page.

    ``body`` is the payload with content- and transfer-encodings undone; ``headers`` are the HTTP response
    headers in order, names lower-cased, repeated names kept. ``license`` and ``language`` are what its publisher
    says of it beside the page; ``parsoid`` says that the HTML is that of a wiki (``wikimedia.parsoid``).
    """

    url: str
    body: bytes
    headers: tuple[tuple[str, str], ...] = ()
    source: Source = Source()
    license: str | None = None
    language: str | None = None
    parsoid: bool = False

    @property
    def id(self) -> str:
        """32 hexadecimal digits that name this capture: WARC record, URL and time (record ids do repeat)."""
        key = f"{self.source.warc_record_id or ''} {self.url} {self.source.timestamp}"
        return hashlib.blake2b(key.encode(), digest_size=16).hexdigest()

    def header(self, name: str) -> str | None:
        """The first value of the header ``name`` (lower case)."""
        return next((value for key, value in self.headers if key == name), None)
