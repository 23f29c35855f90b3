"""Common Crawl's columnar index (cc-index-table): its order, and what is asked of it, in the SQL of DuckDB.

The files of a crawl and subset follow one another in order of ``url_surtkey``, and so do the rows of each. A key begins
with the host, its labels reversed and a leading ``www.`` left out (``org,example)/path``). So places are asked for by
their names and by the ranges in which their keys lie: those let a reader pass over what the statistics of files
and row groups rule out.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any, Final, Literal, TypeAlias

import msgspec

from obelics_pipeline.selection import SCHEMA

Subset: TypeAlias = Literal["warc", "robotstxt", "crawldiagnostics"]
SUBSETS: Final[dict[Subset, str]] = {
    "warc": "pages",
    "robotstxt": "robots.txt of hosts",
    "crawldiagnostics": "redirects, errors and the like",
}
"""The parts of a crawl, which have archives and index files of their own."""

ALWAYS: Final = (
    "url",
    "url_surtkey",
    "warc_filename",
    "warc_record_offset",
    "warc_record_length",
    "fetch_status",
    "fetch_time",
)
"""Columns that every index has, since the first (CC-MAIN-2013-20)."""

SINCE: Final = {"content_languages": "CC-MAIN-2018-39", "content_truncated": "CC-MAIN-2019-47"}
"""The first crawl with a column, of those that came later."""

MAX_RANGES: Final = 256
"""Ranges of keys that are asked for; many places share them, and each then covers what lies between, too."""

MAX_NAMES: Final = 1000
"""Names of places that a selection tells of; of longer lists it tells the number and a hash."""

_ORDER: Final = "warc_filename, warc_record_offset"
_DRAW: Final = "left(md5(url), 16)"
"""Where an address lies in all samples, evenly: any part of them below some value is a sample."""

_WWW: Final = re.compile(r"^www\d*\.")
_IPV4: Final = re.compile(r"\d{1,3}(?:\.\d{1,3}){3}")

Range: TypeAlias = tuple[str, str]
"""Keys from the first on, before the second."""


class Places(msgspec.Struct, frozen=True):
    """Hosts, registered domains with all their hosts, and top-level domains; each in lower case, IDN as punycode."""

    hosts: tuple[str, ...] = ()
    domains: tuple[str, ...] = ()
    tlds: tuple[str, ...] = ()

    @property
    def columns(self) -> dict[str, tuple[str, ...]]:
        """What is asked for by the columns of the index that hold it."""
        held = {
            "url_host_name": self.hosts,
            "url_host_registered_domain": self.domains,
            "url_host_tld": self.tlds,
        }
        return {column: names for column, names in held.items() if names}

    def key_ranges(self) -> list[Range] | None:
        """Ranges, in order, outside of which no key of the places lies; None if they can be anywhere."""
        if not self.columns or any(host.startswith("[") for host in self.hosts):
            return None
        keys = {key + end for host in self.hosts for key in _host_keys(host) for end in "):"}
        keys |= {_reversed(name) + end for name in (*self.domains, *self.tlds) for end in ",):"}
        ranges = [(key, _after(key)) for key in sorted(keys)]
        each = -(-len(ranges) // MAX_RANGES)
        groups = [ranges[at : at + each] for at in range(0, len(ranges), each)]
        return [(group[0][0], max(end for _, end in group)) for group in groups]


def _host_keys(host: str) -> set[str]:
    """How keys of a host may begin: makers of keys differ on addresses, and may on ``www``."""
    return {_reversed(host), _reversed(_WWW.sub("", host, count=1))} | (
        {host} if _IPV4.fullmatch(host) else set()
    )


def _reversed(name: str) -> str:
    return ",".join(reversed(name.split(".")))


def _after(prefix: str) -> str:
    """What comes after all that begins with ``prefix``."""
    return prefix[:-1] + chr(ord(prefix[-1]) + 1)


class Wanted(msgspec.Struct, frozen=True):
    """Which captures of a crawl are wanted; what is empty or None is not asked for.

    ``languages`` are ISO-639-3 codes, one of which has to be that of most of the page, as the crawler saw it.
    ``places`` are alternatives. ``since`` and ``until`` are times (UTC), the second excluded. ``whole`` leaves out
    pages that the crawler cut off. ``share`` keeps that share of the addresses, and ``limit`` so many captures, those
    that the smallest shares would keep.
    """

    statuses: tuple[int, ...] = ()
    mimes: tuple[str, ...] = ()
    languages: tuple[str, ...] = ()
    places: Places = Places()
    since: datetime | None = None
    until: datetime | None = None
    whole: bool = False
    share: float | None = None
    limit: int | None = None

    def told(self) -> dict[str, Any]:
        """For ``obelics.query``: what is asked for, long lists of names by their number and hash."""
        asked = msgspec.to_builtins(self)
        return {
            name: value
            for name, value in (asked | _told_places(self.places)).items()
            if value and name != "places"
        }

    def columns(self) -> set[str]:
        """The columns of the index without which it cannot tell."""
        asked = {
            "content_mime_detected": self.mimes,
            "content_languages": self.languages,
            "content_truncated": self.whole,
        }
        return {*ALWAYS, *self.places.columns, *(column for column, needed in asked.items() if needed)}

    def sql(self, source: str, present: Iterable[str]) -> str:
        """The query over ``source``, which has the columns ``present``: rows of ``SCHEMA`` in their order.

        The names of places are the column ``name`` of tables called as their columns in the index.
        """
        chosen = (
            f"SELECT {', '.join(_columns(present))} FROM {source} WHERE {' AND '.join(self._conditions())}"
        )
        if self.limit is not None:
            chosen = f"SELECT * FROM ({chosen} ORDER BY {_DRAW}, {_ORDER} LIMIT {self.limit})"
        return f"{chosen} ORDER BY {_ORDER}"

    def _conditions(self) -> Iterable[str]:
        yield "true"
        if self.statuses:
            yield _among("fetch_status", map(str, self.statuses))
        if self.mimes:
            yield _among("content_mime_detected", map(quoted, self.mimes))
        if self.languages:
            yield _among("split_part(content_languages, ',', 1)", map(quoted, self.languages))
        if ranges := self.places.key_ranges():
            yield _any(
                f"(url_surtkey >= {quoted(start)} AND url_surtkey < {quoted(end)})" for start, end in ranges
            )
        if columns := self.places.columns:
            yield _any(f"{column} IN (SELECT name FROM names_{column})" for column in columns)
        if self.since:
            yield f"fetch_time >= {_moment(self.since)}"
        if self.until:
            yield f"fetch_time < {_moment(self.until)}"
        if self.whole:
            yield "content_truncated IS NULL"
        if self.share is not None and self.share < 1:
            yield f"{_DRAW} < '{int(self.share * 2**64):016x}'"


def _told_places(places: Places) -> dict[str, Any]:
    return {name: _told_names(names) for name, names in msgspec.structs.asdict(places).items()}


def _told_names(names: Sequence[str]) -> Any:
    if len(names) <= MAX_NAMES:
        return list(names)
    return {"names": len(names), "sha256": hashlib.sha256("\n".join(names).encode()).hexdigest()}


def _columns(present: Iterable[str]) -> list[str]:
    """The columns of a selection, null where an older index has none."""
    there = set(present)
    types = {"int64": "BIGINT", "int16": "SMALLINT", "timestamp[ms]": "TIMESTAMP_MS", "string": "VARCHAR"}
    return [
        f"CAST({field.name if field.name in there else 'NULL'} AS {types[str(field.type)]}) AS {field.name}"
        for field in SCHEMA
    ]


def _among(column: str, values: Iterable[str]) -> str:
    return f"{column} IN ({', '.join(values)})"


def _any(conditions: Iterable[str]) -> str:
    return f"({' OR '.join(conditions)})"


def quoted(text: str) -> str:
    """A text as SQL has it."""
    return "'" + text.replace("'", "''") + "'"


def _moment(time: datetime) -> str:
    return f"TIMESTAMPTZ '{time:%Y-%m-%d %H:%M:%S}+00'"
