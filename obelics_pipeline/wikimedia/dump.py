"""Pages from Wikimedia's HTML dumps: gzipped tar files of NDJSON, each line an article with its HTML.

The schema is that of Wikimedia Enterprise's snapshots; of a line only what is named here is decoded.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import BinaryIO, Final

import msgspec

from obelics_pipeline.document import Source as Provenance
from obelics_pipeline.errors import InputError
from obelics_pipeline.license import of_text, stated
from obelics_pipeline.page import Page
from obelics_pipeline.records import Damaged
from obelics_pipeline.url import resolve
from obelics_pipeline.warc import MAX_PAGE_BYTES, Skipped, milliseconds, split
from obelics_pipeline.wikimedia import stream as streams
from obelics_pipeline.wikimedia.stream import Line, Source, is_ndjson, is_tar

SKIPPED: Final = ("other_namespace", "redirect", "empty", "no_url")
"""Why a line is no article to read: the words of ``Skipped.kind``."""

DAMAGES: Final = (*streams.DAMAGES, "not_json", "not_article")
"""What can be wrong with a dump: the words of ``Damaged.error``."""

SUFFIXES: Final = (".tar.gz", ".tgz", ".tar", ".ndjson.gz", ".ndjson")
"""How the names of dumps end; WARC files have other names."""

_PLAIN = ".ndjson"
_REDIRECT = 'rel="mw:PageProp/redirect"'
_HEADERS = (("content-type", "text/html; charset=utf-8"),)


class _Identified(msgspec.Struct, frozen=True):
    identifier: int | str | None = None


class _License(msgspec.Struct, frozen=True):
    identifier: str | None = None
    url: str | None = None
    name: str | None = None


class _Body(msgspec.Struct, frozen=True):
    html: str | None = None


class _Article(msgspec.Struct, frozen=True):
    name: str
    url: str | None = None
    date_modified: str | None = None
    version: _Identified | None = None
    namespace: _Identified | None = None
    in_language: _Identified | None = None
    license: list[_License] | _License | None = None
    article_body: _Body | None = None


_DECODER = msgspec.json.Decoder(_Article)


def is_dump(path: str) -> bool:
    """Whether ``path`` (or a URL, without its query) has the name of a dump."""
    return _name(path).endswith(SUFFIXES)


def _name(path: str) -> str:
    return path.partition("?")[0].lower()


def looks_like(stream: BinaryIO) -> bool:
    """Whether a file, whatever its name, holds a tar file or lines of JSON."""
    stream.seek(0)
    source = Source(stream)
    return is_tar(source) or is_ndjson(source)


def check(stream: BinaryIO, filename: str) -> None:
    """Raise ``InputError`` if a file with the name of a dump is none, or another kind than its name says."""
    stream.seek(0)
    _refuse_other(Source(stream), filename)


def _refuse_other(source: Source, filename: str) -> None:
    if not (is_tar(source) or is_ndjson(source) or source.damage is not None):
        raise InputError(
            f"{filename}: has the name of a dump of Wikimedia's, but holds neither a tar file nor lines of JSON"
        )
    if _name(filename).endswith(_PLAIN) and (source.gzipped or is_tar(source)):
        raise InputError(f"{filename}: is no plain NDJSON; name it .ndjson.gz, .tar or .tar.gz as it is")


def ranges(path: str, size: int, range_bytes: int) -> list[tuple[int, int]]:
    """Ranges (start, stop) that cover a dump: one, unless it is plain NDJSON, which can be read from anywhere."""
    return split(size, range_bytes if _name(path).endswith(_PLAIN) else max(size, 1))


def read_articles(
    stream: BinaryIO,
    filename: str,
    *,
    start: int = 0,
    stop: int | None = None,
    max_page_bytes: int = MAX_PAGE_BYTES,
) -> Iterator[Page | Skipped | Damaged]:
    """One item for each line that begins in the range; a cut page has ``max_page_bytes`` + 1 bytes.

    The range is that of ``ranges``. Offsets of ``Damaged`` count decompressed bytes; pages have an offset only
    in plain NDJSON, where it leads to them. Raises ``InputError`` for no dump.
    """
    plain = _name(filename).endswith(_PLAIN)
    before = max(start - 1, 0) if plain else 0  # the end of a line there lets one begin at ``start``
    stream.seek(before)
    source = Source(stream, before)
    if not before:
        _refuse_other(source, filename)
    for item in streams.lines(source) if plain else streams.lines_of(source):
        if plain and item.offset < start:
            continue
        if plain and stop is not None and item.offset >= stop:
            break
        yield item if isinstance(item, Damaged) else _page(item, filename, plain, max_page_bytes)


def article_at(stream: BinaryIO, filename: str, offset: int, *, max_page_bytes: int = MAX_PAGE_BYTES) -> Page:
    """The article whose line begins at ``offset`` of plain NDJSON. Raises ``InputError`` if there is none."""
    place = f"{filename}#{offset}"
    if not _name(filename).endswith(_PLAIN):
        raise InputError(
            f"{place}: no offset leads into a tar or gzip file; extract the .ndjson files from it"
        )
    found = read_articles(stream, filename, start=offset, stop=offset + 1, max_page_bytes=max_page_bytes)
    item = next(found, None)
    if isinstance(item, Page):
        return item
    what = "no line" if item is None else item.kind if isinstance(item, Skipped) else item.message
    raise InputError(f"{place}: {what} there; expected the offset of an article, as in warc_offset")


def _page(line: Line, filename: str, plain: bool, max_page_bytes: int) -> Page | Skipped | Damaged:
    try:
        article = _DECODER.decode(line.data)
    except msgspec.ValidationError as error:
        return Damaged("not_article", f"a line without the fields of an article: {error}", line.offset)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        return Damaged("not_json", f"a line that is no JSON: {error}", line.offset)
    if article.namespace is not None and article.namespace.identifier not in (0, None):
        return Skipped("other_namespace")
    html = article.article_body.html if article.article_body is not None else None
    if not html or html.isspace():
        return Skipped("empty")
    if _REDIRECT in html:
        return Skipped("redirect")
    url = resolve(article.url or "")
    if url is None:
        return Skipped("no_url")
    language = article.in_language.identifier if article.in_language is not None else None
    return Page(
        url=url,
        body=html.encode("utf-8", "replace")[: max_page_bytes + 1],
        headers=_HEADERS,
        source=_provenance(article, line, filename, plain),
        license=_licenses(article.license),
        language=str(language) if language else None,
        parsoid=True,
    )


def _provenance(article: _Article, line: Line, filename: str, plain: bool) -> Provenance:
    revision = article.version.identifier if article.version is not None else None
    return Provenance(
        crawl=filename.rpartition("/")[2].partition(".")[0],
        warc_filename=filename,
        warc_record_id=f"revision:{revision}" if revision is not None else None,
        warc_offset=line.offset if plain else None,
        warc_length=len(line.data) if plain else None,
        timestamp=milliseconds(article.date_modified or ""),
    )


def _licenses(given: list[_License] | _License | None) -> str | None:
    """The licences of a page: those of Creative Commons by their addresses, others by what is known of them."""
    licenses = [given] if isinstance(given, _License) else given or []
    names = (each.identifier or each.url or each.name for each in licenses)
    return stated((of_text(name) or name) if name else None for name in names)
