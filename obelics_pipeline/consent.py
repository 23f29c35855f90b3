"""Consent signals of a page or an image: what its headers and meta tags ask of those who would collect it.

Only recorded here, as ``source:directive`` or ``source:agent:directive``; what follows from them is decided
later, by a policy (``filters/consent``). Directives that allow (``all``, ``index``, ``max-image-preview``,
``train-ai=y``) say nothing against, and are left out.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from datetime import datetime
from email.utils import parsedate_to_datetime
from typing import Final

import msgspec

RESTRICTIVE: Final = frozenset(
    {"noai", "noimageai", "noml", "noindex", "noimageindex", "none", "noarchive", "nocache", "nosnippet"}
)
"""Directives of robots meta tags and headers that may matter for a dataset: opt-outs of training (``noai``,
``noimageai`` and ``noml``), and of being found, kept or quoted. ``nofollow`` speaks of links only."""

# fmt: off
AGENTS: Final = frozenset((
    "ai2bot", "amazonbot", "anthropic-ai", "applebot", "applebot-extended", "bingbot", "bytespider",
    "ccbot", "claudebot", "cohere-ai", "cohere-training-data-crawler", "diffbot", "facebookbot",
    "google-extended", "googlebot", "googlebot-image", "googlebot-news", "gptbot", "img2dataset",
    "meta-externalagent", "msnbot", "obelics-builder", "omgili", "omgilibot", "pangubot", "perplexitybot",
    "slurp", "timpibot", "webzio-extended", "yandex",
))
# fmt: on
"""Names of agents that meta tags address; for headers any name is recorded."""

MAX_VALUE: Final = 4096
"""Characters of a header or tag that are read; no honest one comes near."""

_SEPARATOR = re.compile(r"[,;](?!\s*\d)")  # a comma before a digit stands in a date
_AGENT = re.compile(r"([a-z][\w.*-]*|\*)\s*:\s*")
_VALUED = frozenset({"unavailable_after", "max-snippet", "max-image-preview", "max-video-preview"})
_USAGE = re.compile(r"\s*([a-z*][a-z0-9_.*-]*)\s*=\s*n\s*(?:;.*)?")

Pairs = Iterable[tuple[str, str]]


class Signal(msgspec.Struct, frozen=True):
    """A recorded signal in its pieces; ``agent`` is empty if all are addressed.

    ``argument`` is the day of ``unavailable_after`` (ISO 8601), if it could be read.
    """

    source: str
    directive: str
    agent: str = ""
    argument: str = ""


def read_signal(text: str) -> Signal:
    """The pieces of a string that ``signals`` returned. Never raises."""
    source, _, rest = text.partition(":")
    if source not in ("x-robots-tag", "meta-robots"):
        return Signal(source, rest)
    first, _, others = rest.partition(":")
    if first in RESTRICTIVE or first in _VALUED:
        return Signal(source, first, "", others)
    directive, _, argument = others.partition(":")
    return Signal(source, directive, first, argument)


def signals(headers: Pairs, meta: Pairs) -> tuple[str, ...]:
    """The signals of a page, or of an image (which has no ``meta``), sorted, each once; never raises.

    ``headers`` and ``meta`` (of ``<meta name content>``) are pairs of a lower-case name and a value.
    ``unavailable_after`` carries its date, for the policy to compare.
    """
    found: set[str] = set()
    for name, value in headers:
        if name == "x-robots-tag":
            found.update(_of_robots(name, value[:MAX_VALUE]))
        elif name == "content-usage":
            found.update(_of_usage(value[:MAX_VALUE]))
        elif name in ("tdm-reservation", "tdm-policy"):
            found.update(_of_tdm(name, value))
    for name, value in meta:
        if name == "robots":
            found.update(_of_robots("meta-robots", value[:MAX_VALUE]))
        elif name in AGENTS:
            found.update(_of_robots(f"meta-robots:{name}", value[:MAX_VALUE]))
        elif name in ("tdm-reservation", "tdm-policy"):
            found.update(_of_tdm(name, value))
    return tuple(sorted(found))


def _of_robots(source: str, value: str) -> Iterator[str]:
    """Directives of one header or tag; a name before a colon is the agent of all that follows it."""
    agent = ""
    for piece in _SEPARATOR.split(value.lower()):
        rest = piece.strip()
        while (match := _AGENT.match(rest)) and match[1] not in _VALUED and match[1] not in RESTRICTIVE:
            agent, rest = "" if match[1] == "*" else f"{match[1]}:", rest[match.end() :]
        name, _, argument = rest.partition(":")
        if name.strip() == "unavailable_after":
            yield f"{source}:{agent}unavailable_after:{_date(argument.strip())}".rstrip(":")
        else:
            # Spaces for commas are a common mistake, and what was meant is plain.
            yield from (f"{source}:{agent}{word}" for word in name.split() if word in RESTRICTIVE)


def _date(text: str) -> str:
    """The day of a date in any of the formats of RFC 822, RFC 850 and ISO 8601; empty for others."""
    for read in (datetime.fromisoformat, parsedate_to_datetime):
        try:
            return read(text.upper()).date().isoformat()
        except (ValueError, TypeError, IndexError, OverflowError):
            continue
    return ""


def _of_tdm(name: str, value: str) -> Iterator[str]:
    """The TDM Reservation Protocol of the W3C group: 1 reserves the rights of text and data mining."""
    if name == "tdm-policy" and value.strip():
        yield "tdm-policy"
    elif name == "tdm-reservation" and "1" in [part.strip() for part in value[:MAX_VALUE].split(",")]:
        yield "tdm-reservation:1"


def _of_usage(value: str) -> Iterator[str]:
    """Content-Usage (draft-ietf-aipref-attach): a dictionary with case-sensitive keys, where n disallows."""
    for member in value.split(","):
        match = _USAGE.fullmatch(member)
        if match:
            yield f"content-usage:{match[1]}=n"
