"""Where a page states its licence: links of the relation ``license`` in its body, and JSON-LD."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from selectolax.lexbor import LexborHTMLParser, LexborNode

from obelics_pipeline.license import of_json_ld, of_link

MAX_STATEMENTS: Final = 20
"""Links, and scripts, of a page that are looked at."""

MAX_SCRIPT: Final = 500_000
"""Characters of a script that are read."""

_MENTION: Final = b"license"
_MAX_MENTIONS: Final = 1_000
_BEFORE: Final = 80
"""Bytes before a mention in which ``rel`` stands if it is a relation."""

_LINKS: Final = 'a[rel~="license" i], area[rel~="license" i], body link[rel~="license" i]'
_SCRIPTS: Final = 'script[type="application/ld+json" i]'

_OF_OTHERS: Final = frozenset({"figure", "figcaption", "aside", "nav", "blockquote"})
"""Elements in which a link speaks of something else than the page: a picture, a quotation, other pages."""


def mentions(html: bytes) -> tuple[bool, bool]:
    """Whether links, and whether JSON-LD of a page may name a licence: cheap, as most pages do neither."""
    link = schema = False
    at = html.find(_MENTION)
    for _ in range(_MAX_MENTIONS):
        if at < 0 or (link and schema):
            break
        before = html[max(0, at - _BEFORE) : at]
        schema = schema or before.endswith(b'"')
        link = link or b"rel" in before.lower()
        at = html.find(_MENTION, at + len(_MENTION))
    return link, schema


def of_body(parser: LexborHTMLParser, base: str) -> Iterator[str | None]:
    """The licences to which the links of a page lead that speak of the page, in their order."""
    for link in parser.css(_LINKS)[:MAX_STATEMENTS]:
        if _of_the_page(link):
            yield of_link(link.attributes.get("href") or "", base)


def of_scripts(parser: LexborHTMLParser, url: str) -> Iterator[str | None]:
    """The licences that JSON-LD states of the page ``url``."""
    for script in parser.css(_SCRIPTS)[:MAX_STATEMENTS]:
        text = script.text_lexbor()
        if len(text) <= MAX_SCRIPT and _MENTION.decode() in text:
            yield from of_json_ld(text, url)


def _of_the_page(link: LexborNode) -> bool:
    """Whether no element around a link says that it is about something else: RDFa (``about``), an article in an
    article (a comment, as HTML says), or one of ``_OF_OTHERS``."""
    node: LexborNode | None = link
    articles = 0
    while node is not None:
        articles += node.tag == "article"
        if node.tag in _OF_OTHERS or articles > 1 or node.attributes.get("about"):
            return False
        node = node.parent
    return True
