"""The licence of a page as its publisher states it: addresses, those of Creative Commons in one form each.

Read are statements that are made for machines (links of the relation ``license``, metadata of Dublin Core and
schema.org), never prose. What is stated is taken down, not judged.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Any, Final

import msgspec

from obelics_pipeline.url import canonical, resolve

MAX_LICENSES: Final = 5
"""Licences of a page that are kept; lists of works with a licence each are no statement on the page."""

MAX_ADDRESS: Final = 500
"""Characters of an address that may name a licence."""

META: Final = frozenset(
    {"dcterms.license", "dc.license", "dc.rights.license", "dcterms.rights", "dc.rights", "license"}
)
"""Names of ``meta`` elements in which licences are stated, in lower case."""

_CREATIVE_COMMONS = re.compile(
    r"https?://(?:www\.)?creativecommons\.org/(licenses|publicdomain)/([a-z+-]+)"
    r"(?:/(\d\.\d)(?:/(igo|scotland|[a-z]{2})(?=/|$))?)?(?:[/?].*)?",
    re.IGNORECASE,
)
_SHORT = re.compile(
    r"(?:cc|creative commons)(?:[ -]+(by(?:[ -](?:nc|nd|sa)){0,2})|(?:[ -]?(0|zero)))[ -]+(?:v\.?)?(\d\.\d)"
    r"(?: (?:international|unported|universal))?",
    re.IGNORECASE,
)
"""Names such as ``CC BY-SA 4.0`` and ``CC0-1.0``, also those of SPDX."""

_ABSOLUTE = re.compile(r"(?:https?:)?//\S+", re.IGNORECASE)
_SCHEMA = re.compile(r"(?:https?://schema\.org/|schema:)")
_ARTICLES: Final = ("Page", "Article", "Posting")
_WORKS: Final = frozenset({"CreativeWork", "HowTo", "LearningResource", "Recipe", "Report"})


def normal(address: str) -> str:
    """The address of a licence; one of Creative Commons without what leads to its languages and forms.

    >>> normal("http://www.creativecommons.org/licenses/by-sa/3.0/de/deed.en")
    'https://creativecommons.org/licenses/by-sa/3.0/de/'
    """
    found = _CREATIVE_COMMONS.fullmatch(address)
    if found is None:
        return address.replace(",", "%2C")  # several are joined by commas
    parts = [part.lower() for part in found.groups() if part]
    if found[3] and found[3] >= "4":  # there are no ports since: what stands there is a language
        parts = parts[:3]
    return f"https://creativecommons.org/{'/'.join(parts)}/"


def of_link(href: str, base: str) -> str | None:
    """The licence to which a link of the relation ``license`` leads; None if it leads nowhere or to its own page."""
    address = resolve(href.strip(), base)
    if address is None or len(address) > MAX_ADDRESS or canonical(address) == canonical(base):
        return None
    return normal(address)


def of_text(text: str, base: str = "") -> str | None:
    """The licence that a value of metadata is: an address, or the whole name of one of Creative Commons.

    >>> of_text("CC-BY-SA-4.0")
    'https://creativecommons.org/licenses/by-sa/4.0/'
    >>> of_text("All rights reserved")
    """
    text = " ".join(text[: 2 * MAX_ADDRESS].split())
    if _ABSOLUTE.fullmatch(text):
        return of_link(text, base or "https://invalid/")
    found = _SHORT.fullmatch(text)
    if found is None:
        return None
    name = f"licenses/{re.sub(' ', '-', found[1].lower())}" if found[1] else "publicdomain/zero"
    return f"https://creativecommons.org/{name}/{found[3]}/"


def of_meta(meta: Iterable[tuple[str, str]], base: str) -> Iterator[str | None]:
    """The licences in the ``meta`` elements of a page: pairs of a lower-case name and a content."""
    return (of_text(content, base) for name, content in meta if name in META)


def of_json_ld(text: str | bytes, url: str) -> Iterator[str | None]:
    """The licences that JSON-LD in the page ``url`` states of the page itself, or of the article that it is.

    What it says of images, of a publisher and of other pages is left alone. Never raises.
    """
    try:
        data = msgspec.json.decode(text)
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError):
        return
    for node in _nodes(data):
        if _is_page(node, url):
            for value in _listed(node.get("license")):
                stated = (value.get("@id") or value.get("url")) if isinstance(value, dict) else value
                if isinstance(stated, str):
                    yield of_text(stated, url)


def stated(found: Iterable[str | None]) -> str | None:
    """The licences of a page, each once, in the order in which they were found, joined by commas."""
    return ", ".join(list(dict.fromkeys(filter(None, found)))[:MAX_LICENSES]) or None


def _nodes(data: Any) -> Iterator[dict[str, Any]]:
    """The outermost objects of JSON-LD, and what they name as the thing that the page is about."""
    for node in _listed(data):
        if isinstance(node, dict):
            yield node
            for name in ("@graph", "mainEntity", "mainEntityOfPage"):
                yield from (inner for inner in _listed(node.get(name)) if isinstance(inner, dict))


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def _is_page(node: dict[str, Any], url: str) -> bool:
    kinds = [_SCHEMA.sub("", kind) for kind in _listed(node.get("@type")) if isinstance(kind, str)]
    if not any(kind.endswith(_ARTICLES) or kind in _WORKS for kind in kinds):
        return False
    named = node.get("url")
    address = resolve(named, url) if isinstance(named, str) else url
    return address is not None and canonical(address) == canonical(url)
