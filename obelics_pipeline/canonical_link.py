"""The address that a page gives as its own: links of the relation ``canonical`` (RFC 6596).

They stand in the ``head`` of the page or in a ``Link`` header (RFC 8288). Templates get them wrong, so one counts only
if it can be meant: it is the only one, stays on the site, and does not take the whole site for one page.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from typing import Final

from obelics_pipeline.url import canonical, host_of, registrable_domain, resolve

MAX_SPELLINGS: Final = 20
"""A page whose links are written in more ways than this gives no address; honest ones have one or two."""

MAX_HEADER: Final = 8192
"""Characters of ``Link`` headers that are read: servers take no more for all headers of a request."""

_QUOTED = r'"(?:[^"\\]|\\.)*+"'
_LINK = re.compile(rf'<([^<>]*)>((?:[^",]|{_QUOTED})*+)')
_PARAMETER = re.compile(rf';\s*([\w*-]+)\s*=\s*({_QUOTED}|[^\s;,"]+)')


def canonical_link(
    url: str, base: str, hrefs: Sequence[str], headers: Iterable[tuple[str, str]]
) -> str | None:
    """The address by which the page at ``url`` asks to be known, absolute; None if it is ``url`` or nothing sound.

    ``hrefs`` are those of its ``link`` elements, relative to ``base``; ``headers`` are pairs of a lower-case name and
    a value, whose links are relative to ``url``. Links that disagree are as none: no telling which is wrong.
    """
    written = dict.fromkeys(
        [*((href, base) for href in hrefs), *((href, url) for href in _of_headers(headers))]
    )
    if len(written) > MAX_SPELLINGS:
        return None
    links = [link for reference in written if (link := resolve(*reference)) is not None]
    if all(link == url for link in links):  # so it is on most pages
        return None
    keys = {canonical(link) for link in links}
    return links[0] if len(keys) == 1 and _can_be_meant(links[0], keys.pop(), url) else None


def _can_be_meant(link: str, key: str, url: str) -> bool:
    """Whether ``link`` is another address of the site of ``url``, and not its home page for a page within."""
    own = canonical(url)
    if key == own or (_is_root(key) and not _is_root(own)):
        return False
    return registrable_domain(host_of(link)) == registrable_domain(host_of(url))


def _is_root(key: str) -> bool:
    return key.find("/", len("https://")) == len(key) - 1


def _of_headers(headers: Iterable[tuple[str, str]]) -> Iterator[str]:
    """The targets of relation ``canonical`` in ``Link`` headers that speak of the page itself (have no anchor)."""
    value = ", ".join([value for name, value in headers if name == "link"])
    for target, parameters in _LINK.findall(value[:MAX_HEADER]):
        named: dict[str, str] = {}
        for name, said in _PARAMETER.findall(parameters):
            named.setdefault(name.lower(), said.strip('"'))  # of several rel the first counts (RFC 8288 §3.3)
        if "canonical" in named.get("rel", "").lower().split() and "anchor" not in named:
            yield target
